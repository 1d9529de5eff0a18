"""The nodes of a `DistributionTestHelper` as a test holds them: what it asks of them, and what it does to them."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from app_framework.database.branches import MASTER
from app_framework.database.changes import Commit
from app_framework.database.database import Database
from app_framework.database.version import Branch
from app_framework.distribution.concealment import Concealment
from app_framework.distribution.data_cube import DataCube
from app_framework.distribution.masks import MaskReport
from app_framework.distribution.query_cube import QueryCube, Replication
from app_framework.olap.cube import Cube
from app_framework.olap.definition import CubeDefinition
from app_framework.olap.query import CubeQuery
from app_framework.testing.asking import Asking
from app_framework.testing.distribution_facts import Asked, Plan
from app_framework.testing.results import CubeResult
from app_framework.testing.rows import Rows
from app_framework.testing.simulated_node import NodeIsDownError, SimulatedNode

if TYPE_CHECKING:
    from app_framework.distribution.query_cube import DataNode as KnownNode
    from app_framework.testing.distribution_helper import DistributionTestHelper

T = TypeVar("T")
D = TypeVar("D", DataCube, QueryCube)


class DistributedNode(Asking, Generic[D]):
    """What data nodes and query nodes have in common.

    Attributes:
        name: of the node.
    """

    def __init__(self, helper: DistributionTestHelper, node: SimulatedNode) -> None:
        self.name: str = node.name
        self._helper = helper
        self._node = node
        self._opened: D | None = None

    @property
    def alive(self) -> bool:
        """Whether its process runs."""
        return self._node.alive

    @property
    def distributed(self) -> D:
        """The data cube, or the query cube.

        Raises:
            NodeIsDownError: the node was killed.
        """
        if self._opened is None:
            raise NodeIsDownError(self.name)
        return self._opened

    @property
    def state(self) -> str:
        """Whether it takes part: ``joined`` or ``started``, ``stopped``, ``closed``."""
        return self.distributed.state

    def start_distribution(self) -> None:
        """Take part again, and wait until it is seen (A16)."""
        self._wait(self.distributed.start_distribution())
        self._helper.settle()

    def stop_distribution(self) -> None:
        """Leave, and wait until it is seen (A17)."""
        self._wait(self.distributed.stop_distribution())
        self._helper.settle()

    def open(self) -> None:
        """Begin in the process of the node as it is now."""
        process = self._node.living
        self._opened = process.call(self._made)
        process.wait(self._opened.open())

    def lose(self) -> None:
        """Be without a process."""
        self._opened = None

    @abstractmethod
    def _made(self) -> D:
        """Make the cube of the product that this node is about."""

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        try:
            process = self._node.living
        except NodeIsDownError:
            work.close()
            raise
        return process.wait(work)

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class DataNodeSetting:
    """What a data node is made with, every time that it starts.

    Args:
        definition: of the cube.
        application: that it is a part of.
        cluster: the namespace.
        concealed: what query cubes do not see.
        priority: with overlap, the lowest number answers first.
    """

    definition: CubeDefinition
    application: str
    cluster: str
    concealed: Concealment = field(default_factory=Concealment)
    priority: int | None = None


class DataNode(DistributedNode[DataCube]):
    """A node that holds rows, and its part of an application."""

    def __init__(
        self, helper: DistributionTestHelper, node: SimulatedNode, database: Database, setting: DataNodeSetting
    ) -> None:
        super().__init__(helper, node)
        self.database = database
        self.setting = setting
        self._cube: Cube | None = None

    @property
    def cube(self) -> Cube:
        """The cube of this node alone, with everything that it conceals."""
        if self._cube is None:
            raise NodeIsDownError(self.name)
        return self._cube

    @property
    def application(self) -> str:
        """The application that it is a part of."""
        return self.setting.application

    @property
    def cube_name(self) -> str:
        """What its cube is called."""
        return self.setting.definition.name

    @property
    def version(self) -> int:
        """The newest version of its data."""
        return self.database.version

    @property
    def masks(self) -> Mapping[str, tuple[object, ...]]:
        """The masked members by level."""
        return self.distributed.masks

    @property
    def refusal(self) -> str | None:
        """Why a query node did not let it in; None where all did, or none knows of it."""
        return self._helper.refusal(self)

    def mask(self, level: str, members: Sequence[object]) -> MaskReport:
        """Let no query node ask it for some members (AA9)."""
        return self._wait(self.distributed.mask(level, members))

    def unmask(self, level: str, members: Sequence[object]) -> MaskReport:
        """Let query nodes ask it for some members again."""
        return self._wait(self.distributed.unmask(level, members))

    def roll_over(self, level: str, *, mask: Sequence[object] = (), unmask: Sequence[object] = ()) -> MaskReport:
        """Mask some members and unmask others, in one step."""
        return self._wait(self.distributed.roll_over(level, mask=mask, unmask=unmask))

    def add(self, table: str, rows: Rows, *, branch: str = MASTER, wait: bool = True) -> Commit:
        """Put rows into a table; see `DistributionTestHelper.commit`."""
        return self._helper.commit(self, table, rows, branch=branch, wait=wait)

    def delete(
        self, table: str, where: Mapping[str, object] | None = None, *, branch: str = MASTER, wait: bool = True
    ) -> Commit:
        """Take the rows out of a table that pass all filters; see `DistributionTestHelper.commit`."""
        return self._helper.delete(self, table, where, branch=branch, wait=wait)

    def create_branch(self, name: str, base: int | None = None) -> Branch:
        """Lay a branch over a version, the newest unless given, and wait until it is seen."""
        return self._changed(lambda: self.database.create_branch(name, base).result())

    def delete_branch(self, name: str) -> Branch:
        """Remove a branch, and wait until it is seen."""
        return self._changed(lambda: self.database.delete_branch(name).result())

    def lose(self) -> None:
        """Be without a process; what is on the disk stays."""
        super().lose()
        if self._cube is not None:
            self._cube.close()
            self._cube = None

    def _changed(self, change: Callable[[], T]) -> T:
        async def make() -> T:
            return change()

        done = self._wait(make())
        self._helper.settle()
        return done

    def _made(self) -> DataCube:
        setting, process = self.setting, self._node.living
        self._cube = self._helper.build_cube(setting.definition, self.database, self.name)
        return DataCube(
            self._cube,
            self.database,
            node=self.name,
            cluster=setting.cluster,
            messenger=process.messenger,
            store=process.store,
            application=setting.application,
            concealed=setting.concealed,
            priority=setting.priority,
            limits=self._helper.limits,
        )

    def __repr__(self) -> str:
        return f"<DataNode {self.name!r} of {self.application!r}: {self._opened.state if self._opened else 'down'}>"


@dataclass(frozen=True, slots=True)
class QueryNodeSetting:
    """What a query node is made with, every time that it starts; as `QueryCube`."""

    cube: str
    applications: Mapping[str, Sequence[str]]
    cluster: str
    data_overlap: bool = False
    replication: Replication = "on-slicer"
    measures: Mapping[str, object] = field(default_factory=dict)


class QueryNode(DistributedNode[QueryCube]):
    """A node that holds no rows, and answers for all data nodes of its applications."""

    def __init__(self, helper: DistributionTestHelper, node: SimulatedNode, setting: QueryNodeSetting) -> None:
        super().__init__(helper, node)
        self.setting = setting

    @property
    def cube(self) -> QueryCube:
        """The query cube."""
        return self.distributed

    @property
    def nodes(self) -> Mapping[str, KnownNode]:
        """What it knows of the data nodes, by name."""
        return {known.node: known for known in self.distributed.nodes}

    @property
    def asked(self) -> Asked:
        """Which nodes the last question of the test went to, and how much came back."""
        return self._helper.asked(self)

    def plan(
        self,
        measures: Sequence[str],
        levels: Sequence[str] = (),
        where: Mapping[str, object] | None = None,
        **more: Any,
    ) -> Plan:
        """Return which nodes a question is sent to, for which members, and what that cost."""
        return Plan(self.explain(measures, levels, where, **more))

    def begin(
        self,
        measures: Sequence[str],
        levels: Sequence[str] = (),
        where: Mapping[str, object] | None = None,
        **more: Any,
    ) -> RunningQuestion:
        """Ask, and go on until nothing more can happen now; the clock stands still.

        What is held or delayed on the network keeps the question from being answered.
        """
        question = CubeQuery(measures, levels, where or {}, **more)
        self._helper.note_question(self)
        task = self._node.living.begin(self.distributed.query(question))
        self._helper.run_ready()
        return RunningQuestion(self._helper, task)

    def ask(self, query: CubeQuery) -> CubeResult:
        """Return the answer to a question."""
        self._helper.note_question(self)
        return super().ask(query)

    def _made(self) -> QueryCube:
        setting, process = self.setting, self._node.living
        return QueryCube(
            setting.cube,
            node=self.name,
            cluster=setting.cluster,
            messenger=process.messenger,
            store=process.store,
            applications=setting.applications,
            data_overlap=setting.data_overlap,
            replication=setting.replication,
            measures=setting.measures,
            limits=self._helper.limits,
            inline=True,
        )

    def __repr__(self) -> str:
        return f"<QueryNode {self.name!r} {self._opened.state if self._opened else 'down'}>"


class RunningQuestion:
    """A question that may not be answered yet."""

    def __init__(self, helper: DistributionTestHelper, task: asyncio.Task[Any]) -> None:
        self._helper = helper
        self._task = task
        # Nobody need look at how it ends.
        task.add_done_callback(lambda done: done.cancelled() or done.exception())

    @property
    def done(self) -> bool:
        """Whether it is answered or refused."""
        return self._task.done()

    def result(self) -> CubeResult:
        """Wait for the answer, and return it; what it is refused with is raised."""
        return CubeResult(self._helper.wait(self._task))

    def error(self) -> BaseException | None:
        """Wait, and return what the question is refused with; None where it is answered."""
        try:
            self._helper.wait(self._task)
        except Exception as error:  # whatever the product raises is the answer of this method
            return error
        return None

    def cancel(self) -> None:
        """Give up, as a client does that hangs up, and let everybody hear of it."""
        self._task.cancel()
        self._helper.run_ready()

    def __repr__(self) -> str:
        return f"<RunningQuestion {'done' if self.done else 'under way'}>"
