"""Matching what components need with what is defined, for the whole graph, before anything is created.

Everything that is missing, ambiguous or cyclic is collected and reported at once (FA3).
"""

from __future__ import annotations

import builtins
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app_framework.boot.assembly import Assembly, DuplicateName
from app_framework.boot.definition import Definition, Parameter, UnresolvableHintError, Want, type_name
from app_framework.boot.report import ConditionReport, ReportEntry
from app_framework.boot.sources import InvalidSourceError
from app_framework.errors import FrameworkError


@dataclass(frozen=True, slots=True)
class Requirement:
    """Something outside the graph that asks for a component, such as a request handler.

    Args:
        type: the type it asks for.
        asker: who asks, as a person calls it.
        place: where that is written.
    """

    type: Any
    asker: str
    place: str


@dataclass(frozen=True, slots=True)
class Missing:
    """A component asks for a type that nothing provides."""

    asker: str
    place: str
    parameter: str
    type: Any
    qualifier: str | None
    ruled_out: tuple[ReportEntry, ...]
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ambiguous:
    """A component asks for one of a type that several provide."""

    asker: str
    place: str
    parameter: str
    type: Any
    candidates: tuple[Definition, ...]


@dataclass(frozen=True, slots=True)
class Cycle:
    """Components need each other."""

    definitions: tuple[Definition, ...]


@dataclass(frozen=True, slots=True)
class WiderScope:
    """A component that lives as long as the application asks for one that lives as long as a request."""

    asker: Definition
    parameter: str
    needed: Definition


WiringProblem = Missing | Ambiguous | Cycle | WiderScope | DuplicateName | UnresolvableHintError | InvalidSourceError


class WiringError(FrameworkError):
    """The graph of components cannot be built; nothing was created.

    Attributes:
        problems: everything that is wrong with it.
    """

    def __init__(self, problems: Sequence[WiringProblem]) -> None:
        self.problems = tuple(problems)
        super().__init__(self.problems)

    def __str__(self) -> str:
        from app_framework.boot.wiring_text import describe_problem

        return "\n".join(describe_problem(problem) for problem in self.problems)


@dataclass(frozen=True, slots=True)
class Binding:
    """What a parameter gets.

    Args:
        parameter: the parameter.
        names: the components, one unless a list or dict is asked for; none where the default is taken.
    """

    parameter: Parameter
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Wiring:
    """A graph that works.

    Args:
        definitions: by name.
        bindings: what each component's parameters get, by component.
        order: names such that everything a component needs comes before it; request-scoped ones are left out.
    """

    definitions: Mapping[str, Definition]
    bindings: Mapping[str, tuple[Binding, ...]]
    order: tuple[str, ...]

    def dependencies(self, name: str) -> tuple[str, ...]:
        """Return the names of what a component is made from, lazy ones left out."""
        return tuple(
            needed
            for binding in self.bindings[name]
            if binding.parameter.want is not Want.LAZY
            for needed in binding.names
        )

    def dependents(self, name: str) -> tuple[str, ...]:
        """Return the names of what is made from a component."""
        return tuple(other for other in self.order if name in self.dependencies(other))


def wire(assembly: Assembly, requirements: Iterable[Requirement] = ()) -> Wiring:
    """Return the graph, complete.

    Raises:
        WiringError: with everything that is wrong.
    """
    problems: list[WiringProblem] = list(assembly.problems)
    matcher = _Matcher(assembly.definitions, assembly.report)
    bindings = {name: matcher.bind(definition) for name, definition in assembly.definitions.items()}
    for requirement in requirements:
        matcher.require(requirement)
    problems += matcher.problems
    wiring = Wiring(assembly.definitions, bindings, ())
    problems += _wider_scopes(wiring)
    order, cycles = _creation_order(wiring)
    problems += cycles
    if problems:
        raise WiringError(problems)
    return Wiring(assembly.definitions, bindings, order)


def choose(
    definitions: Iterable[Definition],
    wanted: Any,
    qualifier: str | None = None,
    tie_breaker: str | None = None,
) -> tuple[Definition, ...]:
    """Return the definitions that fit a type: exactly one when the choice is clear.

    A tie is broken by ``primary``, then by the parameter's name.
    """
    found = [each for each in definitions if each.satisfies(wanted) and qualifier in (None, each.name)]
    if len(found) > 1:
        primary = [each for each in found if each.primary]
        named = [each for each in found if each.name == tie_breaker]
        found = primary if len(primary) == 1 else named or found
    return tuple(found)


