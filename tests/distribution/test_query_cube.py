"""A11: a query cube is a cube like any other to whoever asks it."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from app_framework.cluster.local_store import LocalConsensusStore
from app_framework.database import Database, Insert, Table
from app_framework.distribution import DataCube, QueryCube
from app_framework.distribution.errors import DataNodeUnavailableError
from app_framework.distribution.limits import DistributionLimits
from app_framework.errors import ServiceUnavailableError
from app_framework.messaging import MemoryNetwork, Messenger
from app_framework.messaging.trace import current_trace_id, with_traceparent
from app_framework.olap import Catalog, Cube, CubeDefinition, CubeQuery, Manager
from app_framework.olap.errors import UnknownLevelError, UnknownMeasureError
from app_framework.olap.following import ContinuousQueries, Told, Trouble
from app_framework.olap.partial import PartialAnswer, PartialAnswerer, PartialQuestion
from app_framework.olap.queryable import Queryable
from app_framework.testing import CubeTester, DataNode, DistributionTestHelper, QueryNode
from app_framework.testing.virtual_time import until

OSLO: list[dict[str, object]] = [{"region": "Oslo", "revenue": 3}, {"region": "Turku", "revenue": 5}]
BARI: list[dict[str, object]] = [{"region": "Bari", "revenue": 7}]
REGIONS = {"app": ["region"]}
EVERYTHING = CubeQuery(measures=["revenue.sum"])
BY_REGION = CubeQuery(measures=["revenue.sum"], levels=["region"])


@pytest.fixture
def a(distribution: DistributionTestHelper) -> DataNode:
    return distribution.data_node("a", {"sales": OSLO})


@pytest.fixture
def world(distribution: DistributionTestHelper, a: DataNode) -> QueryNode:
    distribution.data_node("b", {"sales": BARI})
    return distribution.query_node("world", REGIONS)


def test_it_has_what_every_door_needs(world: QueryNode) -> None:
    """A11: the role is kept, as mypy and the interpreter see it."""
    queryable: Queryable = world.cube
    assert queryable.name == "world"
    assert queryable.check(EVERYTHING) == ()
    assert queryable.tables(EVERYTHING)


def test_everything_wrong_is_told_at_once(world: QueryNode) -> None:
    """FA2: with near matches, and nobody is asked for it."""
    problems = world.cube.check(CubeQuery(measures=["revenue.sun"], levels=["religion"], branch="other", version=3))
    assert [problem.field for problem in problems] == ["measures[0]", "levels[0]", "branch", "version"]
    assert problems[0].near[0] == "revenue.sum"
    assert isinstance(world.error(["nothing"]), UnknownMeasureError)
    assert isinstance(world.error(["count"], ["nothing"]), UnknownLevelError)
    assert world.asked.names == set()


def test_versions_are_those_that_a_question_would_read(
    distribution: DistributionTestHelper, a: DataNode, world: QueryNode
) -> None:
    """AA13: so that an answer that is kept can be known to be true; a node that is away is no reason to use one."""
    cube = world.cube
    assert world._node.living.wait(cube.query(EVERYTHING)).versions == cube.versions(EVERYTHING) == cube.versions()
    bari = CubeQuery(measures=["count"], where={"region": "Bari"})
    assert list(cube.versions(bari)) == ["b"]
    distribution.kill(a)
    distribution.advance(distribution.limits.suspect_s * 2)
    assert list(cube.versions(bari)) == ["b"]
    for question in (EVERYTHING, None):
        with pytest.raises(DataNodeUnavailableError, match="'a'"):
            cube.versions(question)


def test_the_fingerprint_changes_with_what_can_be_asked_and_with_who_answers(
    distribution: DistributionTestHelper, a: DataNode, world: QueryNode
) -> None:
    """A11: and with nothing else."""
    before = world.cube.fingerprint
    a.add("sales", [{"region": "Narvik", "revenue": 1}])
    assert world.cube.fingerprint == before
    a.mask("region", ["Narvik"])
    masked = world.cube.fingerprint
    distribution.data_node("c", {"sales": [{"region": "Faro", "revenue": 1}]})
    assert len({before, masked, world.cube.fingerprint}) == 3


def test_explain_tells_what_each_node_did(world: QueryNode) -> None:
    """A15: members, rows, bytes, milliseconds and round trips; the plan and the statement that merges."""
    told = world._node.living.wait(world.cube.explain(BY_REGION))
    assert json.loads(json.dumps(told, default=str)) is not None
    nodes: Any = told["nodes"]
    first, second = nodes
    assert (first["node"], first["cube"], first["application"], first["rows"]) == ("a", "sales", "app", 2)
    assert first["members"] == {"region": ["Oslo", "Turku"]}
    assert second["bytes"] > 0
    assert (told["round_trips"], told["partial"]) == (1, False)
    assert "Aggregate" in str(told["plan"])
    assert "SELECT" in str(told["sql"])


def test_the_trace_of_a_question_is_that_of_its_parts(monkeypatch: pytest.MonkeyPatch, world: QueryNode) -> None:
    """A15: what data nodes do and log for it can be found by it."""
    answer, traces = PartialAnswerer.answer, []

    async def traced(answerer: PartialAnswerer, question: PartialQuestion) -> PartialAnswer:
        traces.append(current_trace_id())
        return await answer(answerer, question)

    async def ask() -> None:
        with with_traceparent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"):
            await world.cube.query(EVERYTHING)

    monkeypatch.setattr(PartialAnswerer, "answer", traced)
    world._node.living.wait(ask())
    assert traces == ["0af7651916cd43dd8448eb211c80319c"] * 2


def test_answers_come_in_every_form(world: QueryNode) -> None:
    """A11: as values, as Arrow, in batches, and as rows behind a cell."""
    process, cube = world._node.living, world.cube
    rows = process.wait(cube.query(BY_REGION)).rows
    assert process.wait(cube.query_arrow(BY_REGION)).rows == rows
    stream = process.wait(cube.query_stream(BY_REGION))
    assert sum(batch.num_rows for batch in stream) == 3
    assert stream.versions.keys() == {"a", "b"}
    from app_framework.olap import Drillthrough

    found = process.wait(cube.drillthrough(Drillthrough(columns=["region"], limit=2)))
    assert (found.count, [*found.versions]) == (3, ["a", "b"])
    assert list(found) == [("Oslo",), ("Turku",)]
    assert "".join(process.wait(cube.drillthrough(Drillthrough(columns=["region"]))).csv_pieces()).count("\r\n") == 4


def test_measures_of_its_own_are_over_those_of_its_applications(
    distribution: DistributionTestHelper, caplog: pytest.LogCaptureFixture
) -> None:
    """A9: of several applications, which know some levels both and some alone; a wrong one is told once."""
    distribution.data_node("a", {"sales": OSLO})
    distribution.data_node("b", {"costs": [{"region": "Oslo", "cost": 2, "kind": "rent"}]}, application="money")
    margin = {"margin": {"formula": '"revenue.sum" - "cost.sum"'}, "wrong": {"formula": '"revenue.sun" + 1'}}
    world = distribution.query_node("world", {"app": ["region"], "money": []}, measures=margin)
    assert world.query(["margin"], ["region"], totals="grand").rows == [("Oslo", 1), ("Turku", None), (None, 6)]
    assert len(world.cube.problems) == 1
    assert "revenue.sum" in world.cube.problems[0]
    assert [each.levelname for each in caplog.records if "'revenue.sun'" in each.getMessage()] == ["WARNING"]
    assert isinstance(world.error(["wrong"]), UnknownMeasureError)


@pytest.mark.parametrize(("replication", "rent"), [("on-slicer", [None, None, 2]), ("always", [2, 2, 2])])
def test_what_an_application_does_not_know_repeats_or_not(
    distribution: DistributionTestHelper, replication: str, rent: list[int | None]
) -> None:
    """AA2: a total counts it once in any case."""
    distribution.data_node("a", {"sales": OSLO})
    distribution.data_node("b", {"costs": [{"kind": "rent", "cost": 2}]}, application="money")
    world = distribution.query_node("world", {"app": ["region"], "money": []}, replication=replication)  # type: ignore[arg-type]
    answer = world.query(["revenue.sum", "cost.sum"], ["region"], totals="grand")
    assert answer.rows == [("Oslo", 3, rent[0]), ("Turku", 5, rent[1]), (None, 8, rent[2])]


def test_a_slicing_hierarchy_is_read_at_the_first_member_of_all(distribution: DistributionTestHelper) -> None:
    """A9: not at the first one of each node; and that of the branch, or of the versions, that are read."""
    dimensions = {"Day": {"levels": ["day"], "slicing": True}}
    rows = [{"region": "Oslo", "day": 2, "revenue": 3}, {"region": "Oslo", "day": 3, "revenue": 50}]
    more = [{"region": "Bari", "day": 1, "revenue": 7}, {"region": "Bari", "day": 2, "revenue": 1}]
    for name, each in (("a", rows), ("b", more)):
        distribution.data_node(name, {"sales": each}, dimensions=dimensions)
    world = distribution.query_node("world", REGIONS)
    expected = distribution.oracle().query(["revenue.sum"], ["region"])
    assert world.query(["revenue.sum"], ["region"]) == expected
    assert expected.table == {"Bari": 7}
    before = world.query(["revenue.sum"]).versions
    a = distribution._data["a"]
    a.create_branch("earlier")
    a.add("sales", [{"region": "Oslo", "day": 0, "revenue": 9}], branch="earlier")
    assert world.query(["revenue.sum"], ["region"], branch="earlier").table == {"Oslo": 9}
    a.add("sales", [{"region": "Oslo", "day": 0, "revenue": 1}])
    assert world.query(["revenue.sum"], ["region"]).table == {"Oslo": 1}
    assert world.query(["revenue.sum"], ["region"], version=before) == expected


def test_who_follows_a_question_is_told_of_commits_on_other_nodes(a: DataNode, world: QueryNode) -> None:
    """A11: once they are let in, each version with the nodes that it is of."""
    told: list[Told | Trouble] = []

    async def begin() -> ContinuousQueries:
        manager = Manager([Catalog("c", [world.cube])])
        queries = ContinuousQueries(manager)
        follow = queries.follow("world", EVERYTHING, told.append)
        await until(lambda: told)
        follow.delivered()
        return queries

    process = world._node.living
    queries = process.wait(begin())
    a.add("sales", [{"region": "Narvik", "revenue": 100}])
    process.wait(until(lambda: len(told) > 1))
    first, second = told[:2]
    assert isinstance(first, Told)
    assert isinstance(second, Told)
    assert (first.cells.rows, second.cells.rows) == ([(15,)], [(115,)])
    assert second.versions == world.cube.versions()
    process.wait(queries.close())


@asynccontextmanager
async def open_world(tester: CubeTester) -> AsyncIterator[QueryCube]:
    """Open a data cube and a query cube over it in one process, in real time and with real threads."""
    network, store = MemoryNetwork(), LocalConsensusStore(None)
    async with Messenger(network.bus("a")) as there, Messenger(network.bus("w")) as here:
        cube = DataCube(
            tester.cube, tester.database, node="a", cluster="C", messenger=there, store=store, application="app"
        )
        world = QueryCube("world", node="w", cluster="C", messenger=here, store=store, applications=REGIONS)
        await cube.open()
        await world.open()
        await until(lambda: any(node.state == "active" for node in world.nodes))
        try:
            yield world
        finally:
            await world.close()
            await cube.close()
            await store.close()


def test_another_thread_may_wait_for_an_answer() -> None:
    """A11: while the loop goes on; in the loop's own thread that would be for ever, so it is refused."""
    answers: list[object] = []

    async def ask(tester: CubeTester) -> None:
        async with open_world(tester) as world:
            thread = threading.Thread(target=lambda: answers.append(world.query_sync(EVERYTHING).rows))
            thread.start()
            await until(lambda: answers)
            thread.join()
            with pytest.raises(ServiceUnavailableError, match="await"):
                world.query_sync(EVERYTHING)

    with CubeTester.of({"sales": OSLO}) as tester:
        asyncio.run(ask(tester))
    assert answers == [[(8,)]]


