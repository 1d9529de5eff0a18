"""Conditions decide what is wired; their sentences are recorded when they are asked."""

from __future__ import annotations

import pytest

from app_framework.boot import (
    Condition,
    ConditionContext,
    ConditionReport,
    Outcome,
    all_of,
    any_of,
    auto_configuration,
    bean,
    component,
    none_of,
    on_component,
    on_condition,
    on_distribution,
    on_missing_component,
    on_module,
    on_profile,
    on_property,
    on_resource,
    on_single_candidate,
)
from app_framework.testing import ContextRunner, GoldenFiles


class Messenger:
    """What is offered."""


class Store:
    """Something else."""


def outcome_of(condition: Condition, runner: ContextRunner | None = None) -> Outcome:
    """Return what a condition says in an application."""

    @component(condition)
    class Conditional:
        """Only there when it matches."""

    context = (runner or ContextRunner()).sources(Conditional).prepare()
    return context.conditions["conditional"].outcomes[0]


LOOSE = "app: {config: {unknown: warn}}\n"


@pytest.mark.parametrize(
    ("condition", "yaml", "matched", "message"),
    [
        (on_property("nats.enabled"), "nats: {enabled: true}", True, "on_property(nats.enabled) found True"),
        (on_property("nats.enabled"), "nats: {enabled: false}", False, "on_property(nats.enabled) found False"),
        (on_property("nats.enabled"), "", False, "on_property(nats.enabled) did not find the property"),
        (
            on_property("nats.enabled", match_if_missing=True), "", True,
            "on_property(nats.enabled) did not find the property, which is enough",
        ),
        (on_property("mode", "fast"), "mode: FAST", True, "on_property(mode=fast) found 'FAST'"),
        (on_property("token", "x"), "token: hunter2", False, "on_property(token=x) found '******'"),
        (on_module("json"), "", True, "on_module(json) found the module"),
        (on_module("no_such"), "", False, "on_module(no_such) did not find the module"),
        (on_distribution("pydantic>=2"), "", True, None),
        (on_distribution("pydantic>=99"), "", False, None),
        (on_distribution("no-such"), "", False, "on_distribution(no-such) did not find the distribution"),
        (on_profile("prod & !eu"), "", False, "on_profile(prod & !eu) found active profiles: none"),
        (on_resource("no/such/file"), "", False, "on_resource(no/such/file) did not find it"),
        (on_component(Messenger), "", False, "on_component(Messenger) found no component"),
        (on_missing_component(Messenger), "", True, "on_missing_component(Messenger) found no component"),
        (
            all_of(on_module("json"), on_module("no_such")), "", False,
            "all_of found [on_module(json) found the module; on_module(no_such) did not find the module]",
        ),
        (any_of(on_module("json"), on_module("no_such")), "", True, None),
        (none_of(on_module("json"), on_module("no_such")), "", False, None),
        (on_condition(lambda _: Outcome(True, "said so")), "", True, "on_condition(<lambda>) said so"),
    ],
)  # fmt: skip
def test_a_condition_says_whether_it_matched_and_why(
    condition: Condition, yaml: str, matched: bool, message: str | None
) -> None:
    """The sentence begins with the condition as it is written."""
    outcome = outcome_of(condition, ContextRunner().yaml(LOOSE + yaml))
    assert outcome.matched is matched
    if message is not None:
        assert outcome.message == message


def test_a_property_condition_knows_where_the_deciding_value_was_set() -> None:
    """File, line and column of the value."""
    outcome = outcome_of(on_property("nats.enabled"), ContextRunner().yaml(LOOSE + "nats: {enabled: false}"))
    assert str(outcome.origin) == "<inline>:2:17"


@auto_configuration()
class MessagingAutoConfiguration:
    """Offers a messenger."""

    @bean(on_missing_component(Messenger))
    def framework_messenger(self) -> Messenger:
        """The framework's."""
        return Messenger()


@component
class MyMessenger(Messenger):
    """The user's own."""


def test_fa4_the_users_own_component_replaces_the_starters_and_the_report_says_where_it_is() -> None:
    """The starter steps back, and the reason names the user's file and line."""
    with ContextRunner(auto=[MessagingAutoConfiguration], sources=[MyMessenger]).run() as context:
        assert type(context[Messenger]) is MyMessenger
    reason = context.conditions["messaging.framework_messenger"].reason
    assert reason.startswith(
        "on_missing_component(Messenger) found 'my_messenger' defined at tests/boot/test_conditions.py:"
    )


def test_a_condition_can_name_a_type_without_importing_it() -> None:
    """``module:Class`` is compared by name, the defining module's or its room's menu."""
    named = f"{__name__}:Messenger"
    assert outcome_of(on_component(named), ContextRunner(sources=[MyMessenger])).matched


def test_on_single_candidate_wants_one_or_one_primary() -> None:
    """What injecting would find."""
    other = type("Other", (Messenger,), {"__doc__": "Another."})
    primary = component(primary=True)(type("Primary", (Messenger,), {"__doc__": "The primary one."}))
    assert outcome_of(on_single_candidate(Messenger), ContextRunner(sources=[MyMessenger])).matched
    assert not outcome_of(on_single_candidate(Messenger), ContextRunner(sources=[MyMessenger, other])).matched
    assert outcome_of(on_single_candidate(Messenger), ContextRunner(sources=[MyMessenger, primary])).matched


def test_a_module_can_be_hidden_for_a_test() -> None:
    """`without_modules` lets a test see what happens where a library is not installed."""
    assert not outcome_of(on_module("json"), ContextRunner().without_modules("json")).matched


@auto_configuration(on_module("no_such_module"))
class OffAutoConfiguration:
    """Is always off."""

    @bean
    def store(self) -> Store:
        """Never made."""
        return Store()


def test_the_conditions_report_reads_well(golden: GoldenFiles) -> None:
    """On, off with the sentence, excluded, unconditional."""
    context = ContextRunner(auto=[MessagingAutoConfiguration, OffAutoConfiguration], sources=[MyMessenger]).prepare()
    ours = [entry for entry in context.conditions.entries if str(entry.origin).startswith("tests/")]
    golden("conditions.txt", ConditionReport(ours, exclusions=["studio"]).to_text())


def test_a_condition_context_shows_what_is_defined_so_far() -> None:
    """A callable condition may look at the definitions and the environment."""
    seen: list[str] = []

    def look(context: ConditionContext) -> bool:
        seen.extend(definition.name for definition in context.definitions)
        return True

    ContextRunner(auto=[MessagingAutoConfiguration], sources=[MyMessenger]).sources(
        component(on_condition(look))(type("Late", (), {"__doc__": "Asked after the first source."}))
    ).prepare()
    assert "my_messenger" in seen
    assert "framework_messenger" not in seen
