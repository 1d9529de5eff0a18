"""Finding starters: installed distributions that announce auto-configurations by entry point.

A broken starter is loud. What cannot be imported, was made for another version of the framework, or claims an id
that another one has, stops the start with the distribution's name and the remedy.
"""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from app_framework.boot.decorators import AutoConfigurationMark, mark_of
from app_framework.boot.version_range import is_in_range
from app_framework.errors import FrameworkError

ENTRY_POINT_GROUP = "app_framework.auto_configuration"

_FRAMEWORK_REQUIREMENT = re.compile(r"app[-_.]framework\s*(?:\[[^]]*\])?\s*(?P<range>[(<>=!~][^;]*)", re.IGNORECASE)
"""``app-framework[olap] (>=0.1,<0.2) ; extra == 'x'``, as the metadata of a distribution writes it."""


@dataclass(frozen=True, slots=True)
class Starter:
    """An installed distribution with at least one auto-configuration.

    Args:
        distribution: its name, ``app-framework-starter-olap``.
        version: its installed version.
        ids: the auto-configurations it announces.
        summary: its one-line description.
        requires: what it says about the framework's version, ``>=0.1,<0.2``; empty when it says nothing.
    """

    distribution: str
    version: str
    ids: tuple[str, ...]
    summary: str = ""
    requires: str = ""

    @property
    def short_name(self) -> str:
        """The name people use: ``olap`` for ``app-framework-starter-olap``."""
        return self.distribution.removeprefix("app-framework-starter-")


@dataclass(frozen=True, slots=True)
class AutoConfiguration:
    """One auto-configuration class, ready to be decided about.

    Args:
        id: the name that ``before``, ``after`` and ``exclude`` use.
        target: the class.
        mark: what its decorator says.
        distributions: who announces it, none for the framework's own.
    """

    id: str
    target: type
    mark: AutoConfigurationMark
    distributions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StarterProblem:
    """One thing that is wrong with an installed starter."""

    distribution: str
    version: str
    message: str
    action: str


class StarterError(FrameworkError):
    """Installed starters cannot be used.

    Attributes:
        problems: everything that is wrong, all at once.
    """

    def __init__(self, problems: Sequence[StarterProblem]) -> None:
        self.problems = tuple(problems)
        super().__init__(self.problems)

    def __str__(self) -> str:
        return "\n".join(f"{p.distribution} {p.version}: {p.message}" for p in self.problems)


@dataclass(frozen=True, slots=True)
class Installed:
    """What is installed: the starters, and their auto-configurations."""

    starters: tuple[Starter, ...] = ()
    auto_configurations: tuple[AutoConfiguration, ...] = ()


def discover_starters(distributions: Iterable[importlib.metadata.Distribution] | None = None) -> Installed:
    """Read every installed starter once.

    Args:
        distributions: where to look; all installed distributions when None.

    Returns:
        The starters and their auto-configurations, each id once however many distributions announce it.

    Raises:
        StarterError: naming every broken, incompatible or clashing starter.
    """
    found = _entry_points(importlib.metadata.distributions() if distributions is None else distributions)
    problems: list[StarterProblem] = []
    starters = [_starter(distribution, points) for distribution, points in found]
    problems += _incompatible(starters)
    announced = _by_id(found, problems)
    loaded = [_load(entry, owners, problems) for entry, owners in announced]
    if problems:
        raise StarterError(problems)
    return Installed(tuple(starters), tuple(each for each in loaded if each is not None))


def auto_configuration_of(
    target: type, name: str | None = None, distributions: Sequence[str] = ()
) -> AutoConfiguration:
    """Return a decorated class as an auto-configuration.

    Raises:
        TypeError: when the class has no `@auto_configuration`.
    """
    mark = mark_of(target, AutoConfigurationMark)
    if mark is None:
        raise TypeError(f"{target.__module__}.{target.__qualname__} is not marked with @auto_configuration")
    return AutoConfiguration(name or mark.id, target, mark, tuple(distributions))


_Distribution = importlib.metadata.Distribution
_EntryPoint = importlib.metadata.EntryPoint


