"""Conditions decide what is wired; each leaves an outcome with a sentence and the place of the deciding value.

    @bean(on_missing_component(Messenger), on_property("nats.enabled", match_if_missing=True))

An outcome is recorded when it is evaluated and never computed again, so every report tells what really happened.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app_framework.boot.definition import Definition, type_name
from app_framework.boot.origin import Origin

if TYPE_CHECKING:
    from app_framework.boot.config.environment import Environment


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a condition found.

    Args:
        matched: whether it holds.
        message: the sentence that every report quotes.
        origin: where the deciding value or component was written, when there is such a place.
        remedy: what would make it match, when it is known: ``set nats.enabled to true``.
        condition: the condition as it is written, ``on_module(duckdb)``; the message begins with it.
    """

    matched: bool
    message: str
    origin: Origin | None = None
    remedy: str = ""
    condition: str = ""

    def __str__(self) -> str:
        return f"{self.message} ({self.origin})" if self.origin else self.message


class ConditionContext:
    """What a condition may look at: the environment, the installation, and what is defined so far."""

    def __init__(
        self,
        environment: Environment,
        definitions: Callable[[], Iterable[Definition]],
        hidden_modules: frozenset[str] = frozenset(),
    ) -> None:
        self.environment = environment
        self._definitions = definitions
        self._hidden_modules = hidden_modules

    @property
    def definitions(self) -> tuple[Definition, ...]:
        """Everything that is defined so far: the user's first, then earlier auto-configurations."""
        return tuple(self._definitions())

    def find(self, wanted: Any) -> tuple[Definition, ...]:
        """Return the definitions so far that provide `wanted` (a type, or ``module:Class``)."""
        if isinstance(wanted, str):
            return tuple(found for found in self._definitions() if _is_named(found, wanted))
        return tuple(found for found in self._definitions() if found.satisfies(wanted))

    def has_module(self, name: str) -> bool:
        """Tell whether a module can be imported, without importing it."""
        if any(name == hidden or name.startswith(hidden + ".") for hidden in self._hidden_modules):
            return False
        try:
            return importlib.util.find_spec(name) is not None
        except (ImportError, ValueError):
            return False


@dataclass(frozen=True)
class Condition:
    """A named question about the application.

    Args:
        name: how it is written, ``on_module(duckdb)``.
        evaluate: answers it with an outcome.
        late: whether it looks at components, and so is asked after the ones that do not.
    """

    name: str
    evaluate: Callable[[ConditionContext], Outcome]
    late: bool = False

    def __call__(self, context: ConditionContext) -> Outcome:
        """Return the outcome, its sentence led by the condition's name."""
        outcome = self.evaluate(context)
        return replace(outcome, message=f"{self.name} {outcome.message}", condition=self.name)

    def __repr__(self) -> str:
        return self.name


def on_property(name: str, equals: object = None, *, match_if_missing: bool = False) -> Condition:
    """Match when a property is set and not false, or has the value `equals`.

    Args:
        name: the key, ``nats.enabled``.
        equals: the value to compare with, as text and without regard to case; None for "set and not false".
        match_if_missing: the outcome when the property is not set anywhere.
    """

    def evaluate(context: ConditionContext) -> Outcome:
        environment = context.environment
        remedy = f"set {name} to {'true' if equals is None else equals}"
        if not environment.contains(name):
            enough = ", which is enough" if match_if_missing else ""
            return Outcome(match_if_missing, f"did not find the property{enough}", remedy=remedy)
        value = environment.get(name)
        shown = environment.mask(name, value)
        text = str(value).lower()
        matched = text != "false" if equals is None else text == str(equals).lower()
        origin = environment.origin(name)
        return Outcome(matched, f"found {shown!r}", origin, f"{remedy} ({origin})")

    return Condition(f"on_property({name}{'' if equals is None else f'={equals}'})", evaluate)


def on_module(name: str) -> Condition:
    """Match when a module can be imported; it is not imported to find out."""

    def evaluate(context: ConditionContext) -> Outcome:
        found = context.has_module(name)
        sentence = "found the module" if found else "did not find the module"
        return Outcome(found, sentence, remedy=f"install the library that brings the module {name}")

    return Condition(f"on_module({name})", evaluate)


def on_distribution(requirement: str) -> Condition:
    """Match when a distribution is installed in a fitting version: ``on_distribution("duckdb>=2")``."""

    def evaluate(context: ConditionContext) -> Outcome:
        from packaging.requirements import Requirement

        wanted = Requirement(requirement)
        try:
            version = importlib.metadata.version(wanted.name)
        except importlib.metadata.PackageNotFoundError:
            return Outcome(False, "did not find the distribution", remedy=f"pip install '{requirement}'")
        fits = wanted.specifier.contains(version, prereleases=True)
        return Outcome(fits, f"found version {version}", remedy=f"pip install '{requirement}'")

    return Condition(f"on_distribution({requirement})", evaluate)