def test_a_commit_to_two_cubes_of_a_node_is_seen_whole_or_not_at_all() -> None:
    """AA13: as long as one of them has not told what it changed, there is no answer to what needs both."""
    tables = [Table("sales", columns={"revenue": "bigint"}), Table("costs", columns={"cost": "bigint"})]
    both = CubeQuery(measures=["revenue.sum", "cost.sum"], timeout=5)

    async def scenario(database: Database) -> None:
        network, store, limits = MemoryNetwork(), LocalConsensusStore(None), DistributionLimits(announcement_s=0.1)
        async with Messenger(network.bus("a")) as there, Messenger(network.bus("w")) as here:
            cubes = [
                DataCube(
                    Cube.of(CubeDefinition.derive(name, name), database),
                    database,
                    node="a",
                    cluster="C",
                    messenger=there,
                    store=store,
                    application=name,
                )
                for name in ("sales", "costs")
            ]
            world = QueryCube(
                "world", node="w", cluster="C", messenger=here, store=store,
                applications={"sales": [], "costs": []}, limits=limits,
            )  # fmt: skip
            for cube in cubes:
                await cube.open()
            await world.open()
            await until(lambda: [node.state for node in world.nodes] == ["active"] * 2)
            (silent,) = [task for task in cubes[1]._tasks if "commits" in task.get_name()]
            silent.cancel()
            await asyncio.to_thread(
                database.commit, [Insert("sales", [{"revenue": 3}]), Insert("costs", [{"cost": 1}])]
            )
            await until(lambda: cubes[0]._publisher and world.nodes[1].version == database.version)
            with pytest.raises(DataNodeUnavailableError, match="one of its cubes"):
                await world.query(both)
            await cubes[1]._read_and_tell()
            answer = await world.query(both)
            assert (answer.rows, answer.versions) == ([(3, 1)], {"a": database.version})
            await world.close()
            for cube in cubes:
                await cube.close()
        await store.close()

    with Database.open(tables=tables) as database:
        asyncio.run(scenario(database))