def _entry_points(distributions: Iterable[_Distribution]) -> list[tuple[_Distribution, list[_EntryPoint]]]:
    """Return the distributions that have entry points of ours; the first of two with one name is the one in use."""
    found: dict[str, tuple[_Distribution, list[_EntryPoint]]] = {}
    for distribution in distributions:
        text = distribution.read_text("entry_points.txt")
        if text is None or ENTRY_POINT_GROUP not in text:
            continue
        points = [point for point in distribution.entry_points if point.group == ENTRY_POINT_GROUP]
        name = distribution.metadata["Name"].lower().replace("_", "-")
        if points and name not in found:
            found[name] = (distribution, points)
    return [found[name] for name in sorted(found)]


def _starter(distribution: _Distribution, points: Iterable[_EntryPoint]) -> Starter:
    return Starter(
        distribution=distribution.metadata["Name"],
        version=distribution.version,
        ids=tuple(sorted(point.name for point in points)),
        summary=_summary(distribution),
        requires=_framework_requirement(distribution),
    )


def _summary(distribution: _Distribution) -> str:
    return str(distribution.metadata.json.get("summary", ""))


def _framework_requirement(distribution: _Distribution) -> str:
    """Return the range of framework versions a starter was made for; its extras do not matter here."""
    for requirement in distribution.requires or ():
        found = _FRAMEWORK_REQUIREMENT.match(requirement)
        if found:
            return found["range"].strip().strip("()")
    return ""


def _incompatible(starters: Iterable[Starter]) -> list[StarterProblem]:
    from app_framework import __version__ as installed

    return [
        StarterProblem(
            starter.distribution,
            starter.version,
            f"it was made for app-framework {starter.requires}, but {installed} is installed",
            f"Install a version of {starter.distribution} for app-framework {installed}: "
            f"pip install --upgrade {starter.distribution} app-framework",
        )
        for starter in starters
        if starter.requires and not is_in_range(installed, starter.requires)
    ]


def _by_id(
    found: Iterable[tuple[_Distribution, list[_EntryPoint]]], problems: list[StarterProblem]
) -> list[tuple[_EntryPoint, list[_Distribution]]]:
    """Group by id: the same class announced twice counts once, two classes with one id are a clash."""
    grouped: dict[str, tuple[_EntryPoint, list[_Distribution]]] = {}
    for distribution, points in found:
        for point in points:
            first, owners = grouped.setdefault(point.name, (point, []))
            if first.value != point.value:
                problems.append(_clash(point, distribution, first, owners[0]))
            owners.append(distribution)
    return [grouped[name] for name in sorted(grouped)]


def _clash(point: _EntryPoint, distribution: _Distribution, first: _EntryPoint, owner: _Distribution) -> StarterProblem:
    return StarterProblem(
        distribution.metadata["Name"],
        distribution.version,
        f"it announces the auto-configuration {point.name!r} ({point.value}), "
        f"and so does {owner.metadata['Name']} {owner.version} ({first.value})",
        f"Uninstall one of the two: pip uninstall {distribution.metadata['Name']}, "
        f"or pip uninstall {owner.metadata['Name']}. Two starters cannot share one id.",
    )


def _load(
    point: _EntryPoint, owners: Sequence[_Distribution], problems: list[StarterProblem]
) -> AutoConfiguration | None:
    owner = owners[0]
    name, version = owner.metadata["Name"], owner.version
    try:
        target = point.load()
    except Exception as error:  # a starter's module may fail in any way while it is imported
        missing = error.name if isinstance(error, ModuleNotFoundError) else None
        remedy = (
            f"Install what it needs, or uninstall it: pip install --force-reinstall {name}, or pip uninstall {name}."
        )
        if missing and not missing.startswith("app_framework"):
            remedy = f"Module {missing!r} is not installed: pip install --force-reinstall {name}, or uninstall {name}."
        problems.append(
            StarterProblem(
                name,
                version,
                f"its module {point.module!r} cannot be imported: {type(error).__name__}: {error}",
                remedy,
            )
        )
        return None
    if not isinstance(target, type) or mark_of(target, AutoConfigurationMark) is None:
        problems.append(
            StarterProblem(
                name,
                version,
                f"{point.value!r} is not a class marked with @auto_configuration",
                f"Report it to the author of {name}, or pip uninstall {name}.",
            )
        )
        return None
    return auto_configuration_of(target, point.name, [each.metadata["Name"] for each in owners])