def on_component(wanted: Any) -> Condition:
    """Match when at least one component of a type is defined so far."""

    def evaluate(context: ConditionContext) -> Outcome:
        return _found(context.find(wanted), matched_when_found=True)

    return Condition(f"on_component({_written(wanted)})", evaluate, late=True)


def on_missing_component(wanted: Any) -> Condition:
    """Match when no component of a type is defined so far: the starter steps back for the user's own."""

    def evaluate(context: ConditionContext) -> Outcome:
        return _found(context.find(wanted), matched_when_found=False)

    return Condition(f"on_missing_component({_written(wanted)})", evaluate, late=True)


def on_single_candidate(wanted: Any) -> Condition:
    """Match when injecting a type would find exactly one component, or exactly one primary one."""

    def evaluate(context: ConditionContext) -> Outcome:
        found = context.find(wanted)
        primary = [definition for definition in found if definition.primary]
        outcome = _found(found, matched_when_found=True)
        return replace(outcome, matched=len(found) == 1 or len(primary) == 1)

    return Condition(f"on_single_candidate({_written(wanted)})", evaluate, late=True)


def on_profile(expression: str) -> Condition:
    """Match when the active profiles fit an expression such as ``prod & !eu``."""

    def evaluate(context: ConditionContext) -> Outcome:
        active = ", ".join(context.environment.active_profiles) or "none"
        fits = context.environment.accepts_profiles(expression)
        return Outcome(fits, f"found active profiles: {active}", remedy=f"activate profiles that fit {expression!r}")

    return Condition(f"on_profile({expression})", evaluate)


def on_resource(path: str | Path) -> Condition:
    """Match when a file or folder exists; a relative path starts at the application's folder."""

    def evaluate(context: ConditionContext) -> Outcome:
        found = (context.environment.directory / path).exists()
        return Outcome(found, "found it" if found else "did not find it")

    return Condition(f"on_resource({path})", evaluate)


def on_condition(question: Callable[[ConditionContext], Outcome | bool], *, late: bool = True) -> Condition:
    """Match when a callable says so; it returns an `Outcome`, or a bool for a plain sentence."""
    name = getattr(question, "__name__", repr(question))

    def evaluate(context: ConditionContext) -> Outcome:
        answer = question(context)
        if isinstance(answer, Outcome):
            return answer
        return Outcome(bool(answer), "said yes" if answer else "said no")

    return Condition(f"on_condition({name})", evaluate, late)


def all_of(*conditions: Condition) -> Condition:
    """Match when every condition does."""
    return _combine("all_of", conditions, all)


def any_of(*conditions: Condition) -> Condition:
    """Match when at least one condition does."""
    return _combine("any_of", conditions, any)


def none_of(*conditions: Condition) -> Condition:
    """Match when no condition does."""
    return _combine("none_of", conditions, lambda outcomes: not any(outcomes))


def in_order(conditions: Iterable[Condition]) -> list[Condition]:
    """Return the conditions with those that look at components last, so that cheap ones decide first."""
    return sorted(conditions, key=lambda condition: condition.late)


def _combine(word: str, conditions: tuple[Condition, ...], decide: Callable[[Iterable[bool]], bool]) -> Condition:
    def evaluate(context: ConditionContext) -> Outcome:
        outcomes = [condition(context) for condition in in_order(conditions)]
        origin = next((outcome.origin for outcome in outcomes if outcome.origin), None)
        sentence = "; ".join(outcome.message for outcome in outcomes)
        return Outcome(decide([outcome.matched for outcome in outcomes]), f"found [{sentence}]", origin)

    return Condition(word, evaluate, late=any(condition.late for condition in conditions))


def _found(definitions: tuple[Definition, ...], *, matched_when_found: bool) -> Outcome:
    if not definitions:
        return Outcome(not matched_when_found, "found no component")
    names = ", ".join(f"{definition.name!r} defined at {definition.origin}" for definition in definitions)
    return Outcome(matched_when_found, f"found {names}")


def _is_named(definition: Definition, wanted: str) -> bool:
    """Compare by name, so that a condition on a heavy class does not import it."""
    return any(
        wanted in (f"{base.__module__}:{base.__qualname__}", _public_name(base))
        for base in definition.provided_class.__mro__
    )


def _public_name(base: type) -> str:
    """Return the name a user imports a class by: its room's menu, not the file behind it."""
    return f"{base.__module__.rpartition('.')[0]}:{base.__qualname__}"


def _written(wanted: Any) -> str:
    return wanted.partition(":")[2] if isinstance(wanted, str) else type_name(wanted)
