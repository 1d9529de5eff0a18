"""What can be wrong with a graph of components, and the words for it: who asks, what was ruled out, what to do."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from app_framework.boot.assembly import DuplicateName
from app_framework.boot.config.known_starters import KNOWN_STARTERS
from app_framework.boot.definition import Definition, UnresolvableHintError, describe, locate, type_name
from app_framework.boot.report import ReportEntry
from app_framework.boot.sources import InvalidSourceError
from app_framework.errors import FrameworkError


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
        return "\n".join(describe_problem(problem) for problem in self.problems)


def describe_problem(problem: WiringProblem) -> str:
    """Return what is wrong, and where."""
    match problem:
        case Missing():
            return _describe_missing(problem)
        case Ambiguous():
            lines = [f"{_asks(problem)}, and {len(problem.candidates)} components provide it:"]
            lines += [f"  - {each.name!r}  {each.origin}{_offered_by(each.owner)}" for each in problem.candidates]
            return "\n".join(lines)
        case Cycle():
            return _draw_cycle(problem)
        case WiderScope():
            return (
                f"component {problem.asker.name!r} ({problem.asker.origin}) lives as long as the application, but its "
                f"parameter {problem.parameter!r} asks for {problem.needed.name!r} ({problem.needed.origin}), "
                "which lives as long as one request."
            )
        case DuplicateName():
            return (
                f"two components are called {problem.first.name!r}:\n"
                f"  - {problem.first.origin}{_offered_by(problem.first.owner)}\n"
                f"  - {problem.second.origin}{_offered_by(problem.second.owner)}"
            )
        case UnresolvableHintError():
            return (
                f"{describe(problem.target)} ({locate(problem.target)}) has a type hint that cannot be resolved at "
                f"run time: {problem.name!r} is not defined there."
            )
        case InvalidSourceError():
            return str(problem)


def advise(problem: WiringProblem) -> str:
    """Return what to do about it."""
    match problem:
        case Missing():
            return _advise_missing(problem)
        case Ambiguous():
            names = " or ".join(f"{each.name!r}" for each in problem.candidates)
            return (
                f"Mark one {type_name(problem.type)} with primary=True, name the parameter {names}, "
                f"or ask by name: Annotated[{type_name(problem.type)}, Named({problem.candidates[0].name!r})]."
            )
        case Cycle():
            names = ", ".join(f"{each.name!r}" for each in problem.definitions)
            lazy = type_name(problem.definitions[0].provides)
            return f"Take one need out of the cycle {names}, or ask for one lazily: Lazy[{lazy}]."
        case WiderScope():
            return (
                f'Ask for Lazy[{type_name(problem.needed.provides)}], or give {problem.asker.name!r} scope="request".'
            )
        case DuplicateName():
            return f'Give one of them a name of its own: name="{problem.first.name}_2".'
        case UnresolvableHintError():
            return f"Import {problem.name!r} in {problem.module} outside of `if TYPE_CHECKING:`."
        case InvalidSourceError():
            return "Change what is given in Application(sources=[…])."


def _describe_missing(problem: Missing) -> str:
    lines = [f"{_asks(problem)}, and no component provides it."]
    if problem.qualifier:
        lines = [f"{_asks(problem)} by the name {problem.qualifier!r}, and there is none of that name."]
        if problem.names:
            lines.append(f"  Components of that type: {', '.join(problem.names)}")
    if problem.ruled_out:
        lines.append("  These would have provided it:")
        lines += [f"    - {entry.subject}  did not match: {entry.reason}" for entry in problem.ruled_out]
    return "\n".join(lines)


def _advise_missing(problem: Missing) -> str:
    name = type_name(problem.type) if problem.type is not None else "value"
    if is_plain_value(problem.type):
        return (
            f"{name} is not a type that can be wired. Configure the value in a ConfigProperties class and take that, "
            f"or give parameter {problem.parameter!r} a type hint of your own, or a default."
        )
    remedies = [remedy for entry in problem.ruled_out for remedy in entry.remedies]
    if problem.qualifier and problem.names:
        remedies.append(f"ask for one of the names that exist: {', '.join(problem.names)}")
    starter = KNOWN_STARTERS.get(_room(problem.type))
    if starter and not problem.ruled_out:
        remedies.append(f"pip install {starter}")
    remedies.append(f"give a {name} of your own in Application(sources=[…])")
    text = ", or ".join(dict.fromkeys(remedies))
    return text[0].upper() + text[1:] + "."


def _room(wanted: Any) -> str:
    """Return the room a type of ours lives in; rooms are called like the sections of their starters."""
    package, _, rest = getattr(wanted, "__module__", "").partition(".")
    room = rest.partition(".")[0]
    return {"olap": "schemas", "web": "server"}.get(room, room) if package == "app_framework" else ""


def _asks(problem: Missing | Ambiguous) -> str:
    parameter = f" (parameter {problem.parameter!r})" if problem.parameter else ""
    return f"{problem.asker} ({problem.place}) asks for {written(problem.type)}{parameter}"


def _offered_by(owner: str | None) -> str:
    return f"  (auto-configuration {owner!r})" if owner else ""


def _draw_cycle(problem: Cycle) -> str:
    names: Sequence[str] = [f"{each.name}  {each.origin}" for each in problem.definitions]
    lines = ["these components need each other:", "", "  ┌─────┐"]
    for index, name in enumerate(names):
        if index:
            lines.append("  ↑     ↓")
        lines.append(f"  |  {name}")
    return "\n".join([*lines, "  └─────┘"])


def is_plain_value(wanted: Any) -> bool:
    """Tell whether a type is one that is configured rather than injected: ``str``, ``int``, ``None`` …"""
    return wanted is None or wanted is Any or getattr(builtins, getattr(wanted, "__name__", ""), None) is wanted


def written(parameter_type: Any) -> str:
    """Return a type as a message shows it: with its module, unless it is built in."""
    if isinstance(parameter_type, type) and parameter_type.__module__ != "builtins":
        return f"{parameter_type.__module__}.{parameter_type.__qualname__}"
    return "an untyped value" if parameter_type is None else type_name(parameter_type)
