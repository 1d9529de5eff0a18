"""The same helper over real processes that talk over NATS: a test body that passes in memory passes here (AA11).

@pytest.mark.distribution("nats")
def test_world_equals_its_parts(distribution): ...

To hold a node is to stop its process in time, to kill it is kill -9; what a test in memory does to single messages and
to the clock is not there.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from app_framework.database.branches import MASTER
from app_framework.database.changes import Insert
from app_framework.database.schema import Reference
from app_framework.testing.cube_tester import database_of, definition_of
from app_framework.testing.distribution_errors import JoinRefusedError, NotOnRealNodesError, UnsettledError
from app_framework.testing.distribution_helper import CLUSTER, DistributionTestHelper, Node
from app_framework.testing.distribution_nodes import DataNodeSetting, QueryNodeSetting
from app_framework.testing.network_faults import Named
from app_framework.testing.real_nodes import RealDataNode, RealQueryNode
from app_framework.testing.real_processes import RealProcess, wait_until
from app_framework.testing.rows import Rows, column_types, row_list

if TYPE_CHECKING:
    from app_framework.database.changes import Commit
    from app_framework.distribution.query_cube import Replication
    from app_framework.testing.cube_tester import CubeTester

SETTLE_TIMEOUT_S = 60.0
GROUND = "ground"
"""The node that founds the cluster and alone votes in it: whichever other one dies, decisions can be made."""


class RealDistribution(DistributionTestHelper):
    """Makes nodes in folders of their own, and does to them what a real bad day does.

    Args:
        folder: an empty one.
    """

    def __init__(self, folder: Path) -> None:
        self.seed = 0
        self._folder = folder
        self._real: dict[str, RealProcess] = {}
        self._documents: dict[str, dict[str, dict[str, object]]] = {}
        self._real_data: dict[str, RealDataNode] = {}
        self._real_queries: dict[str, RealQueryNode] = {}
        self._first_rows: dict[str, Mapping[str, Sequence[Mapping[str, object]]]] = {}
        self._unions: list[CubeTester] = []
        self._begun_s = time.monotonic()
        self._ground = RealProcess(folder / GROUND, GROUND, _document(GROUND, "voter", ()))

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
    ) -> RealDataNode:
        """Return a node that holds rows; see `DistributionTestHelper.data_node`."""
        if yaml is not None or not rows:
            raise NotOnRealNodesError("a data node that is not made of rows")
        base = base or (cube if cube in rows else next(iter(rows)))
        cube = cube or base
        listed = {table: row_list(each) for table, each in rows.items()}
        types = {table: column_types(each, (columns or {}).get(table)) for table, each in listed.items()}
        database = database_of(listed, columns=types, keys=keys, references=references)
        setting = DataNodeSetting(
            definition_of(cube, base, dimensions, measures, derive=derive), application, cluster, priority=priority
        )
        node = self._real_data[name] = RealDataNode(self, name, database, setting)
        self._first_rows[name] = listed
        model = {"auto": derive, "dimensions": dimensions or {}, "measures": measures or {}}
        tables = {table: {"columns": types[table], "key": list((keys or {}).get(table, ()))} for table in listed}
        concealed = {
            "concealed-hierarchies": list(concealed_hierarchies),
            "concealed-measures": list(concealed_measures),
            "concealed-branches": list(concealed_branches),
        }
        part = {"application": application, "cluster": cluster, "priority": priority, **concealed}
        self._write(
            name,
            database={"path": "data.duckdb", "tables": tables, "references": [str(each) for each in references]},
            schemas={"Schema": {"base": base, "cubes": {cube: model}}},
            distribution={"data-cubes": {cube: {key: value for key, value in part.items() if value is not None}}},
        )
        if start:
            self._live(name)
            self._agreed([node] if check else [])
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
    ) -> RealQueryNode:
        """Return a node that answers for some applications; see `DistributionTestHelper.query_node`."""
        setting = QueryNodeSetting(cube or name, applications, cluster, data_overlap, replication, measures or {})
        node = self._real_queries[name] = RealQueryNode(self, name, setting)
        listed = {each: {"distributing-levels": list(levels)} for each, levels in applications.items()}
        body = {"applications": listed, "data-overlap": data_overlap, "replication": replication, "cluster": cluster}
        self._write(name, distribution={"query-cubes": {setting.cube: {**body, "measures": measures or {}}}})
        if start:
            self._live(name)
            self._agreed(list(self._real_data.values()) if check else [])
        return node

    def process(self, name: str) -> RealProcess:
        """Return the process of a node."""
        return self._real[name]

    def kill(self, node: Node | str) -> None:
        """End a node's process with -9."""
        self._real[_name(node)].kill()

    def restart(self, node: Node | str, *, check: bool = True) -> None:
        """Begin a node's process again."""
        name = _name(node)
        self._live(name)
        self._agreed([self._real_data[name]] if check and name in self._real_data else [])

    def commit(self, node: object, table: str, rows: Rows, *, branch: str = MASTER, wait: bool = True) -> Commit:
        """Put rows into a table of a data node."""
        data, listed = self._real_data[_name(node)], row_list(rows)
        path = f"/database/tables/{table}/rows" + ("" if branch == MASTER else f"?branch={branch}")
        done = self._real[data.name].call("POST", path, listed)
        data.database.commit([Insert(table, listed)], branch=branch)
        data.told(done)
        if wait:
            self.settle()
        return data.committed(done)

    # -- bad days ----------------------------------------------------------------------------------------------------

    def hold(self, node: Named | str, other: Named | str | None = None, *, one_way: bool = False) -> None:
        """Stop a node's process in time."""
        if other is not None or one_way:
            raise NotOnRealNodesError("to hold single links")
        self._real[_name(node)].pause()

    def release(self, node: Named | str, other: Named | str | None = None) -> None:
        """Let a node's process go on."""
        self._real[_name(node)].resume()

    def heal(self) -> None:
        """Let everything go on."""
        for process in self._real.values():
            process.resume()

    # -- what is asked of the whole, and time ------------------------------------------------------------------------

    def oracle(self, application: str = "", *, branch: str = MASTER) -> CubeTester:
        """Return one cube over the rows that the test put into the nodes that run and take part."""
        from app_framework.testing.distribution_oracle import parts_of, union_of

        nodes = parts_of(self._real_data.values(), application)
        settings = [query.setting for query in self._real_queries.values() if query.setting.data_overlap]
        overlapping = {level for each in settings for level in each.applications.get(nodes[0].application, ())}
        self._unions.append(union_of(nodes, overlapping, branch))
        return self._unions[-1]

    @property
    def now(self) -> float:
        """The seconds since the test began."""
        return time.monotonic() - self._begun_s

    def advance(self, seconds: float) -> None:
        """Let real time go by."""
        time.sleep(seconds)

    def run_ready(self) -> None:
        """Nothing: real processes run by themselves."""

    def settle(self, timeout_s: float = SETTLE_TIMEOUT_S) -> None:
        """Wait until every query node knows what the data nodes have to say."""
        waiting: list[str] = []

        def settled() -> bool:
            waiting[:] = self._unheard()
            return not waiting

        try:
            wait_until(settled, timeout_s)
        except TimeoutError:
            raise UnsettledError(waiting, self.report()) from None

    def report(self) -> str:
        """Return what the nodes said."""
        return "\n".join(f"--- {name}\n{process.log}" for name, process in self._real.items())

    def transcript(self) -> NoReturn:
        """Not there."""
        raise NotOnRealNodesError("a transcript of messages")

    def close(self) -> None:
        """End all nodes."""
        for process in (*self._real.values(), self._ground):
            process.kill()
        for oracle in self._unions:
            oracle.close()
        for node in self._real_data.values():
            node.database.close()

    # -- beneath -----------------------------------------------------------------------------------------------------

    def _write(self, name: str, **sections: dict[str, object]) -> None:
        """Add sections to the configuration of a node; a node of a data cube may have a query cube as well."""
        if not self._ground.alive:
            self._ground.start()
        kept = self._documents.setdefault(name, _document(name, "watcher", [self._ground.url]))
        for section, body in sections.items():
            kept[section] = {**kept.get(section, {}), **body}
        if name in self._real:
            self._real[name].write(kept)
        else:
            self._real[name] = RealProcess(self._folder / name, name, kept)

    def _live(self, name: str) -> None:
        """Begin a process; the first one of a data node gets its rows."""
        process = self._real[name]
        process.kill()
        process.start()
        for table, rows in self._first_rows.pop(name, {}).items():
            if rows:
                self._real_data[name].told(process.call("POST", f"/database/tables/{table}/rows", rows))

    def _agreed(self, checked: Sequence[RealDataNode]) -> None:
        self.settle()
        for node in checked:
            for query in self._real_queries.values():
                refused = query.told_of(node).get("refused") if query.alive else None
                if refused:
                    raise JoinRefusedError(node.name, str(refused))

    def _unheard(self) -> Iterator[str]:
        for query in self._real_queries.values():
            if not query.runs or query.state != "started":
                continue
            for data in self._real_data.values():
                if not data.runs or data.application not in query.setting.applications:
                    continue
                known = query.told_of(data)
                if data.state == "stopped":
                    if known.get("required"):
                        yield f"{query.name} counts on {data.name}, which stopped"
                elif not known.get("refused"):
                    version = known.get("version")
                    if known.get("state") != "active" or not isinstance(version, int) or version < data.version:
                        yield f"{query.name} sees {data.name} as {known}, which is at version {data.version}"

    def __repr__(self) -> str:
        return f"<RealDistribution {', '.join(self._real)}>"


def _document(name: str, kind: str, peers: Sequence[str]) -> dict[str, dict[str, object]]:
    return {
        "app": {"name": name},
        "server": {"port": 0, "access-log": False},
        "messaging": {"type": "nats"},
        "cluster": {"id": CLUSTER, "node": {"name": name, "type": kind}, "peers": list(peers)},
    }


def _name(node: object) -> str:
    return node if isinstance(node, str) else str(getattr(node, "name"))  # noqa: B009 - whatever has a name