class _Matcher:
    """Binds one component after the other and keeps what went wrong."""

    def __init__(self, definitions: Mapping[str, Definition], report: ConditionReport) -> None:
        self._definitions = definitions
        self._report = report
        self.problems: list[WiringProblem] = []

    def bind(self, definition: Definition) -> tuple[Binding, ...]:
        """Return what each parameter gets."""
        asker = f"component {definition.name!r}"
        return tuple(
            Binding(parameter, self._match(parameter, asker, str(definition.origin), definition))
            for parameter in definition.parameters
        )

    def require(self, requirement: Requirement) -> None:
        """Check that one component fits what somebody outside the graph asks for."""
        self._match(Parameter("", requirement.type), requirement.asker, requirement.place, None)

    def _match(self, parameter: Parameter, asker: str, place: str, definition: Definition | None) -> tuple[str, ...]:
        others = [each for each in self._definitions.values() if each is not definition]
        if parameter.want in (Want.LIST, Want.DICT):
            found = [each for each in others if each.satisfies(parameter.type)]
            return tuple(each.name for each in sorted(found, key=lambda each: each.order))
        found_one = choose(others, parameter.type, parameter.qualifier, parameter.name)
        if len(found_one) == 1:
            return (found_one[0].name,)
        if found_one:
            self.problems.append(Ambiguous(asker, place, parameter.name, parameter.type, found_one))
        elif not parameter.has_default and parameter.want is not Want.OPTIONAL:
            self.problems.append(self._missing(parameter, asker, place))
        return ()

    def _missing(self, parameter: Parameter, asker: str, place: str) -> Missing:
        ruled_out = tuple(entry for entry in self._report.negative if _would_provide(entry, parameter.type))
        names = tuple(each.name for each in self._definitions.values() if each.satisfies(parameter.type))
        return Missing(asker, place, parameter.name, parameter.type, parameter.qualifier, ruled_out, names)


def _would_provide(entry: ReportEntry, wanted: Any) -> bool:
    provided = entry.provides
    return provided == wanted or (isinstance(provided, type) and wanted in provided.__mro__)


def _wider_scopes(wiring: Wiring) -> list[WiringProblem]:
    """A component must not outlive what it was made from, unless it looks it up each time."""
    return [
        WiderScope(definition, binding.parameter.name, wiring.definitions[name])
        for definition in wiring.definitions.values()
        if definition.scope == "application"
        for binding in wiring.bindings[definition.name]
        for name in binding.names
        if wiring.definitions[name].scope == "request"
    ]


def _creation_order(wiring: Wiring) -> tuple[tuple[str, ...], list[WiringProblem]]:
    """Order by depth-first search, in order of definition, so that the same application always starts the same way."""
    ordered: dict[str, None] = {}
    cycles: dict[frozenset[str], Cycle] = {}
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        if name in path:
            ring = path[path.index(name) :]
            cycles.setdefault(frozenset(ring), Cycle(tuple(wiring.definitions[each] for each in ring)))
            return
        if name in done:
            return
        for needed in wiring.dependencies(name):
            visit(needed, (*path, name))
        done.add(name)
        if wiring.definitions[name].scope == "application":
            ordered[name] = None

    for name in wiring.definitions:
        visit(name, ())
    return tuple(ordered), list(cycles.values())


def is_plain_value(wanted: Any) -> bool:
    """Tell whether a type is one that is configured rather than injected: ``str``, ``int``, ``None`` …"""
    return wanted is None or wanted is Any or getattr(builtins, getattr(wanted, "__name__", ""), None) is wanted


def written(parameter_type: Any) -> str:
    """Return a type as a message shows it: with its module, unless it is built in."""
    if isinstance(parameter_type, type) and parameter_type.__module__ != "builtins":
        return f"{parameter_type.__module__}.{parameter_type.__qualname__}"
    return "an untyped value" if parameter_type is None else type_name(parameter_type)
