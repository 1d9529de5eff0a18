"""What a query cube knows of its data cubes: which there are, what they are together, which members they hold; pure.

A topology never changes; a data cube that joins, commits or leaves makes another one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING

from app_framework.distribution.contribution import Contribution, DataCubeId
from app_framework.distribution.outline import Outline
from app_framework.distribution.refusals import Gate, Refusal

if TYPE_CHECKING:
    from app_framework.olap.partial.paths import Paths


@dataclass(frozen=True)
class Application:
    """An application as a query cube sees it.

    Args:
        name: of the application.
        cubes: its data cubes that were let in, by node and name.
        levels: the full names of its distributing levels.
    """

    name: str
    cubes: tuple[Contribution, ...]
    levels: tuple[str, ...]

    @cached_property
    def outline(self) -> Outline:
        """What all of its data cubes show; what one of them conceals is absent."""
        first, *others = (cube.outline for cube in self.cubes)
        hierarchies = frozenset(name for each in others for name in each.concealed_hierarchies)
        measures = frozenset(name for each in others for name in each.concealed_measures)
        return first.without(hierarchies, measures) if hierarchies or measures else first

    def __repr__(self) -> str:
        return f"<Application {self.name!r} of {', '.join(str(cube.id) for cube in self.cubes)}>"


@dataclass(frozen=True)
class Topology:
    """The data cubes of a query cube, in one state.

    Args:
        gate: what fits into the query cube.
        contributions: what each data cube brings, by node and name.
    """

    gate: Gate
    contributions: Mapping[DataCubeId, Contribution] = field(default_factory=dict)

    @staticmethod
    def of(query_cube: str, applications: Mapping[str, Sequence[str]], *, data_overlap: bool = False) -> Topology:
        """Return the topology of a query cube before the first data cube.

        Args:
            query_cube: its name.
            applications: those that it lists, each with its distributing levels.
            data_overlap: whether several data cubes may hold the same member of a distributing level.
        """
        return Topology(Gate(query_cube, MappingProxyType(dict(applications)), data_overlap))

    def joined(self, newcomer: Contribution) -> Topology | Refusal:
        """Return the topology with a data cube, in the place of what it brought before, or why it is not let in.

        What does not look at more than two data cubes at a time does not depend on the order in which they join.
        """
        if (refusal := self.gate.refused(newcomer)) is not None:
            return refusal
        before = self.contributions.get(newcomer.id)
        others = [each for each in self.contributions.values() if each.id != newcomer.id]
        for known in others if before is None or not self._unchanged(before, newcomer) else ():
            if (refusal := self.gate.conflict(newcomer, known)) is not None:
                return refusal
        both = {**self.contributions, newcomer.id: newcomer}
        return replace(self, contributions=MappingProxyType(dict(sorted(both.items()))))

    def left(self, data_cube: DataCubeId) -> Topology:
        """Return the topology without a data cube."""
        kept = {known: each for known, each in self.contributions.items() if known != data_cube}
        return self if len(kept) == len(self.contributions) else replace(self, contributions=MappingProxyType(kept))

    @cached_property
    def applications(self) -> Mapping[str, Application]:
        """The applications of which a data cube is here, in the order in which the query cube lists them."""
        found = {}
        for name in self.gate.applications:
            cubes = tuple(each for each in self.contributions.values() if each.application == name)
            if cubes:
                found[name] = Application(name, cubes, self.gate.levels(cubes[0]))
        return found

    @cached_property
    def outlines(self) -> Mapping[str, Outline]:
        """What each application is: as long as it stays the same, so does the world."""
        return {name: application.outline for name, application in self.applications.items()}

    @property
    def branches(self) -> frozenset[str]:
        """The branches of all data cubes together."""
        return frozenset(branch for each in self.contributions.values() for branch in each.branches)

    def members(self, level: str, prefix: str | None = None, limit: int | None = None) -> tuple[object, ...]:
        """Return the members of a level by its full name, in its order, each once; a missing one is last.

        Args:
            level: the level.
            prefix: keeps the texts that begin so.
            limit: how many at most.
        """
        from app_framework.olap.partial.paths import members_of

        return members_of(self._paths(level), level, prefix, limit)

    def first(self, level: str) -> object:
        """Return the first member of a level, None where there is none: the default of a slicing hierarchy."""
        return next(iter(self.members(level, limit=1)), None)

    def paths(self, hierarchy: str) -> Paths:
        """Return the paths of a hierarchy, by its full name, in all data cubes that have it together."""
        from app_framework.olap.partial.paths import together

        if hierarchy not in self._together:
            self._together[hierarchy] = together([each.members[hierarchy] for each in self._holders(hierarchy)])
        return self._together[hierarchy]

    @cached_property
    def _together(self) -> dict[str, Paths]:
        return {}

    def _paths(self, level: str) -> list[Paths]:
        for outline in self.outlines.values():
            if level in outline.levels:
                hierarchy = outline.hierarchy_of(level).full_name
                return [each.members[hierarchy] for each in self._holders(hierarchy)]
        return []

    def _holders(self, hierarchy: str) -> Iterator[Contribution]:
        """Yield the data cubes of the applications that know a hierarchy."""
        for application in self.applications.values():
            if hierarchy in application.outline.hierarchy:
                yield from application.cubes

    def _unchanged(self, before: Contribution, now: Contribution) -> bool:
        """Return whether nothing is other than before by which data cubes are let in."""
        if before.application != now.application or before.outline != now.outline:
            return False
        hierarchies = {now.outline.hierarchy_of(level).full_name for level in self.gate.levels(now)}
        return all(before.members[name] is now.members[name] for name in hierarchies)

    def __repr__(self) -> str:
        return f"<Topology of {self.gate.query_cube!r}: {', '.join(map(str, self.contributions)) or 'no data cubes'}>"
