"""Which data cubes of an application are asked for which members; pure.

A filter on a distributing level leaves out the data cubes that hold none of its members. With overlap each member is
asked of exactly one of those that hold it: the lowest priority number first, then the one with the least to do; where
no priority is set, the one with the fewest members. A member whose holders cannot be asked is missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

from app_framework.olap.filter import MEMBERS_MAX, AtPath, Between, Filter, In, NotIn, StartsWith

Members = frozenset[object]
HeldThen = Mapping[str, Members] | None
"""The members of a data cube by level, None where they are not known."""


class Condition(Protocol):
    """A condition in words: the full name of a level, or of a hierarchy for a path, and a filter."""

    @property
    def name(self) -> str:
        """Of the level or hierarchy."""

    @property
    def filter(self) -> Filter:
        """What it keeps."""


@dataclass(frozen=True, slots=True)
class DistributingLevel:
    """A level along which the rows of an application are divided.

    Args:
        name: its full name.
        hierarchy: the full name of its hierarchy.
        ordinal: its place there, 0 for the coarsest.
        label: what its members are listed under where they are missing.
    """

    name: str
    hierarchy: str
    ordinal: int
    label: str


@dataclass(frozen=True, slots=True)
class Holder:
    """A data cube that holds members.

    Args:
        id: of the data cube.
        node: where it is.
        members: those that it holds of each distributing level, by its full name; None where that is not known.
        masked: those of them that it must not be asked for.
        priority: the lower, the sooner it is asked.
    """

    id: str
    node: str
    members: Mapping[str, Members] | None
    masked: Mapping[str, Members] = field(default_factory=dict)
    priority: int | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """A data cube that is asked.

    Args:
        members: those that it answers for, by level; of an application that is not divided, none.
        conditions: what keeps it from answering for others: name of the level and filter.
    """

    id: str
    members: Mapping[str, Members] = field(default_factory=dict)
    conditions: tuple[tuple[str, Filter], ...] = ()


@dataclass(frozen=True, slots=True)
class Lacking:
    """A data cube that would have to be asked and cannot be, with the members that nobody else answers for."""

    id: str
    node: str
    members: Mapping[str, Members] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Routes:
    """Who is asked, and what is missing."""

    asked: tuple[Asked, ...] = ()
    lacking: tuple[Lacking, ...] = ()


class RoutingTable:
    """The data cubes of one application, in one state of what is known of them.

    Args:
        levels: the distributing levels; with overlap exactly one.
        holders: the data cubes.
        overlap: whether several may hold the same member.
    """

    def __init__(self, levels: Sequence[DistributingLevel], holders: Iterable[Holder], *, overlap: bool) -> None:
        self.levels = tuple(levels)
        self.holders = {holder.id: holder for holder in sorted(holders, key=lambda holder: holder.id)}
        self.overlap = overlap
        self._shares = _shares(self.levels[0].name, self.holders.values()) if overlap and self.levels else {}

    def route(
        self, where: Sequence[Condition], usable: Set[str], loads: Mapping[str, int] | None = None, turn: int = 0
    ) -> Routes:
        """Return who is asked for the rows that pass some conditions.

        Args:
            where: the conditions, those on other levels included.
            usable: the data cubes that can be asked now.
            loads: how many questions each has open.
            turn: a number that grows with every question, so that equal data cubes take turns.
        """
        filters = {level.name: _filters(level, where) for level in self.levels}
        if self.overlap and self.levels:
            return self._each_once(self.levels[0], filters[self.levels[0].name], usable, loads or {}, turn)
        asked, lacking = [], []
        for holder in self.holders.values():
            members = self._held(holder, filters)
            if members is None:
                continue
            if holder.id in usable and holder.members is not None:
                asked.append(Asked(holder.id, members, tuple(self._without_masked(holder))))
            else:
                lacking.append(Lacking(holder.id, holder.node, members))
        return Routes(tuple(asked), tuple(lacking))

    def reroute(self, failed: Asked, usable: Set[str], loads: Mapping[str, int] | None = None, turn: int = 0) -> Routes:
        """Return who is asked for the members of a data cube that failed; without overlap, they are missing."""
        holder = self.holders[failed.id]
        if not self.overlap or not self.levels:
            return Routes(lacking=(Lacking(holder.id, holder.node, failed.members),))
        level = self.levels[0]
        wanted = failed.members[level.name]
        shares = {ids: kept for ids, share in self._shares.items() if (kept := share & wanted)}
        return self._assigned(level, shares, usable - {failed.id}, loads or {}, turn, whole=False)

    @cached_property
    def doubly_held(self) -> tuple[DistributingLevel, object, tuple[Holder, Holder]] | None:
        """A member that two data cubes hold although that may not be."""
        for level in self.levels if not self.overlap else ():
            first: dict[object, Holder] = {}
            for holder in self.holders.values():
                for member in (holder.members or {}).get(level.name, ()):
                    if first.setdefault(member, holder) is not holder:
                        return level, member, (first[member], holder)
        return None

    def _held(self, holder: Holder, filters: Mapping[str, Sequence[_Test]]) -> dict[str, Members] | None:
        """Return the members of a data cube that pass, None where it can have no row that does."""
        if holder.members is None:
            return {}
        held = {}
        for level in self.levels:
            passing = _passing(holder.members[level.name], filters[level.name])
            masked = holder.masked.get(level.name)
            held[level.name] = passing - masked if masked else passing
            if not held[level.name]:
                return None
        return held

    def _without_masked(self, holder: Holder) -> Iterator[tuple[str, Filter]]:
        for level in self.levels:
            masked = holder.masked.get(level.name)
            if masked:
                yield from _except(level.name, _known(holder)[level.name] & masked)

    def _each_once(
        self,
        level: DistributingLevel,
        tests: Sequence[_Test],
        usable: Set[str],
        loads: Mapping[str, int],
        turn: int,
    ) -> Routes:
        passing = {ids: kept for ids, share in self._shares.items() if (kept := _passing(share, tests))}
        routes = self._assigned(level, passing, usable, loads, turn, whole=not tests)
        # What a data cube holds of which nothing is known may be anything, so it is always needed.
        unknown = [Lacking(h.id, h.node) for h in self.holders.values() if h.members is None]
        return Routes(routes.asked, (*routes.lacking, *unknown))

    def _assigned(
        self,
        level: DistributingLevel,
        shares: Mapping[tuple[str, ...], Members],
        usable: Set[str],
        loads: Mapping[str, int],
        turn: int,
        *,
        whole: bool,
    ) -> Routes:
        given: dict[str, Members] = {}
        lacking: dict[str, Members] = {}
        for ids, members in shares.items():
            able = [id_ for id_ in ids if id_ in usable]
            chosen = given if able else lacking
            best = self._best(level, able, loads, turn) if able else ids[0]
            chosen[best] = chosen.get(best, frozenset()) | members
        asked = [
            Asked(id_, {level.name: members}, self._only(level, self.holders[id_], members))
            for id_, members in sorted(given.items())
        ]
        missing = [Lacking(id_, self.holders[id_].node, {level.name: m}) for id_, m in sorted(lacking.items())]
        return Routes(tuple(asked), tuple(missing))

    def _best(self, level: DistributingLevel, able: Sequence[str], loads: Mapping[str, int], turn: int) -> str:
        def merit(place: int) -> tuple[int, int, int, int]:
            holder = self.holders[able[place]]
            first = len(_known(holder)[level.name]) if holder.priority is None else holder.priority
            return holder.priority is None, first, loads.get(holder.id, 0), (place + turn) % len(able)

        return able[min(range(len(able)), key=merit)]

    def _only(self, level: DistributingLevel, holder: Holder, members: Members) -> tuple[tuple[str, Filter], ...]:
        """Return what makes a data cube answer for some of its members only, as short as that can be said."""
        others = _known(holder)[level.name] - members
        if len(members) <= min(len(others), MEMBERS_MAX):
            return ((level.name, In(_sorted(members))),)
        return tuple(_except(level.name, others))


def _known(holder: Holder) -> Mapping[str, Members]:
    assert holder.members is not None, "a data cube of which nothing is known is not asked"
    return holder.members


def _shares(level: str, holders: Iterable[Holder]) -> dict[tuple[str, ...], Members]:
    """Return the members by who may be asked for them: there are few such groups, however many members there are."""
    by_member: dict[object, tuple[str, ...]] = {}
    for holder in holders:
        for member in (holder.members or {}).get(level, frozenset()) - holder.masked.get(level, frozenset()):
            by_member[member] = (*by_member.get(member, ()), holder.id)
    shares: dict[tuple[str, ...], set[object]] = {}
    for member, ids in by_member.items():
        shares.setdefault(ids, set()).add(member)
    return {ids: frozenset(members) for ids, members in sorted(shares.items())}


@dataclass(frozen=True, slots=True)
class _Paths:
    """What a condition on a hierarchy says of one of its levels: the member there, in any of some paths."""

    members: Members


_Test = In | NotIn | Between | StartsWith | _Paths


def _filters(level: DistributingLevel, where: Sequence[Condition]) -> list[_Test]:
    """Return what some conditions say of a level; those that say nothing of it are left out."""
    found: list[_Test] = []
    for condition in where:
        filter_ = condition.filter
        if isinstance(filter_, AtPath):
            # A path that ends above the level leaves it open.
            if condition.name == level.hierarchy and all(len(path) > level.ordinal for path in filter_.paths):
                found.append(_Paths(frozenset(path[level.ordinal] for path in filter_.paths)))
        elif condition.name == level.name:
            found.append(filter_)
    return found


def _passing(members: Members, tests: Sequence[_Test]) -> Members:
    for test in tests:
        members = _kept(members, test)
    return members


def _kept(members: Members, test: _Test) -> Members:
    if isinstance(test, In | _Paths):
        return members.intersection(test.members)
    if isinstance(test, NotIn):
        return members.difference(test.members)
    if isinstance(test, StartsWith):
        return frozenset(m for m in members if isinstance(m, str) and m.startswith(test.prefix))
    return frozenset(member for member in members if member is not None and _within(member, test))


def _within(member: object, bounds: Between) -> bool:
    """Compare as the engine does; what Python cannot compare is kept, and left to the data cube."""
    try:
        return not (
            (bounds.low is not None and member < bounds.low)  # type: ignore[operator]
            or (bounds.high is not None and member > bounds.high)  # type: ignore[operator]
        )
    except TypeError:
        return True


def _except(level: str, members: Members) -> Iterator[tuple[str, Filter]]:
    """Yield the filters that leave out some members, each as long as a filter may be."""
    listed = _sorted(members)
    for start in range(0, len(listed), MEMBERS_MAX):
        yield level, NotIn(listed[start : start + MEMBERS_MAX])


def _sorted(members: Members) -> tuple[object, ...]:
    """Return members in an order that is the same every time, null last."""
    try:
        return tuple(sorted(members, key=lambda member: (member is None, member if member is not None else 0)))
    except TypeError:
        return tuple(sorted(members, key=repr))