def test_nodes_that_decide_each_for_itself_agree_on_who_left() -> None:
    """A17: a data cube that left while the query cube was away says so when it is asked; one that died does not."""

    async def scenario(tester: CubeTester) -> None:
        network, stores = MemoryNetwork(), [LocalConsensusStore(None), LocalConsensusStore(None)]
        async with Messenger(network.bus("a")) as there, Messenger(network.bus("w")) as here:
            cube = DataCube(
                tester.cube, tester.database, node="a", cluster="C", messenger=there, store=stores[0], application="app"
            )
            world = QueryCube("world", node="w", cluster="C", messenger=here, store=stores[1], applications=REGIONS)
            await cube.open()
            await world.open()
            await until(lambda: [node.state for node in world.nodes] == ["active"])
            await world.close()
            await cube.close()
            await world.open()
            assert [node.state for node in world.nodes] == ["required"]
            with pytest.raises(DataNodeUnavailableError, match="'a'"):
                await world.query(EVERYTHING)
            await world.close()
            await cube.open()
            await cube.stop_distribution()
            await world.open()
            await until(lambda: world.nodes == ())
            await world.close()
            await cube.close()
        for store in stores:
            await store.close()

    with CubeTester.of({"sales": OSLO}) as tester:
        asyncio.run(scenario(tester))
