"""The data cubes and query cubes of one node: made from their declarations, opened and closed together.

A component of this type is what code of an application asks for:

await distribution.data_cubes["sales"].stop_distribution()
await distribution.query_cubes["world"].query(CubeQuery(measures=["revenue"]))
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

from app_framework.database.errors import ModelError, ModelProblem
from app_framework.distribution.concealment import Concealment
from app_framework.distribution.data_cube import DataCube
from app_framework.distribution.definition import DataCubeDefinition, QueryCubeDefinition
from app_framework.distribution.errors import NotDistributedError
from app_framework.distribution.limits import DistributionLimits
from app_framework.distribution.query_cube import DataNode, QueryCube
from app_framework.distribution.standing import cubes_of, node_left
from app_framework.distribution.subjects import Places
from app_framework.errors import ServiceUnavailableError, near_matches
from app_framework.olap.queryable import CubeSource, Queryable

if TYPE_CHECKING:
    from app_framework.cluster.store import ConsensusStore
    from app_framework.database import Database
    from app_framework.messaging.messengers import Messengers

_logger = logging.getLogger(__name__)

RETRY_S = 0.5
SETTLE_POLL_S = 0.02
UNSETTLED = ("required", "discovering")
DATA_CUBE = "data cube"
QUERY_CUBE = "query cube"


class Distribution(CubeSource):
    """See above.

    Args:
        data_cubes: as they are declared.
        query_cubes: as they are declared.
        node: the name of this node.
        messengers: of this node.
        store: where it stands who takes part and who must answer.
        limits: the bounds.

    Attributes:
        data_cubes: by name, once the application is made; another model of a cube is another data cube.
        query_cubes: by name.
    """

    def __init__(
        self,
        data_cubes: Sequence[DataCubeDefinition],
        query_cubes: Sequence[QueryCubeDefinition],
        *,
        node: str,
        messengers: Messengers,
        store: ConsensusStore,
        limits: DistributionLimits | None = None,
    ) -> None:
        self.node = node
        self.limits = limits or DistributionLimits()
        self._troubles: dict[str, str] = {}
        self._declared = {each.cube: each for each in data_cubes}
        self._query_cubes_declared = {each.name: each for each in query_cubes}
        self._messengers = messengers
        self._store = store
        self._database: Database | None = None
        self._data_cubes: dict[str, DataCube] = {}
        self._query_cubes = {each.name: self._query_cube(each) for each in query_cubes}
        self._cluster: str | None = None
        self._opening: dict[str, asyncio.Task[None]] = {}
        self._changing = asyncio.Lock()

    @property
    def data_cubes(self) -> Mapping[str, DataCube]:
        """The cubes of this node that query cubes may ask, by name."""
        return MappingProxyType(self._data_cubes)

    @property
    def query_cubes(self) -> Mapping[str, QueryCube]:
        """The cubes that answer for data cubes of all nodes, by name."""
        return MappingProxyType(self._query_cubes)

    def __iter__(self) -> Iterator[str]:
        yield from self._data_cubes
        yield from self._query_cubes

    def cube(self, name: str) -> DataCube | QueryCube:
        """Return a data cube or a query cube.

        Raises:
            NotDistributedError: it is neither.
        """
        found = self._data_cubes.get(name) or self._query_cubes.get(name)
        if found is None:
            known = [*self._data_cubes, *self._query_cubes]
            raise NotDistributedError(name, near_matches(name, known))
        return found

    def describe(self, name: str) -> dict[str, object]:
        """Return the state of a data cube, or what a query cube knows of every data cube.

        Raises:
            NotDistributedError: it is neither.
        """
        cube = self.cube(name)
        told: dict[str, object] = {"cube": name}
        if isinstance(cube, DataCube):
            masks = {level: list(members) for level, members in cube.masks.items()}
            told |= {"kind": DATA_CUBE, "application": cube.application, "state": cube.state, "masks": masks}
        else:
            told |= {"kind": QUERY_CUBE, "state": cube.state, "data_cubes": [_described(each) for each in cube.nodes]}
        trouble = self.troubles.get(name)
        return {**told, "trouble": trouble} if trouble else told

    @property
    def troubles(self) -> Mapping[str, str]:
        """By cube, what keeps it from taking part, or query cubes from knowing what it holds."""
        return {**{name: cube.trouble for name, cube in self._data_cubes.items() if cube.trouble}, **self._troubles}

    @property
    def waiting(self) -> frozenset[str]:
        """The cubes that begin to take part as soon as it can be decided."""
        return frozenset(self._opening)

    # -- of a manager ------------------------------------------------------------------------------------------------

    @property
    def cubes(self) -> Sequence[Queryable]:
        """The query cubes, which stand beside the cubes over the database."""
        return tuple(self._query_cubes.values())

    @property
    def needs(self) -> Mapping[str, Sequence[str | int]]:
        """The cubes that are data cubes."""
        return {name: definition.path for name, definition in self._declared.items()}

    def about(self, cube: str) -> Mapping[str, object]:
        """Return what a data cube is beside a cube."""
        found = self._data_cubes.get(cube)
        return {"kind": DATA_CUBE, "application": found.application, "state": found.state} if found else {}

    # -- life --------------------------------------------------------------------------------------------------------

    def connect(self, cubes: Mapping[str, Queryable], database: Database | None) -> None:
        """Make the data cubes over the cubes of this node.

        Raises:
            ModelError: some cannot be asked from elsewhere; every reason of every cube is told.
        """
        self._database = database
        problems: list[ModelProblem] = []
        for name, declared in self._declared.items():
            if name not in cubes:
                text, near = f"there is no cube {name!r}.", near_matches(name, cubes)
                problems.append(ModelProblem(declared.path, "UNKNOWN_CUBE", text, near, of_key=True))
                continue
            try:
                self._data_cubes[name] = self._data_cube(name, cubes[name])
            except ModelError as error:
                problems += error.problems
        if problems:
            raise ModelError(problems)

    async def open(self, cluster: str) -> None:
        """Let every cube take part among those of a cluster.

        A cube that cannot yet, because nothing can be decided, goes on trying.
        """
        async with self._changing:
            self._cluster = cluster
            await asyncio.gather(*map(self._open, self))

    async def close(self) -> None:
        """Let all of them be silent; that is no leave."""
        async with self._changing:
            await asyncio.gather(*map(self._close, self))
            self._cluster = None

    async def exchange(self, cubes: Mapping[str, Queryable]) -> None:
        """Let data cubes whose model is another one take part with the new one."""
        async with self._changing:
            for name, old in tuple(self._data_cubes.items()):
                new = cubes.get(name)
                if new is None or new is old.cube:
                    continue
                await self._close(name)
                try:
                    self._data_cubes[name] = self._data_cube(name, new)
                except ModelError as error:
                    self._trouble(name, "; ".join(problem.sentence for problem in error.problems))
                else:
                    if self._cluster is not None:
                        await self._open(name)

    async def forget(self, staying: Callable[[], Awaitable[Collection[str]]]) -> None:
        """Let no query cube wait for nodes that were removed from the cluster, or told to stop.

        Args:
            staying: returns the other nodes; it is asked after it is read who takes part, so nobody is missed.

        Raises:
            ConsensusError: it could not be read or written.
        """
        for cluster in {self.cube(name).cluster for name in self}:
            places = Places(cluster)
            records = cubes_of(await self._store.entries(places.cubes), places)
            nodes = {record.node for record in records.values() if record.state == "joined"}
            for node in nodes.difference(await staying()):
                left = await node_left(self._store, places, node)
                _logger.warning("node %r has left the cluster, and with it its data cubes: %s", node, ", ".join(left))

    async def settle(self, timeout_s: float) -> bool:
        """Wait until query cubes know every data cube that they need, and those of this node.

        One that knows of none waits for as long as it takes a data cube to say that it is there.

        Returns:
            False when the time is over.
        """
        loop = asyncio.get_running_loop()
        heard_s = loop.time() + self.limits.heartbeat_s
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while not (self.is_settled and (loop.time() > heard_s or self._knows_some)):  # noqa: ASYNC110
                    await asyncio.sleep(SETTLE_POLL_S)
                return True
        return False

    @property
    def is_settled(self) -> bool:
        """Whether nothing is waited for that is to be expected."""
        return not self._opening and all(map(self._has_what_it_needs, self._query_cubes.values()))

    @property
    def _knows_some(self) -> bool:
        return all(cube.nodes or cube.state != "started" for cube in self._query_cubes.values())

    def _has_what_it_needs(self, cube: QueryCube) -> bool:
        if cube.state != "started":
            return True
        nodes = {(each.node, each.cube): each for each in cube.nodes}
        declared = self._query_cubes_declared[cube.name]
        own = [(self.node, name) for name in self._data_cubes if self._is_seen(name, declared)]
        return not any(each.state in UNSETTLED for each in nodes.values()) and nodes.keys() >= set(own)

    def _is_seen(self, name: str, by: QueryCubeDefinition) -> bool:
        """Whether a data cube of this node is one that a query cube of it answers for."""
        declared = self._declared[name]
        return (
            self._data_cubes[name].state == "joined"
            and declared.application in by.applications
            and (declared.cluster or self._cluster) == (by.cluster or self._cluster)
            and self._messengers.get(declared.messenger) is self._messengers.get(by.messenger)
        )

    # -- beneath -----------------------------------------------------------------------------------------------------

    async def _open(self, name: str) -> None:
        cube = self.cube(name)
        named = self._declared[name].cluster if name in self._declared else self._query_cubes_declared[name].cluster
        cube.cluster = named or self._cluster or ""
        self._troubles.pop(name, None)
        try:
            await cube.open()
        except ServiceUnavailableError as error:
            self._trouble(name, str(error))
            self._opening[name] = asyncio.create_task(self._open_later(name, cube), name=f"open-{name}")

    async def _open_later(self, name: str, cube: DataCube | QueryCube) -> None:
        """Go on trying: what has to be decided can be, once a majority of the cluster is back."""
        while True:
            await asyncio.sleep(RETRY_S)
            try:
                await cube.open()
            except ServiceUnavailableError as error:
                self._troubles[name] = str(error)
            else:
                del self._troubles[name], self._opening[name]
                return

    async def _close(self, name: str) -> None:
        opening = self._opening.pop(name, None)
        if opening is not None:
            opening.cancel()
            await asyncio.gather(opening, return_exceptions=True)
        await self.cube(name).close()

    def _trouble(self, name: str, reason: str) -> None:
        self._troubles[name] = reason
        _logger.error("cube %r takes no part in distribution: %s", name, reason)

    def _data_cube(self, name: str, cube: Queryable) -> DataCube:
        from app_framework.olap.cube import Cube

        declared = self._declared[name]
        assert isinstance(cube, Cube), "what is needed is over a database"
        assert self._database is not None, "so there is one"
        return DataCube(
            cube,
            self._database,
            node=self.node,
            cluster=declared.cluster or self._cluster or "",
            messenger=self._messengers.get(declared.messenger),
            store=self._store,
            application=declared.application,
            concealed=Concealment(
                declared.concealed_hierarchies,
                declared.concealed_measures,
                declared.concealed_branches,
                declared.path,
            ),
            priority=declared.priority,
            limits=self.limits,
        )

    def _query_cube(self, declared: QueryCubeDefinition) -> QueryCube:
        return QueryCube(
            declared.name,
            node=self.node,
            cluster=declared.cluster,
            messenger=self._messengers.get(declared.messenger),
            store=self._store,
            applications=declared.applications,
            data_overlap=declared.data_overlap,
            replication=declared.replication,
            measures=declared.measures,
            limits=self.limits,
        )

    def __repr__(self) -> str:
        return f"<Distribution of {', '.join(self) or 'nothing'}>"


def _described(node: DataNode) -> dict[str, object]:
    told: dict[str, object] = {
        "node": node.node,
        "cube": node.cube,
        "application": node.application,
        "state": node.state,
        "required": node.required,
        "version": node.version,
        "members": dict(node.members or {}),
        "heard_s": None if node.heard_s is None else round(node.heard_s, 3),
    }
    return {**told, "refused": node.refused} if node.refused else told
