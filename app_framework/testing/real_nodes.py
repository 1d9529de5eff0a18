"""The nodes of a `RealDistribution` as a test holds them: asked over HTTP."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from app_framework.database.branches import MASTER
from app_framework.database.changes import Commit
from app_framework.database.database import Database
from app_framework.database.version import Branch
from app_framework.distribution.masks import MaskReport
from app_framework.olap.query import CubeQuery
from app_framework.testing.asking import RowsResult
from app_framework.testing.distribution_errors import NotOnRealNodesError
from app_framework.testing.distribution_facts import Plan
from app_framework.testing.distribution_nodes import (
    DataNode,
    DataNodeSetting,
    QueryNode,
    QueryNodeSetting,
    RunningQuestion,
)
from app_framework.testing.real_processes import RealProcess, cell_set
from app_framework.testing.results import CubeResult

if TYPE_CHECKING:
    from app_framework.testing.real_distribution import RealDistribution


class RealNode(ABC):
    """A cube of a process; comes before the class of the node in memory, whose doors it replaces."""

    name: str
    _home: RealDistribution

    @property
    @abstractmethod
    def cube_name(self) -> str:
        """What the cube is called."""

    @property
    def process(self) -> RealProcess:
        """The process."""
        return self._home.process(self.name)

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self.process.alive

    @property
    def runs(self) -> bool:
        """Whether the process runs and is not held."""
        return self.process.alive and not self.process.paused

    @property
    def distributed(self) -> NoReturn:
        """Not there: it is in another process."""
        raise NotOnRealNodesError("the cube itself")

    @property
    def cube(self) -> NoReturn:
        """Not there: it is in another process."""
        raise NotOnRealNodesError("the cube itself")

    @property
    def state(self) -> str:
        """Whether it takes part."""
        return str(self._told()["state"])

    def ask(self, query: CubeQuery) -> CubeResult:
        """Return the answer to a question."""
        return CubeResult(cell_set(self.call("query", query.to_dict())))

    def explain(
        self,
        measures: Sequence[str],
        levels: Sequence[str] = (),
        where: Mapping[str, object] | None = None,
        **more: Any,
    ) -> dict[str, object]:
        """Return how a question is answered."""
        found: dict[str, object] = self.call("explain", CubeQuery(measures, levels, where or {}, **more).to_dict())
        return found

    def drillthrough(
        self,
        coordinates: Mapping[str, object] | None = None,
        columns: Sequence[str] = (),
        *,
        where: Mapping[str, object] | None = None,
        limit: int | None = None,
        branch: str = MASTER,
    ) -> RowsResult:
        """Return the rows that a cell counts."""
        asked = {"coordinates": dict(coordinates or {}), "columns": list(columns), "where": dict(where or {})}
        answer = self.call("drillthrough", {**asked, "limit": limit, "branch": branch})
        names = tuple(str(column["name"]) for column in answer["columns"])
        return RowsResult(names, [tuple(row) for row in answer["rows"]], answer["count"], answer["versions"])

    def members(
        self, level: str, *, prefix: str | None = None, limit: int = 100, branch: str = MASTER
    ) -> tuple[object, ...]:
        """Return the members of a level, in order."""
        asked = f"level={level}&limit={limit}&branch={branch}" + ("" if prefix is None else f"&prefix={prefix}")
        return tuple(self.process.call("GET", f"/cubes/{self.cube_name}/members?{asked}")["members"])

    def discovery(self) -> dict[str, object]:
        """Return the description of the cube."""
        found: dict[str, object] = self.process.call("GET", f"/cubes/{self.cube_name}")
        return found

    def start_distribution(self) -> None:
        """Take part again, and wait until it is seen."""
        self.call("distribution/start")
        self._home.settle()

    def stop_distribution(self) -> None:
        """Leave, and wait until it is seen."""
        self.call("distribution/stop")
        self._home.settle()

    def call(self, door: str, body: object = None) -> Any:
        """Ask one of the doors of the cube."""
        return self.process.call("POST", f"/cubes/{self.cube_name}/{door}", body)

    def _told(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.process.call("GET", f"/cubes/{self.cube_name}/distribution")
        return found


class RealDataNode(RealNode, DataNode):
    """A process that holds rows."""

    def __init__(self, home: RealDistribution, name: str, database: Database, setting: DataNodeSetting) -> None:
        self.name = name
        self.database = database
        self.setting = setting
        self._home = home
        self._version = 0
        self._masks: dict[str, tuple[object, ...]] = {}

    @property
    def cube_name(self) -> str:
        """What the cube is called."""
        return self.setting.definition.name

    @property
    def version(self) -> int:
        """The newest version of its data that the test made."""
        return self._version

    @property
    def masks(self) -> Mapping[str, tuple[object, ...]]:
        """The members that the test masked, by level."""
        return self._masks

    def told(self, done: Mapping[str, Any]) -> None:
        """Note the version that a commit made."""
        self._version = int(done["version"])

    def committed(self, done: Mapping[str, Any]) -> Commit:
        """Return what a commit did."""
        return Commit(int(done["version"]), (int(done["rows"]),))

    def roll_over(self, level: str, *, mask: Sequence[object] = (), unmask: Sequence[object] = ()) -> MaskReport:
        """Mask some members and unmask others, in one step."""
        found = self.call("distribution/roll-over", {"level": level, "mask": list(mask), "unmask": list(unmask)})
        kept = [member for member in (*self._masks.get(level, ()), *mask) if member not in unmask]
        self._masks[level] = tuple(kept)
        return MaskReport(found["version"], tuple(found["acknowledged"]), found["failures"])

    def mask(self, level: str, members: Sequence[object]) -> MaskReport:
        """Let no query node ask it for some members."""
        return self.roll_over(level, mask=members)

    def unmask(self, level: str, members: Sequence[object]) -> MaskReport:
        """Let query nodes ask it for some members again."""
        return self.roll_over(level, unmask=members)

    def delete(self, *_: object, **__: object) -> NoReturn:
        """Not there."""
        raise NotOnRealNodesError("to delete rows")

    def create_branch(self, name: str, base: int | None = None) -> Branch:
        """Lay a branch over the newest version."""
        self.process.call("POST", "/database/branches", {"name": name})
        made = self.database.create_branch(name).result()
        self._home.settle()
        return made

    def __repr__(self) -> str:
        return f"<RealDataNode {self.process!r}>"


class RealQueryNode(RealNode, QueryNode):
    """A process that answers for others."""

    def __init__(self, home: RealDistribution, name: str, setting: QueryNodeSetting) -> None:
        self.name = name
        self.setting = setting
        self._home = home

    @property
    def cube_name(self) -> str:
        """What the cube is called."""
        return self.setting.cube

    @property
    def asked(self) -> NoReturn:
        """Not there: nobody watches the network."""
        raise NotOnRealNodesError("what went over the network")

    def told_of(self, node: DataNode) -> Mapping[str, Any]:
        """Return what it knows of a data node; nothing where it knows nothing."""
        for each in self._told()["data_cubes"]:
            if (each["node"], each["cube"]) == (node.name, node.cube_name):
                found: Mapping[str, Any] = each
                return found
        return {}

    def plan(
        self,
        measures: Sequence[str],
        levels: Sequence[str] = (),
        where: Mapping[str, object] | None = None,
        **more: Any,
    ) -> Plan:
        """Return which nodes a question is sent to."""
        return Plan(self.explain(measures, levels, where, **more))

    def begin(
        self,
        measures: Sequence[str],
        levels: Sequence[str] = (),
        where: Mapping[str, object] | None = None,
        **more: Any,
    ) -> RunningQuestion:
        """Ask in a thread; it is under way when this returns, or answered already."""
        return AskedInThread(self, CubeQuery(measures, levels, where or {}, **more))

    def __repr__(self) -> str:
        return f"<RealQueryNode {self.process!r}>"


class AskedInThread(RunningQuestion):
    """A question to a process."""

    def __init__(self, node: RealQueryNode, query: CubeQuery) -> None:
        self._answer: CubeResult | None = None
        self._failed: Exception | None = None
        self._thread = threading.Thread(target=self._ask, args=(node, query), daemon=True)
        self._thread.start()
        self._thread.join(0.5)  # as much as it takes to arrive; a later arrival is as good

    @property
    def done(self) -> bool:
        """Whether it is answered or refused."""
        return not self._thread.is_alive()

    def result(self) -> CubeResult:
        """Wait for the answer, and return it."""
        self._thread.join()
        if self._failed is not None:
            raise self._failed
        assert self._answer is not None
        return self._answer

    def error(self) -> BaseException | None:
        """Wait, and return what the question is refused with."""
        self._thread.join()
        return self._failed

    def cancel(self) -> NoReturn:
        """Not there."""
        raise NotOnRealNodesError("to hang up")

    def _ask(self, node: RealQueryNode, query: CubeQuery) -> None:
        try:
            self._answer = node.ask(query)
        except Exception as error:  # raised where it is waited for
            self._failed = error
