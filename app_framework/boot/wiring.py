"""Matching what components need with what is defined, for the whole graph, before anything is created.

Everything that is missing, ambiguous or cyclic is collected and reported at once (FA3).
"""

from __future__ import annotations

import contextlib
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app_framework.boot.assembly import Assembly
from app_framework.boot.definition import (
    Definition,
    Parameter,
    UnresolvableHintError,
    Want,
    read_hints,
    read_provided,
    type_name,
)
from app_framework.boot.report import ConditionReport, ReportEntry
from app_framework.boot.wiring_problems import (
    Ambiguous,
    Cycle,
    Missing,
    WiderScope,
    WiringError,
    WiringProblem,
)
from app_framework.errors import FrameworkError, did_you_mean


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
        order: names such that everything a component needs comes before it; request-scoped ones are left out. What
            is made in the background comes as early as that allows, and what needs it as late.
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
    order = _background_early(wiring, order)
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


class NoSuchComponentError(FrameworkError):
    """A component is asked for by a type (and name) that nothing, or more than one thing, provides.

    Attributes:
        wanted: the type.
        name: the name, when one was given.
        candidates: the names that fit the type.
        near: names that were probably meant.
    """

    def __init__(self, wanted: Any, name: str | None, candidates: Sequence[str], near: Sequence[str]) -> None:
        self.wanted = wanted
        self.name = name
        self.candidates = tuple(candidates)
        self.near = tuple(near)
        super().__init__(wanted, name)

    def __str__(self) -> str:
        if self.candidates and self.name is None:
            return f"several components provide {type_name(self.wanted)}: {', '.join(self.candidates)}. Ask by name"
        asked = f" called {self.name!r}" if self.name else ""
        return f"no component provides {type_name(self.wanted)}{asked}. {did_you_mean(self.near)}".rstrip(" .")


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
            Binding(parameter, self._match(parameter, asker, lambda: str(definition.origin), definition))
            for parameter in definition.parameters
        )

    def require(self, requirement: Requirement) -> None:
        """Check that one component fits what somebody outside the graph asks for."""
        self._match(Parameter("", requirement.type), requirement.asker, lambda: requirement.place, None)

    def _match(
        self, parameter: Parameter, asker: str, place: Callable[[], str], definition: Definition | None
    ) -> tuple[str, ...]:
        others = [each for each in self._definitions.values() if each is not definition]
        if parameter.want in (Want.LIST, Want.DICT):
            found = [each for each in others if each.satisfies(parameter.type)]
            return tuple(each.name for each in sorted(found, key=lambda each: each.order))
        found_one = choose(others, parameter.type, parameter.qualifier, parameter.name)
        if len(found_one) == 1:
            return (found_one[0].name,)
        if found_one:
            self.problems.append(Ambiguous(asker, place(), parameter.name, parameter.type, found_one))
        elif not parameter.has_default and parameter.want is not Want.OPTIONAL:
            self.problems.append(self._missing(parameter, asker, place()))
        return ()

    def _missing(self, parameter: Parameter, asker: str, place: str) -> Missing:
        ruled_out = tuple(entry for entry in self._report.negative if _would_provide(entry, parameter.type))
        names = tuple(each.name for each in self._definitions.values() if each.satisfies(parameter.type))
        return Missing(asker, place, parameter.name, parameter.type, parameter.qualifier, ruled_out, names)


def _would_provide(entry: ReportEntry, wanted: Any) -> bool:
    provided = entry.provides
    if provided is object and isinstance(entry.target, types.FunctionType):  # its class is not loaded yet
        with contextlib.suppress(UnresolvableHintError):
            provided, _ = read_provided(entry.target, read_hints(entry.target))
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


def _background_early(wiring: Wiring, order: tuple[str, ...]) -> tuple[str, ...]:
    """Begin with what is made in the background and what that needs, end with what has to wait for it."""
    early = {name for name in order if wiring.definitions[name].background}
    if not early:
        return order
    late: set[str] = set()
    for name in order:
        if not (early | late).isdisjoint(wiring.dependencies(name)) and name not in early:
            late.add(name)
    for name in reversed(order):
        if name in early:
            early.update(wiring.dependencies(name))
    return tuple(sorted(order, key=lambda name: 0 if name in early else 2 if name in late else 1))
