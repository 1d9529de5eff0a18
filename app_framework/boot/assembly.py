"""Assembling an application: everything is decided here, and nothing is created yet.

The user's sources come first, so that a starter's ``on_missing_component`` sees them; then the auto-configurations
in their order. Every decision is recorded with its outcome when it is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeGuard

from app_framework.boot.conditions import Condition, ConditionContext, Outcome, in_order
from app_framework.boot.config.properties import ConfigProperties
from app_framework.boot.decorators import (
    ConfigurationCheckMark,
    FailureAnalyzerMark,
    RequirementReaderMark,
    mark_of,
    snake_case,
)
from app_framework.boot.definition import Definition, FactoryKind, UnresolvableHintError, type_name
from app_framework.boot.ordering import order_auto_configurations
from app_framework.boot.report import ConditionReport, ReportEntry
from app_framework.boot.sources import (
    Candidate,
    ConfigurationSource,
    InvalidSourceError,
    read_beans,
    read_sources,
    value_definition,
)
from app_framework.boot.starters import AutoConfiguration
from app_framework.errors import UserError, did_you_mean, near_matches

if TYPE_CHECKING:
    from app_framework.boot.config.environment import Environment


@dataclass(frozen=True, slots=True)
class DuplicateName:
    """Two components were given one name."""

    first: Definition
    second: Definition


class UnknownExclusionError(UserError):
    """An auto-configuration is excluded that does not exist.

    Attributes:
        id: what was written.
        known: the ids that exist.
    """

    def __init__(self, id: str, known: Iterable[str]) -> None:  # noqa: A002
        self.id = id
        self.known = tuple(sorted(known))
        self.near = near_matches(id, self.known)
        super().__init__(id)

    def __str__(self) -> str:
        hint = did_you_mean(self.near) or f"Installed are: {', '.join(self.known) or 'none'}"
        return f"app.autoconfigure.exclude names {self.id!r}, which is not an auto-configuration. {hint}"


@dataclass(slots=True)
class Assembly:
    """What an application consists of, decided but not created.

    Args:
        definitions: by name, in the order of definition.
        report: every decision.
        problems: what cannot work and must be reported with the rest of the graph's problems.
        analyzers: the failure analyzers that starters bring.
        checks: what starters bring to look through the configuration.
        requirement_readers: what starters bring to read the needs of ready-made sources.
        overridden: names of the components that were replaced by an instance.
    """

    definitions: dict[str, Definition] = field(default_factory=dict)
    report: ConditionReport = field(default_factory=ConditionReport)
    problems: list[UnresolvableHintError | InvalidSourceError | DuplicateName] = field(default_factory=list)
    analyzers: list[Callable[..., Any]] = field(default_factory=list)
    requirement_readers: list[Callable[..., Any]] = field(default_factory=list)
    checks: list[Callable[..., Any]] = field(default_factory=list)
    overridden: set[str] = field(default_factory=set)


def property_models(
    sources: Sequence[object], auto_configurations: Sequence[AutoConfiguration]
) -> tuple[type[ConfigProperties], ...]:
    """Return every configuration section that the sources and starters own, on or off."""
    found: dict[type[ConfigProperties], None] = {}
    for auto in auto_configurations:
        found.update(dict.fromkeys(auto.mark.properties))
        found.update(_models_of(read_beans(auto.target, auto.id, bring=False)))
    for source in _readable(sources, auto_configurations):
        found.update(_models_of(source.candidates if isinstance(source, ConfigurationSource) else (source,)))
    return (*found, *(source for source in sources if _is_model(source) and source not in found))


def assemble(
    sources: Sequence[object],
    auto_configurations: Sequence[AutoConfiguration],
    environment: Environment,
    *,
    builtin: Iterable[Definition] = (),
    overrides: Mapping[Any, object] | None = None,
    hidden_modules: frozenset[str] = frozenset(),
    excluded: Iterable[str] = (),
) -> Assembly:
    """Decide what the application consists of.

    Args:
        sources: what the user gave.
        auto_configurations: what the installed starters announce.
        environment: claimed and checked.
        builtin: the container's own components, such as the environment.
        overrides: instances by type or name, which replace what provides that type before anything is created.
        hidden_modules: modules to treat as not installed.
        excluded: ids of auto-configurations to leave out.

    Raises:
        UnknownExclusionError: when an excluded id does not exist.
        AutoConfigurationCycleError: when starters ask to come before each other.
    """
    assembly = Assembly()
    assembly.definitions.update({definition.name: definition for definition in builtin})
    context = ConditionContext(environment, assembly.definitions.values, hidden_modules)
    for source in _read(sources, auto_configurations, assembly):
        _decide_source(source, assembly, context)
    kept = _without_excluded(auto_configurations, tuple(excluded), assembly.report)
    for auto in order_auto_configurations(kept):
        _decide_auto_configuration(auto, assembly, context)
    _bind_properties(assembly, environment)
    _override(assembly, overrides or {})
    return assembly


def _read(
    sources: Sequence[object], auto_configurations: Sequence[AutoConfiguration], assembly: Assembly
) -> list[Candidate | ConfigurationSource]:
    instance_types = [name for auto in auto_configurations for name in auto.mark.instances]
    found: list[Candidate | ConfigurationSource] = []
    for source in sources:
        if _is_model(source):
            continue
        try:
            found += read_sources([source], instance_types)
        except InvalidSourceError as error:
            assembly.problems.append(error)
    return found


def _readable(
    sources: Sequence[object], auto_configurations: Sequence[AutoConfiguration]
) -> list[Candidate | ConfigurationSource]:
    """Read sources for their property models only; what is wrong with them is reported when they are assembled."""
    return _read(sources, auto_configurations, Assembly())


def _decide_source(source: Candidate | ConfigurationSource, assembly: Assembly, context: ConditionContext) -> None:
    if isinstance(source, Candidate):
        _decide(source.definition.name, source, assembly, context)
        return
    entry = _entry(source.name, source.conditions, context, source.target)
    assembly.report.add(entry)
    for candidate in source.candidates:
        subject = f"{source.name}.{candidate.definition.name}"
        _decide(subject, candidate, assembly, context, blocked_by=None if entry.matched else entry)


def _decide_auto_configuration(auto: AutoConfiguration, assembly: Assembly, context: ConditionContext) -> None:
    entry = _entry(auto.id, auto.mark.conditions, context, auto.target, owner=auto.id)
    assembly.report.add(entry)
    blocked_by = None if entry.matched else entry
    configuration, *beans = read_beans(auto.target, auto.id, bring=entry.matched)
    if not blocked_by:
        _define(configuration, assembly)
        assembly.analyzers += _marked(auto.target, FailureAnalyzerMark)
        assembly.requirement_readers += _marked(auto.target, RequirementReaderMark)
        assembly.checks += _marked(auto.target, ConfigurationCheckMark)
    for candidate in beans:
        _decide(f"{auto.id}.{candidate.definition.name}", candidate, assembly, context, blocked_by=blocked_by)


def _decide(
    subject: str,
    candidate: Candidate,
    assembly: Assembly,
    context: ConditionContext,
    blocked_by: ReportEntry | None = None,
) -> None:
    definition = candidate.definition
    conditions = () if blocked_by else candidate.conditions
    entry = _entry(subject, conditions, context, definition.target, definition.provides, definition.owner, blocked_by)
    if candidate.conditions or blocked_by or definition.owner:
        assembly.report.add(entry)
    if entry.matched:
        _define(candidate, assembly)


def _entry(
    subject: str,
    conditions: Iterable[Condition],
    context: ConditionContext,
    target: object,
    provides: object = None,
    owner: str | None = None,
    blocked_by: ReportEntry | None = None,
) -> ReportEntry:
    outcomes: list[Outcome] = []
    for condition in in_order(conditions):
        outcomes.append(condition(context))
        if not outcomes[-1].matched and not condition.late:
            break  # what a cheap condition rules out is not asked about components
    return ReportEntry(subject, tuple(outcomes), target, provides, owner, blocked_by)


def _define(candidate: Candidate, assembly: Assembly) -> None:
    definition = candidate.definition
    if candidate.problem is not None:
        assembly.problems.append(candidate.problem)
        return
    taken = assembly.definitions.get(definition.name)
    if taken is not None:
        assembly.problems.append(DuplicateName(taken, definition))
        return
    assembly.definitions[definition.name] = definition


def _without_excluded(
    candidates: Sequence[AutoConfiguration], excluded: Sequence[str], report: ConditionReport
) -> list[AutoConfiguration]:
    known = [candidate.id for candidate in candidates]
    for unknown in (name for name in excluded if name not in known):
        raise UnknownExclusionError(unknown, known)
    report.exclusions = tuple(excluded)
    return [candidate for candidate in candidates if candidate.id not in excluded]


def _bind_properties(assembly: Assembly, environment: Environment) -> None:
    """Give every property model that a component asks for a component of its own."""
    for definition in list(assembly.definitions.values()):
        for parameter in definition.parameters:
            model = parameter.type
            name = _model_name(model) if _is_model(model) else None
            if name and name not in assembly.definitions:
                assembly.definitions[name] = Definition(
                    name=name,
                    provides=model,
                    factory=lambda model=model: environment.bind(model),
                    kind=FactoryKind.PROPERTIES,
                    target=model,
                )


def _override(assembly: Assembly, overrides: Mapping[Any, object]) -> None:
    """Put an instance in the place of what provides a type, so that the real one is never made."""
    for wanted, value in overrides.items():
        replaced = [
            definition
            for definition in assembly.definitions.values()
            if definition.name == wanted or (not isinstance(wanted, str) and definition.satisfies(wanted))
        ]
        if not replaced:
            provides = type(value) if isinstance(wanted, str) else wanted
            name = wanted if isinstance(wanted, str) else snake_case(type_name(wanted))
            assembly.definitions[name] = value_definition(name, value, provides)
        for definition in replaced:
            assembly.overridden.add(definition.name)
            assembly.definitions[definition.name] = replace(
                definition,
                factory=_constant(value),
                kind=FactoryKind.VALUE,
                parameters=(),
                scope="application",
            )


def _constant(value: object) -> Callable[[], object]:
    return lambda: value


def _marked(target: type, kind: type[Any]) -> list[Callable[..., Any]]:
    """Return the class's methods of a kind; they must work before anything exists, so they get a bare instance."""
    methods = [
        attribute for base in reversed(target.__mro__) for attribute in vars(base).values() if mark_of(attribute, kind)
    ]
    instance: object = object.__new__(target)
    return [method.__get__(instance) for method in methods]


def _models_of(candidates: Iterable[Candidate]) -> dict[type[ConfigProperties], None]:
    return {
        parameter.type: None
        for candidate in candidates
        for parameter in candidate.definition.parameters
        if _is_model(parameter.type)
    }


def _is_model(candidate: object) -> TypeGuard[type[ConfigProperties]]:
    return (
        isinstance(candidate, type) and issubclass(candidate, ConfigProperties) and candidate.config_prefix is not None
    )


def _model_name(model: type[ConfigProperties]) -> str:
    return snake_case(model.__name__)
