"""A query cube: holds no rows, answers for all data cubes of its applications, and is a cube like any other."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from app_framework.database.branches import MASTER
from app_framework.distribution.acknowledging import QueryCubeRecord
from app_framework.distribution.contribution import DataCubeId
from app_framework.distribution.errors import DistributionStoppedError
from app_framework.distribution.limits import DistributionLimits
from app_framework.distribution.standing import exchange
from app_framework.distribution.subjects import Places
from app_framework.errors import ServiceUnavailableError

if TYPE_CHECKING:
    from app_framework.cluster.store import ConsensusStore
    from app_framework.database.listening import CommitListener
    from app_framework.distribution.answering import Answering
    from app_framework.distribution.roster import Roster
    from app_framework.distribution.topology import Topology
    from app_framework.distribution.world import World
    from app_framework.messaging import Messenger
    from app_framework.olap.cellset import CellSet
    from app_framework.olap.cellstream import CellStream
    from app_framework.olap.drillthrough import Drillthrough
    from app_framework.olap.errors import QueryProblem
    from app_framework.olap.query import CubeQuery
    from app_framework.olap.rowset import RowSet

T = TypeVar("T")
Replication = Literal["on-slicer", "always", "never"]
QueryCubeState = Literal["closed", "started", "stopped"]
NodeState = Literal["required", "discovering", "active", "suspect", "refused"]


@dataclass(frozen=True, slots=True)
class DataNode:
    """What a query cube knows of one data cube.

    Args:
        node: where it is.
        cube: its name there.
        application: that it is a part of.
        state: ``active`` is asked; ``required`` has not been heard of since this query cube began, and is needed.
        required: whether questions that need it are refused while it is not active.
        version: of its data, as far as it is known here.
        members: how many it holds of each distributing level.
        heard_s: seconds since it was last heard; None where it was not.
        refused: why it, or its newest version, is not let in.
    """

    node: str
    cube: str
    application: str
    state: NodeState
    required: bool = False
    version: int | None = None
    members: Mapping[str, int] | None = None
    heard_s: float | None = None
    refused: str | None = None


class QueryCube:
    """A cube over the data cubes of some applications; implements `app_framework.olap.queryable.Queryable`.

    Args:
        name: what queries and URLs call it.
        node: the name of this node.
        cluster: the namespace of the data cubes that it sees; may be set until `open`.
        messenger: reaches them.
        store: where it stands who has to answer.
        applications: those that it lists, each with its distributing levels.
        data_overlap: whether several data cubes may hold the same member of a distributing level.
        replication: at which members of a hierarchy that an application does not know its values repeat.
        measures: formulas over the measures of the applications, as a cube's YAML writes them.
        limits: the bounds.
        inline: whether answers are merged in the thread of the loop, as tests in virtual time need it.

    Attributes:
        state: ``closed``, or whether it answers.
    """

    def __init__(
        self,
        name: str,
        *,
        node: str,
        cluster: str,
        messenger: Messenger,
        store: ConsensusStore,
        applications: Mapping[str, Sequence[str]],
        data_overlap: bool = False,
        replication: Replication = "on-slicer",
        measures: Mapping[str, object] | None = None,
        limits: DistributionLimits | None = None,
        inline: bool = False,
    ) -> None:
        self.name = name
        self.node = node
        self.cluster = cluster
        self.messenger = messenger
        self.applications = {application: tuple(levels) for application, levels in applications.items()}
        self.data_overlap = data_overlap
        self.replication: Replication = replication
        self.measures = dict(measures or {})
        self.limits = limits or DistributionLimits()
        self.state: QueryCubeState = "closed"
        self._store = store
        self._inline = inline
        self._changing = asyncio.Lock()
        self._roster: Roster | None = None
        self._answering: Answering | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    # -- taking part -------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Look for data cubes and answer for them, unless `stop_distribution` was called.

        Raises:
            ServiceUnavailableError: who has to answer cannot be read now; open it again later.
        """
        async with self._changing:
            if self.state != "closed":
                return
            stopped = await self._write(lambda state: state if state == "stopped" else "started")
            if stopped == "stopped":
                self.state = "stopped"
            else:
                await self._start()

    async def close(self) -> None:
        """Stop; who has to answer stays as it stands."""
        async with self._changing:
            await self._end()
            self.state = "closed"

    async def start_distribution(self) -> None:
        """Listen and answer again, also after restarts.

        Raises:
            ServiceUnavailableError: it could not be decided.
        """
        async with self._changing:
            if self.state != "started":
                await self._write(lambda _: "started")
                await self._start()

    async def stop_distribution(self) -> None:
        """Neither listen nor answer until `start_distribution`, also after restarts.

        Raises:
            ServiceUnavailableError: it could not be decided.
        """
        async with self._changing:
            await self._write(lambda _: "stopped")
            await self._end()
            self.state = "stopped"

    @property
    def nodes(self) -> tuple[DataNode, ...]:
        """What is known of each data cube."""
        if self._roster is None:
            return ()
        view, now = self._roster.view, asyncio.get_running_loop().time() if self._is_here() else None
        known = {*self._roster.peers, *view.published, *view.standing}
        return tuple(self._node(id_, now) for id_ in sorted(known))

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong with the query cube's own measures, beside the applications as they are now."""
        return () if self._roster is None else tuple(map(str, self._roster.view.world.problems))

    # -- of `Queryable` ----------------------------------------------------------------------------------------------

    @property
    def fingerprint(self) -> str:
        """What stands for the model: the same as long as the same data gives the same answers."""
        return self.state if self._answering is None else self._answering.fingerprint

    def versions(self, query: CubeQuery | None = None) -> Mapping[str, int]:
        """Return the data version of each node that a question would be answered from now.

        Raises:
            DataNodeUnavailableError: one of them does not answer.
        """
        return self._started.versions(query)

    def check(self, query: CubeQuery, known: Sequence[QueryProblem] = ()) -> tuple[QueryProblem, ...]:
        """Return everything that is wrong with a question, what is known of it already included."""
        return self._started.check(query, known)

    def listen(self) -> CommitListener:
        """Return what is told of every version of a data cube that questions are answered from."""
        return self._here.feed.listen()

    def tables(self, query: CubeQuery) -> frozenset[str]:
        """Return what stands for all rows of all data cubes."""
        return self._started.tables(query)

    async def untouched(self, query: CubeQuery, since: int, changed: frozenset[str]) -> int | None:
        """Return None: only asking again tells."""
        return None

    async def query(self, query: CubeQuery) -> CellSet:
        """Answer for all data cubes; cancelling the task stops their work.

        Raises:
            QueryError: the question cannot be answered.
            DataNodeUnavailableError: a data cube that it needs does not answer.
            TooLargeError, QueryTimeoutError, OverloadedError: it may not, not in time, not now.
        """
        return await self._started.cells(query)

    async def query_arrow(self, query: CubeQuery) -> CellSet:
        """Answer the same; the rows stay in Arrow until somebody asks for them."""
        return await self._started.cells(query, arrow=True)

    async def query_stream(self, query: CubeQuery) -> CellStream:
        """Answer the same in batches of Arrow; whoever gets it closes it."""
        return await self._started.stream(query)

    def query_sync(self, query: CubeQuery) -> CellSet:
        """Answer, waiting in this thread, which is not that of the event loop."""
        return self._from_elsewhere(self.query(query))

    async def explain(self, query: CubeQuery) -> dict[str, object]:
        """Answer, and return how: plan, SQL, nodes with members, rows, bytes, milliseconds and round trips."""
        return await self._started.explain(query)

    def check_drillthrough(
        self, drillthrough: Drillthrough, known: Sequence[QueryProblem] = ()
    ) -> tuple[QueryProblem, ...]:
        """Return what is wrong with a question for rows; whether there are its columns only data cubes know."""
        return self._started.check_drillthrough(drillthrough, known)

    async def drillthrough(self, drillthrough: Drillthrough) -> RowSet:
        """Return the rows that a cell counts, of one data cube after the other; whoever gets them closes them.

        Raises:
            QueryError: the question cannot be answered.
            DataNodeUnavailableError: a data cube that it needs does not answer.
            TooLargeError: the cell counts more rows than an answer may hold, and no limit is given.
        """
        return await self._started.rows(drillthrough)

    def drillthrough_sync(self, drillthrough: Drillthrough) -> RowSet:
        """Return the rows, waiting in this thread, which is not that of the event loop."""
        return self._from_elsewhere(self.drillthrough(drillthrough))

    async def members(
        self,
        level: str,
        *,
        prefix: str | None = None,
        limit: int = 100,
        branch: str = MASTER,
        version: int | None = None,
    ) -> tuple[object, ...]:
        """Return the members of a level over all data cubes, in order, null last.

        Raises:
            QueryError: there is no such level or branch, a prefix is asked of one that is not text, or a version.
            DataNodeUnavailableError: of a data cube that has to answer nothing is known yet.
        """
        return await self._started.members(level, prefix=prefix, limit=limit, branch=branch, version=version)

    def discovery(self) -> dict[str, object]:
        """Describe dimensions, hierarchies, levels and measures, none while it is stopped, and who answers for them."""
        about = {"name": self.name, "caption": self.name, "description": None, "schema": None, "base": None}
        nothing: dict[str, object] = {**about, "model": self.fingerprint, "dimensions": [], "measures": []}
        known = nothing if self._answering is None else self._answering.discovery()
        return {**known, **self.describe()}

    def describe(self) -> dict[str, object]:
        """Describe applications with their distributing levels, and the data cubes with what is known of them."""
        by_application = {
            name: [_described(node) for node in self.nodes if node.application == name] for name in self.applications
        }
        return {
            "kind": "query cube",
            "state": self.state,
            "data_overlap": self.data_overlap,
            "replication": self.replication,
            "applications": [
                {"name": name, "distributing_levels": list(levels), "data_cubes": by_application[name]}
                for name, levels in self.applications.items()
            ],
            "problems": list(self.problems),
        }

    # -- beneath -----------------------------------------------------------------------------------------------------

    @property
    def _here(self) -> Roster:
        if self._roster is None:
            raise DistributionStoppedError(self.name, stopped=self.state != "closed")
        return self._roster

    @property
    def _started(self) -> Answering:
        if self._answering is None:
            raise DistributionStoppedError(self.name, stopped=self.state != "closed")
        return self._answering

    async def _start(self) -> None:
        from app_framework.distribution.answering import Answering
        from app_framework.distribution.asking import Asker
        from app_framework.distribution.roster import Roster
        from app_framework.distribution.topology import Topology
        from app_framework.distribution.tracing import Tracing

        places = Places(self.cluster)
        topology = Topology.of(self.name, self.applications, data_overlap=self.data_overlap)
        # The first world brings the engine with it, and nothing else of this node is to wait for that.
        world = self._world(topology) if self._inline else await asyncio.to_thread(self._world, topology)
        roster = Roster(
            self.name,
            self.node,
            topology,
            world,
            places=places,
            messenger=self.messenger,
            store=self._store,
            limits=self.limits,
            make_world=self._world,
        )
        try:
            await roster.open()
        except BaseException:
            await roster.close()
            raise
        self._loop = asyncio.get_running_loop()
        self._roster = roster
        tracing = Tracing()
        asker = Asker(roster, places, self.messenger, self.limits, tracing)
        model = json.dumps([self.measures, self.replication, self.data_overlap], sort_keys=True, default=str)
        digest = blake2b(model.encode(), digest_size=8).hexdigest()
        self._answering = Answering(self.name, roster, asker, self.replication, self.limits, digest, tracing)
        self.state = "started"

    async def _end(self) -> None:
        roster, self._roster, self._answering = self._roster, None, None
        if roster is not None:
            await roster.close()

    def _world(self, topology: Topology) -> World:
        from app_framework.distribution.world import World

        return World.of(self.name, topology.outlines, measures=self.measures, inline=self._inline)

    async def _write(self, change: Any) -> str:
        """Write whether this query cube takes part on this node, and return what is written then."""
        state = ""

        def written(stored: bytes | None) -> bytes | None:
            nonlocal state
            state = change(QueryCubeRecord.parse(stored).state if stored is not None else "")
            record = QueryCubeRecord(self.node, self.name, state, tuple(self.applications)).to_bytes()
            return None if record == stored else record

        await exchange(self._store, Places(self.cluster).query_cube(self.node, self.name), written)
        return state

    def _node(self, id_: str, now: float | None) -> DataNode:
        assert self._roster is not None
        view, peer = self._roster.view, self._roster.peers.get(id_)
        published, record = view.published.get(id_), view.standing.get(id_)
        known = published.contribution if published else None
        told = self._roster.told.get(id_) or record
        data_cube = known.id if known else DataCubeId(told.node, told.cube) if told else DataCubeId(id_, "")
        members = None
        if published is not None:
            table = view.table(published.contribution.application)
            held = table.holders[id_].members or {}
            members = {level.label: len(held.get(level.name, ())) for level in table.levels}
        return DataNode(
            data_cube.node,
            data_cube.cube,
            known.application if known else told.application if told else "",
            peer.phase if peer else "required",
            id_ in view.standing,
            published.contribution.version if published else None,
            members,
            None if peer is None or peer.heard_s is None or now is None else round(now - peer.heard_s, 3),
            peer.refused if peer else None,
        )

    def _is_here(self) -> bool:
        try:
            return asyncio.get_running_loop() is self._loop
        except RuntimeError:
            return False

    def _from_elsewhere(self, work: Coroutine[Any, Any, T]) -> T:
        if self._loop is None or self._is_here():
            work.close()
            if self._loop is None:
                raise DistributionStoppedError(self.name, stopped=self.state != "closed")
            raise ServiceUnavailableError("A query cube answers on this event loop: await the answer instead.")
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def __repr__(self) -> str:
        return f"<QueryCube {self.name!r} of {', '.join(self.applications)}, {self.state}>"


def _described(node: DataNode) -> dict[str, object]:
    document: dict[str, object] = {"node": node.node, "cube": node.cube, "state": node.state, "required": node.required}
    for name in ("version", "members", "refused"):
        value = getattr(node, name)
        if value is not None:
            document[name] = value
    return document
