"""Letting contributions in: what fits is written down, and then answered from; what does not is remembered.

Two data cubes that exchange members commit one after the other, and neither fits beside the other's earlier state: so
one that does not fit is tried again together with those that were refused before it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from app_framework.database.errors import ModelError
from app_framework.distribution.refusals import Refusal
from app_framework.distribution.standing import CubeRecord, StandingRecord, write_standing
from app_framework.distribution.view import distributing_levels
from app_framework.olap.member import member_json

if TYPE_CHECKING:
    from app_framework.cluster.store import ConsensusStore
    from app_framework.distribution.discovering import Discoverer
    from app_framework.distribution.publishing import Published
    from app_framework.distribution.routing import DistributingLevel, Members
    from app_framework.distribution.subjects import Places
    from app_framework.distribution.topology import Topology
    from app_framework.distribution.view import View
    from app_framework.distribution.world import World

OnBranches = dict[tuple[str, str], Mapping[str, "Members"]]


@dataclass(frozen=True, slots=True)
class Admitted:
    """A contribution that was let in, and the one of the same data cube that was answered from before."""

    published: Published
    before: Published | None

    @property
    def id(self) -> str:
        """Of the data cube."""
        return str(self.published.contribution.id)

    @property
    def holds_others(self) -> bool:
        """Whether more than rows is other than before."""
        return self.before is None or self.before.state != self.published.state


class Admission:
    """See above.

    Args:
        query_cube: its name.
        places: of the cluster.
        store: where it is written who has to answer.
        discoverer: asks data cubes for what they hold on branches.
        view: returns what is known now.
        show: puts other parts of it in the place of those that are known.
        is_gone: whether a data cube left since a contribution of it was fetched.
        make_world: makes the world of a topology.
    """

    def __init__(
        self,
        query_cube: str,
        places: Places,
        store: ConsensusStore,
        discoverer: Discoverer,
        *,
        view: Callable[[], View],
        show: Callable[..., None],
        is_gone: Callable[[Published], bool],
        make_world: Callable[[Topology], World],
    ) -> None:
        self._query_cube = query_cube
        self._places = places
        self._store = store
        self._discoverer = discoverer
        self._view = view
        self._show = show
        self._is_gone = is_gone
        self._make_world = make_world
        self._refused: dict[str, Published] = {}
        self._one_by_one = asyncio.Lock()

    async def admit(self, published: Published) -> list[Admitted] | str:
        """Let a contribution in, perhaps with others that fit beside it only; or return why it is not let in.

        Raises:
            ServiceUnavailableError: it cannot be written down now, or what it holds on branches did not come.
        """
        async with self._one_by_one:
            together = self._fitting(published)
            if isinstance(together, Refusal):
                self._refused[str(published.contribution.id)] = published
                return str(together)
            beside: OnBranches = dict(self._view().beside)
            for each in together:
                beside = await self._beside(each, beside)
            records = [self._record(each) for each in together]
            for record in records:
                if self._is_news(record):
                    await write_standing(self._store, self._places, self._query_cube, record)
            return self._let_in(together, beside)

    def forget(self, data_cube: str) -> None:
        """Forget that a data cube was refused: it has left, or became another one."""
        self._refused.pop(data_cube, None)

    def world_of(self, topology: Topology) -> World:
        """Return the world as it is, or another one where something else can be asked.

        Raises:
            ModelError: all applications together make no cube.
        """
        before = self._view().topology
        if topology.outlines == before.outlines and _shown(topology) == _shown(before):
            return self._view().world
        return self._make_world(topology)

    def _let_in(self, several: Sequence[Published], beside: OnBranches) -> list[Admitted] | str:
        """Show what was let in; of what left or changed while it was written down, what is known now counts."""
        view = self._view()
        kept = [each for each in several if not self._is_gone(each)]
        topology = _joined(view.topology, kept)
        if isinstance(topology, Refusal):
            return str(topology)
        try:
            world = self.world_of(topology)
        except ModelError as error:
            return str(error)
        admitted = [Admitted(each, view.published.get(str(each.contribution.id))) for each in kept]
        self._show(
            topology=topology,
            world=world,
            published={**view.published, **{each.id: each.published for each in admitted}},
            standing={**view.standing, **{each.id: self._record(each.published, topology) for each in admitted}},
            beside={
                key: held for key, held in beside.items() if key[0] in view.published.keys() | {e.id for e in admitted}
            },
        )
        for each in admitted:
            self.forget(each.id)
        return admitted

    def _fitting(self, published: Published) -> Sequence[Published] | Refusal:
        """Return what can be let in with a contribution, itself included; or why it fits with nothing."""
        refusals = []
        for others in self._others(published):
            together = (published, *others)
            topology = _joined(self._view().topology, together)
            if not isinstance(topology, Refusal):
                return together
            refusals.append(topology)
        return refusals[0]

    def _others(self, published: Published) -> Iterator[Sequence[Published]]:
        refused = [each for each in self._refused.values() if each.contribution.id != published.contribution.id]
        yield ()
        yield from ((each,) for each in refused)
        if len(refused) > 1:
            yield refused

    async def _beside(self, published: Published, known: OnBranches) -> OnBranches:
        """Return what data cubes hold on branches; of those that changed it is asked."""
        view, contribution = self._view(), published.contribution
        id_, before = str(contribution.id), view.published.get(str(contribution.id))
        kept = {key: members for key, members in known.items() if key[0] != id_}
        levels = [level.name for level in self._levels(published)]
        for branch, version in contribution.branches.items() if levels else ():
            same = before is not None and before.contribution.branches.get(branch) == version
            held = known.get((id_, branch)) if same else None
            kept[id_, branch] = held or await self._discoverer.distributing(contribution, levels, branch, version)
        return kept

    def _levels(self, published: Published, topology: Topology | None = None) -> Sequence[DistributingLevel]:
        """Return the distributing levels of a data cube."""
        if topology is None:
            alone = _joined(self._view().topology, [published])
            topology = self._view().topology if isinstance(alone, Refusal) else alone
        name = published.contribution.application
        return distributing_levels(topology.applications[name], topology.gate.applications[name])

    def _record(self, published: Published, topology: Topology | None = None) -> StandingRecord:
        contribution, view = published.contribution, self._view()
        labels = {level.name: level.label for level in self._levels(published, topology)}
        before, written = view.published.get(str(contribution.id)), view.standing.get(str(contribution.id))
        same = before is not None and all(before.contribution.held(each) is contribution.held(each) for each in labels)
        if written is not None and written.members is not None and same:
            members: Mapping[str, tuple[object, ...]] = written.members
        else:
            members = {each: tuple(sorted(map(member_json, contribution.held(each)), key=repr)) for each in labels}
        return StandingRecord(
            contribution.id.node,
            contribution.id.cube,
            contribution.application,
            published.turn,
            contribution.incarnation,
            contribution.version,
            members,
            labels,
            tuple(sorted({*contribution.outline.measure, *contribution.outline.levels})),
        )

    def _is_news(self, record: StandingRecord) -> bool:
        """Return whether what stands written of a data cube has to be written anew."""
        written = self._view().standing.get(record.id)
        return written is None or replace(written, version=record.version) != record

    def __repr__(self) -> str:
        return f"<Admission to {self._query_cube!r}, {len(self._refused)} refused>"


def is_over(record: CubeRecord | None, turn: int) -> bool:
    """Return whether a data cube has left since a turn."""
    if record is None or record.turn < turn:
        return False
    return record.turn > turn or record.state != "joined"


def _joined(topology: Topology, several: Sequence[Published]) -> Topology | Refusal:
    """Return a topology with several contributions in the place of what their data cubes brought before."""
    if len(several) > 1:
        for each in several:
            topology = topology.left(each.contribution.id)
    for each in several:
        joined = topology.joined(each.contribution)
        if isinstance(joined, Refusal):
            return joined
        topology = joined
    return topology


def _shown(topology: Topology) -> list[str]:
    """Return what stands for what people see of a topology, which equal outlines may tell differently."""
    return [outline.digest for outline in topology.outlines.values()]
