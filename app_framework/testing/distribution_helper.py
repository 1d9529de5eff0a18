"""Data cubes and query cubes on nodes that a test makes, kills and cuts off: in one thread, by a clock that jumps.

def test_world_equals_its_parts(distribution: DistributionTestHelper):
    a = distribution.data_node("a", rows={"sales": north}, cube="sales", application="app")
    b = distribution.data_node("b", rows={"sales": south}, cube="sales", application="app")
    world = distribution.query_node("world", applications={"app": ["region"]})
    assert world.query(["revenue.sum"]) == distribution.oracle().query(["revenue.sum"])
    distribution.kill(a)

The same seed does the same, message by message; nothing is waited for that cannot happen.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

from app_framework.cluster.local_store import LocalConsensusStore
from app_framework.database.branches import MASTER
from app_framework.database.changes import Change, Commit, Insert
from app_framework.database.schema import Reference
from app_framework.database.spare import SpareEngines
from app_framework.distribution.concealment import Concealment
from app_framework.distribution.limits import DistributionLimits
from app_framework.distribution.subjects import Places, token
from app_framework.errors import near_matches
from app_framework.messaging.memory import MemoryNetwork
from app_framework.messaging.memory_link import Passage
from app_framework.testing.cube_tester import chosen, database_of, definition_of
from app_framework.testing.distribution_errors import JoinRefusedError, UnknownNodeError, UnsettledError
from app_framework.testing.distribution_facts import Asked, since, transcript_text
from app_framework.testing.distribution_nodes import (
    DataNode,
    DataNodeSetting,
    QueryNode,
    QueryNodeSetting,
)
from app_framework.testing.network_faults import Named, NetworkFaults
from app_framework.testing.rows import Rows, row_list
from app_framework.testing.settling import refusals, unheard
from app_framework.testing.simulated_node import SimulatedNode
from app_framework.testing.solo_loop import SoloLoop
from app_framework.testing.virtual_time import LoopClock

if TYPE_CHECKING:
    from app_framework.database.database import Database
    from app_framework.distribution.masks import MaskReport
    from app_framework.distribution.query_cube import Replication
    from app_framework.olap.cube import Cube
    from app_framework.olap.definition import CubeDefinition
    from app_framework.testing.cube_tester import CubeTester

T = TypeVar("T")
Node = DataNode | QueryNode
CLUSTER = "Cluster"
SETTLE_TIMEOUT_S = 60.0
SETTLE_STEP_S = 0.05


class DistributionTestHelper(NetworkFaults):
    """Makes nodes, and does to them what a bad day does.

    Leave it as a context manager or with `close`; the fixture ``distribution`` does.

    Args:
        seed: of everything that is left to chance.
        limits: the bounds of all distributed cubes.
        engines: used again by the databases of the test; a fixture of many tests may keep them.

    Attributes:
        seed: of everything that is left to chance.
        limits: the bounds of all distributed cubes.
        clock: shows the virtual time.
        network: between the nodes.
        store: where it stands who has to answer; all nodes reach it always.
    """

    def __init__(
        self, *, seed: int = 0, limits: DistributionLimits | None = None, engines: SpareEngines | None = None
    ) -> None:
        self.seed = seed
        self.limits = limits or DistributionLimits()
        self.store = LocalConsensusStore(None)
        # What a killed process had open is dropped at the end of the test.
        self._engines = SpareEngines(engines)
        self._loop = SoloLoop()
        self.clock = LoopClock(self._loop)
        super().__init__(MemoryNetwork(seed=seed))
        self._processes: dict[str, SimulatedNode] = {}
        self._data: dict[str, DataNode] = {}
        self._queries: dict[str, QueryNode] = {}
        self._columns: dict[str, dict[str, dict[str, str]]] = {}
        self._oracles: dict[object, tuple[CubeTester, int]] = {}
        self._closing: list[CubeTester | Database] = []
        self._asked_after: dict[str, Passage | None] = {}

    # -- nodes -------------------------------------------------------------------------------------------------------

    def data_node(
        self,
        name: str,
        rows: Mapping[str, Rows] | None = None,
        *,
        cube: str = "",
        application: str = "app",
        yaml: str | Path | None = None,
        base: str = "",
        dimensions: Mapping[str, object] | None = None,
        measures: Mapping[str, object] | None = None,
        derive: bool = True,
        columns: Mapping[str, Mapping[str, str]] | None = None,
        keys: Mapping[str, Sequence[str]] | None = None,
        references: Sequence[str | Reference] = (),
        concealed_hierarchies: Sequence[str] = (),
        concealed_measures: Sequence[str] = (),
        concealed_branches: Sequence[str] = (),
        priority: int | None = None,
        cluster: str = CLUSTER,
        start: bool = True,
        check: bool = True,
    ) -> DataNode:
        """Return a node that holds rows, after everybody who can has let it in.

        Args:
            name: of the node.
            rows: by table; a cube is made of them as `CubeTester.of` does, which explains what is not explained here.
            cube: its name.
            application: that it is a part of.
            yaml: instead of rows, a model: a folder with an `application.yml`, or its text.
            base: the table whose rows the cube counts.
            dimensions: beside the derived ones.
            measures: beside the derived ones.
            derive: whether levels and measures come from the columns.
            columns: types by table and column; those of an earlier node of the application are taken where they fit.
            keys: key columns by table.
            references: between the tables.
            concealed_hierarchies: what query nodes do not see.
            concealed_measures: what query nodes do not see.
            concealed_branches: what query nodes do not see.
            priority: with overlap, the lowest number answers first.
            cluster: only cubes of the same one see each other.
            start: whether it begins now; or later with `restart`.
            check: whether it is an error that somebody does not let it in; see `DataNode.refusal`.

        Raises:
            ModelError: something is wrong with the model.
            JoinRefusedError: a query node does not let it in.
        """
        if name in self._data:
            raise ValueError(f"there is a data node {name!r} already; `restart` it, or give this one another name")
        if yaml is not None:
            database, definition = self._of_yaml(yaml, cube)
        else:
            known = self._columns.setdefault(application, {})
            with self._engines.used():
                database = database_of(
                    rows or {}, columns=columns, keys=keys, references=references, known=known, clock=self.clock
                )
            for table in database.tables.values():
                types = known.setdefault(table.name, {})
                for column in table.columns.values():
                    types.setdefault(column.name, column.type.sql)
            base = base or (cube if cube in (rows or {}) else next(iter(rows or {"": ()})))
            definition = definition_of(cube or base, base, dimensions, measures, derive=derive)
        self._closing.append(database)
        concealed = Concealment(concealed_hierarchies, concealed_measures, concealed_branches)
        setting = DataNodeSetting(definition, application, cluster, concealed, priority)
        node = DataNode(self, self._process(name), database, setting)
        self._data[name] = node
        if start:
            self._start(node)
            self._settled([node] if check else ())
        return node

    def query_node(
        self,
        name: str,
        applications: Mapping[str, Sequence[str]],
        *,
        cube: str = "",
        data_overlap: bool = False,
        replication: Replication = "on-slicer",
        measures: Mapping[str, object] | None = None,
        cluster: str = CLUSTER,
        start: bool = True,
        check: bool = True,
    ) -> QueryNode:
        """Return a node that answers for all data nodes of some applications, after it has let in those that it can.

        Args:
            name: of the node; one of a data node puts the query cube beside its data.
            applications: those that it lists, each with its distributing levels.
            cube: its name, that of the node unless given; several nodes may have the same query cube.
            data_overlap: whether several data nodes may hold the same member of a distributing level.
            replication: at which members of a hierarchy that an application does not know its values repeat.
            measures: formulas over the measures of the applications.
            cluster: only cubes of the same one see each other.
            start: whether it begins now; or later with `restart`.
            check: whether it is an error that it does not let somebody in; see `DataNode.refusal`.

        Raises:
            JoinRefusedError: it does not let a data node in.
        """
        setting = QueryNodeSetting(cube or name, applications, cluster, data_overlap, replication, measures or {})
        node = QueryNode(self, self._process(name), setting)
        self._queries[name] = node
        if start:
            self._start(node)
            self._settled(self._data.values() if check else ())
        return node

    def kill(self, node: Node | str) -> None:
        """End a node's process as a power cut does; what it holds, and that it has to answer, stays."""
        name = self._known(node)
        self._processes[name].kill()
        self._held.discard(name)
        for each in self._of(name):
            each.lose()
        self.run_ready()

    def restart(self, node: Node | str, *, check: bool = True) -> None:
        """Begin a node's process, after killing the one that runs; everybody who can has let it in then."""
        name = self._known(node)
        if self._processes[name].alive:
            self.kill(name)
        for each in self._of(name):
            self._start(each)
        self._settled([self._data[name]] if check and name in self._data else ())

    def commit(
        self, node: DataNode | str, table: str, rows: Rows, *, branch: str = MASTER, wait: bool = True
    ) -> Commit:
        """Put rows into a table of a data node.

        Args:
            node: which.
            table: its name.
            rows: mappings of columns to values.
            branch: where.
            wait: whether everybody who can shall know of it first.
        """
        return self._commit(node, Insert(table, row_list(rows)), branch, wait=wait)

    def delete(
        self,
        node: DataNode | str,
        table: str,
        where: Mapping[str, object] | None = None,
        *,
        branch: str = MASTER,
        wait: bool = True,
    ) -> Commit:
        """Take the rows out of a table of a data node that pass all filters; as `commit`."""
        from app_framework.olap.deletion import delete_where

        tables = self._data[self._known(node)].database.tables
        return self._commit(node, delete_where(tables[table], where or {}), branch, wait=wait)

    def mask(self, node: DataNode | str, level: str, members: Sequence[object]) -> MaskReport:
        """Let no query node ask a data node for some members (AA9)."""
        return self._data[self._known(node)].mask(level, members)

    def unmask(self, node: DataNode | str, level: str, members: Sequence[object]) -> MaskReport:
        """Let query nodes ask a data node for some members again."""
        return self._data[self._known(node)].unmask(level, members)

    # -- what is asked of the whole ----------------------------------------------------------------------------------

    def oracle(self, application: str = "", *, branch: str = MASTER) -> CubeTester:
        """Return one cube over all rows of the data nodes of an application that run and take part.

        As long as nothing changes it is the same one; it does not follow later changes.

        Args:
            application: which; not needed where there is one.
            branch: of the data nodes that have it; of the others master.
        """
        from app_framework.testing.distribution_oracle import parts_of, state_of, union_of

        nodes = parts_of(self._data.values(), application)
        settings = [query.setting for query in self._queries.values() if query.setting.data_overlap]
        overlapping = {level for each in settings for level in each.applications.get(nodes[0].application, ())}
        state = state_of(nodes, branch), frozenset(overlapping)
        before = self._oracles.get(state)
        if before is not None and not before[0].closed and before[0].version == before[1]:
            return before[0]
        with self._engines.used():
            oracle = union_of(nodes, overlapping, branch)
        self._closing.append(oracle)
        self._oracles[state] = oracle, oracle.version
        return oracle

    def transcript(self) -> str:
        """Return what went over the network, the oldest first, as far as it is remembered."""
        return transcript_text(self.network.transcript, dict(self._words()))

    def report(self) -> str:
        """Return what helps to understand a failed test."""
        nodes = "\n".join(repr(node) for node in self._nodes)
        return f"seed {self.seed}, at {self.now:g} s\n{nodes}\n{self.transcript()}"

    def asked(self, node: QueryNode) -> Asked:
        """Return which data nodes the last question to a query node went to."""
        places = Places(node.setting.cluster)
        doors = {
            places.of_data(data.name, data.cube_name, door): data.name
            for data in self._data.values()
            for door in ("partial", "rows")
        }
        return Asked.of(since(self.network.transcript, self._asked_after.get(node.name)), node.name, doors)

    def note_question(self, node: QueryNode) -> None:
        """Note that a question begins."""
        self._asked_after[node.name] = next(reversed(self.network.transcript), None)

    @property
    def tasks(self) -> int:
        """How many tasks all nodes have: what comes and goes must not leave any."""
        return len(asyncio.all_tasks(self._loop))

    def refusal(self, node: DataNode) -> str | None:
        """Return why a data node was not let in by a query node; None where none said so."""
        return next(refusals(self._queries.values(), node), None)

    # -- time --------------------------------------------------------------------------------------------------------

    @property
    def now(self) -> float:
        """The virtual seconds since the test began."""
        return self._loop.time()

    def advance(self, seconds: float) -> None:
        """Let time go by, and everything happen that is due meanwhile."""
        self._loop.run_until_complete(asyncio.sleep(seconds))

    def step(self, count: int = 1) -> None:
        """Run each callback that is due now once, and none that these bring about; the clock stands still."""
        for _ in range(count):
            self._loop.run_once()

    def run_ready(self) -> None:
        """Run everything that can happen now; the clock stands still."""
        self._loop.run_ready()

    def settle(self, timeout_s: float = SETTLE_TIMEOUT_S) -> None:
        """Wait until every query node knows what the data nodes that it can reach have to say.

        Raises:
            UnsettledError: it does not come to that.
        """
        self.run_ready()
        until_s = self.now + timeout_s
        while waiting := list(unheard(self._queries.values(), self._data.values(), self.network)):
            if self.now >= until_s:
                raise UnsettledError(waiting, self.report())
            self.advance(SETTLE_STEP_S)

    def wait(self, task: asyncio.Task[T]) -> T:
        """Wait for something that was begun."""
        return self._loop.run_until_complete(task)

    def build_cube(self, definition: CubeDefinition, database: Database, node: str) -> Cube:
        """Return the cube of a data node."""
        from app_framework.olap.modeler import build_cubes

        return build_cubes([definition], database, node=node)[0]

    def close(self) -> None:
        """End all nodes and let go of everything."""
        for process in self._processes.values():
            if process.alive:
                process.kill()
        for node in self._nodes:
            node.lose()
        for each in reversed(self._closing):
            each.close()
        self.store.close_now()
        self._loop.close()
        self._engines.close()

    # -- beneath -----------------------------------------------------------------------------------------------------

    def _process(self, name: str) -> SimulatedNode:
        if name not in self._processes:
            self._processes[name] = SimulatedNode(name, self._loop, self.network, self.store, self._engines)
            self._join_faults(name)
        return self._processes[name]

    @property
    def _nodes(self) -> tuple[Node, ...]:
        return (*self._data.values(), *self._queries.values())

    def _names(self) -> tuple[str, ...]:
        return tuple(self._processes)

    def _known(self, node: Named | str) -> str:
        name = node if isinstance(node, str) else node.name
        if name not in self._processes:
            raise UnknownNodeError(name, near_matches(name, self._processes))
        return name

    def _of(self, name: str) -> Iterator[Node]:
        """The data cube of a node comes before its query cube."""
        for nodes in (self._data, self._queries):
            if name in nodes:
                yield nodes[name]

    def _start(self, node: Node) -> None:
        process = self._processes[node.name]
        if not process.alive:
            process.start()
        node.open()

    def _settled(self, checked: Iterable[DataNode]) -> None:
        self.settle()
        for node in checked:
            if (reason := self.refusal(node)) is not None:
                raise JoinRefusedError(node.name, reason)

    def _commit(self, node: DataNode | str, change: Change, branch: str, *, wait: bool) -> Commit:
        data = self._data[self._known(node)]

        async def make() -> Commit:
            return data.database.commit([change], branch=branch)

        done = self._processes[data.name].living.wait(make())
        if wait:
            self.settle()
        return done

    def _of_yaml(self, yaml: str | Path, cube: str) -> tuple[Database, CubeDefinition]:
        from app_framework.testing.yaml_models import read_yaml

        model = read_yaml(yaml)
        return model.open(self.clock), chosen(model.cubes, cube)

    def _words(self) -> Iterator[tuple[str, str]]:
        for data in self._data.values():
            yield token(data.name, data.cube_name), f"{data.name}/{data.cube_name}"
        clusters = {node.setting.cluster for node in self._nodes}
        yield from ((token(cluster), cluster) for cluster in sorted(clusters))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return (
            f"<DistributionTestHelper seed {self.seed}, {len(self._data)} data nodes, {len(self._queries)} query nodes>"
        )
