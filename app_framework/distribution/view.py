"""What one question sees: the world, who holds what, who has to answer; it does not change while the question runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from app_framework.database.branches import MASTER
from app_framework.database.datatype import DataType
from app_framework.distribution.errors import DataNodeUnavailableError
from app_framework.distribution.routing import DistributingLevel, HeldThen, Holder, Lacking, Members, RoutingTable
from app_framework.olap.member import MemberError, parse_member

if TYPE_CHECKING:
    from app_framework.distribution.contribution import Contribution
    from app_framework.distribution.outline import Outline
    from app_framework.distribution.publishing import Published
    from app_framework.distribution.standing import StandingRecord
    from app_framework.distribution.topology import Application, Topology
    from app_framework.distribution.world import World

MEMBERS_TOLD_MAX = 1_000
"""So many missing members of a level are listed."""
NOT_HEARD_OF_YET = "it has not been heard of yet"


@dataclass(frozen=True, eq=False)
class View:
    """See above.

    Args:
        serial: grows with every change.
        topology: the data cubes that were let in.
        world: what can be asked.
        published: what came of each of them, by id.
        standing: who has to answer, by id, those that were not heard of included.
        beside: the distributing members of data cubes on other branches than master, by id and branch.
    """

    serial: int
    topology: Topology
    world: World
    published: Mapping[str, Published] = field(default_factory=dict)
    standing: Mapping[str, StandingRecord] = field(default_factory=dict)
    beside: Mapping[tuple[str, str], Mapping[str, Members]] = field(default_factory=dict)

    def branch_of(self, data_cube: str, branch: str) -> str:
        """Return the branch that a data cube answers from: one that it does not have is its master (AA8)."""
        return branch if branch in self.published[data_cube].contribution.branches else MASTER

    def version_of(self, data_cube: str, branch: str) -> int:
        """Return the version that a data cube is asked for."""
        contribution = self.published[data_cube].contribution
        return contribution.branches.get(branch, contribution.version)

    def table(self, application: str, branch: str = MASTER) -> RoutingTable:
        """Return who holds what of an application, on a branch."""
        key = (application, branch if branch in self.topology.branches else MASTER)
        if key not in self._tables:
            self._tables[key] = self.table_with(application, key[1], {})
        return self._tables[key]

    def table_with(self, application: str, branch: str, other: Mapping[str, HeldThen]) -> RoutingTable:
        """Return who holds what, where some data cubes hold other members than they do now, or nobody knows which."""
        known = self.topology.applications.get(application)
        levels = distributing_levels(known, self.topology.gate.applications[application]) if known else ()
        holders = [
            Holder(
                str(each.id),
                each.id.node,
                other[str(each.id)]
                if str(each.id) in other
                else self._held(each, branch, [level.name for level in levels]),
                each.masks,
                each.priority,
            )
            for each in (known.cubes if known else ())
        ]
        told = {holder.id for holder in holders}
        holders += [
            _unheard(record, levels, known.outline if known and branch == MASTER else None)
            for record in self.standing.values()
            if record.application == application and record.id not in told
        ]
        return RoutingTable(levels, holders, overlap=self.topology.gate.data_overlap)

    def applications_of(self, measures: Iterator[str]) -> list[str]:
        """Return the applications that have some of these measures."""
        wanted = set(measures)
        return [name for name, outline in self.topology.outlines.items() if wanted & outline.measure.keys()]

    @cached_property
    def unheard(self) -> tuple[StandingRecord, ...]:
        """Those that have to answer and of which nothing came since this query cube began."""
        return tuple(record for record in self.standing.values() if record.id not in self.published)

    def may_know(self, record: StandingRecord, name: str) -> bool:
        """Return whether one of the unheard may have a measure, or a level by its full name."""
        application = self.topology.applications.get(record.application)
        if application is None:
            return record.may_know(name)
        return name in application.outline.measure or name in application.outline.levels

    def unheard_with(self, measures: Set[str], hierarchies: Set[str]) -> list[Lacking]:
        """Return the unheard without which a question is not whole, as far as no application routes to them.

        Args:
            measures: that are asked for; where none is, rows of all applications are.
            hierarchies: along which values of applications repeat that do not have them.
        """
        found = []
        for record in self.unheard:
            application = self.topology.applications.get(record.application)
            known = None if application is None else application.outline.hierarchy
            asked = known is None and (not measures or any(map(record.may_know, measures)))
            if asked or any(record.may_have(each) if known is None else each in known for each in hierarchies):
                found.append(Lacking(record.id, record.node, _labelled(record)))
        return found

    @cached_property
    def _tables(self) -> dict[tuple[str, str], RoutingTable]:
        return {}

    def _held(self, contribution: Contribution, branch: str, levels: Sequence[str]) -> dict[str, Members]:
        other = self.beside.get((str(contribution.id), branch))
        return dict(other) if other is not None else {level: contribution.held(level) for level in levels}

    def __repr__(self) -> str:
        return f"<View {self.serial} of {self.topology}>"


def distributing_levels(application: Application, labels: Sequence[str]) -> tuple[DistributingLevel, ...]:
    """Return the distributing levels of an application, called as the configuration calls them."""
    found = []
    for name, label in zip(application.levels, labels, strict=True):
        hierarchy = application.outline.hierarchy_of(name)
        ordinal = [full for full, _ in hierarchy.full_names()].index(name)
        found.append(DistributingLevel(name, hierarchy.full_name, ordinal, label))
    return tuple(found)


def missing_of(node: str, members: Mapping[str, Sequence[object] | Members]) -> dict[str, object]:
    """Return what an answer or an error says of a data cube that is missing, its members cut where they are many."""
    listed = {label: sorted(each, key=lambda m: (m is None, str(m))) for label, each in members.items()}
    return {"node": node, "members": {label: each[:MEMBERS_TOLD_MAX] for label, each in listed.items()}}


def missing_record(record: StandingRecord) -> dict[str, object]:
    """Return the same of one of which only the record is known."""
    return missing_of(record.node, _labelled(record))


def check_heard(needed: Iterable[StandingRecord]) -> None:
    """Refuse what cannot be answered without data cubes nothing came of.

    Raises:
        DataNodeUnavailableError: there are some.
    """
    if missing := list(map(missing_record, needed)):
        raise DataNodeUnavailableError(missing, NOT_HEARD_OF_YET)


def _labelled(record: StandingRecord) -> dict[str, Members]:
    members = record.members or {}
    return {record.labels.get(level, level): frozenset(each) for level, each in members.items()}


def _unheard(record: StandingRecord, levels: Sequence[DistributingLevel], outline: Outline | None) -> Holder:
    """Return a data cube that was not heard of with the members that it had when it was let in."""
    if record.members is None or outline is None or any(level.name not in record.members for level in levels):
        return Holder(record.id, record.node, None)
    try:
        members = {
            level.name: frozenset(_typed(record.members[level.name], DataType.parse(outline.levels[level.name].type)))
            for level in levels
        }
    except MemberError:
        return Holder(record.id, record.node, None)
    return Holder(record.id, record.node, members)


def _typed(members: Sequence[object], kind: DataType) -> Iterator[object]:
    return (None if member is None else parse_member(member, kind) for member in members)
