"""Data cubes and query cubes as components of nodes: one process, a node each, on a network in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from app_framework.boot import ApplicationContext, bean
from app_framework.cluster.errors import NoQuorumError
from app_framework.cluster.local_store import LocalConsensusStore
from app_framework.database import Database
from app_framework.database.errors import ModelError
from app_framework.distribution import (
    DataCubeDefinition,
    DataNodeUnavailableError,
    Distribution,
    DistributionLimits,
    QueryCube,
    QueryCubeDefinition,
)
from app_framework.distribution.health import DistributionHealth
from app_framework.errors import ServiceUnavailableError
from app_framework.messaging.memory import MemoryNetwork
from app_framework.messaging.messenger import Messenger
from app_framework.messaging.messengers import Messengers
from app_framework.olap import CubeDefinition, CubeQuery, Manager
from app_framework.testing.virtual_time import until
from tests.distribution.test_yaml import RUNNER

BY_REGION = CubeQuery(measures=["revenue"], levels=["region"])
WHOLE = [("north", 1), ("south", 2)]
MISSING = ("b", {"region": ["south"]})
DATA_NODE = """
database: {tables: {sales: {source: {csv: sales.csv}}}}
schemas: {S: {base: sales, cubes: {sales: {dimensions: {Region: [region]}, measures: {revenue: {sum: revenue}}}}}}
distribution:
  data-cubes: {sales: {application: shops}}
  limits: {heartbeat: 100ms}
"""
QUERY_NODE = """
catalogs: {Worlds: {cubes: [world]}}
distribution:
  query-cubes: {world: {applications: {shops: {distributing-levels: [region]}}}}
  join-timeout: 200ms
  limits: {suspect: 1s, heartbeat: 100ms}
"""


@asynccontextmanager
async def node(
    network: MemoryNetwork, folder: Path, name: str, text: str, **rows: int
) -> AsyncIterator[ApplicationContext]:
    """Run a node whose cube has some rows."""
    place = folder / name
    place.mkdir(exist_ok=True)
    lines = [f"{region},{revenue}" for region, revenue in rows.items()]
    (place / "sales.csv").write_text("\n".join(["region,revenue", *lines, ""]))
    (place / "application.yml").write_text(f"app: {{name: {name}, data-dir: data}}\n{text}")
    async with RUNNER.directory(place).override(MemoryNetwork, network).start() as context:
        yield context


def test_a_pure_query_node_has_a_manager_and_no_database(tmp_path: Path) -> None:
    """It holds no rows, and answers for nodes that do; a catalog may name its cube (A11, A14)."""

    async def scenario() -> None:
        network = MemoryNetwork()
        async with (
            node(network, tmp_path, "data", DATA_NODE, north=1, south=2),
            node(network, tmp_path, "query", QUERY_NODE) as query,
        ):
            manager = query[Manager]
            assert (query.all(Database), list(manager.catalogs["Worlds"].cubes)) == ([], ["world"])
            world = query[Distribution].query_cubes["world"]
            await until(lambda: [each.state for each in world.nodes] == ["active"])
            answer = await manager.query("world", BY_REGION)
            assert (answer.rows, list(answer.versions)) == ([("north", 1), ("south", 2)], ["data"])

    asyncio.run(scenario())


async def is_told(world: QueryCube, expected: object) -> bool:
    """Whether an answer has these rows, or lacks this node with its members."""
    try:
        found: object = (await world.query(BY_REGION)).rows
    except DataNodeUnavailableError as error:
        found = error.node, error.members
    return found == expected


def test_a_node_that_is_gone_is_missed_and_named(tmp_path: Path) -> None:
    """Its health says so, and is no reason to restart the node; a part is to be had, and says what is missing (AA6)."""

    async def scenario() -> None:
        network = MemoryNetwork()
        async with (
            node(network, tmp_path, "a", DATA_NODE, north=1),
            node(network, tmp_path, "query", QUERY_NODE) as query,
        ):
            world, health = query[Distribution].query_cubes["world"], query[DistributionHealth]

            async with node(network, tmp_path, "b", DATA_NODE, south=2):
                await until(lambda: is_told(world, WHOLE))
            await until(lambda: is_told(world, MISSING))
            await until(lambda: health.health().details.get("reason") == "not heard of: b/sales")
            assert health.health().status.value == "UNKNOWN"
            part = await world.query(CubeQuery(measures=["revenue"], levels=["region"], unavailable="partial"))
            assert (part.rows, part.partial) == ([("north", 1)], True)
            assert part.missing == ({"node": "b", "members": {"region": ["south"]}},)
            async with node(network, tmp_path, "b", DATA_NODE, south=2):
                await until(lambda: is_told(world, WHOLE))

    asyncio.run(scenario())


def test_a_query_node_that_starts_again_misses_whom_it_missed(tmp_path: Path) -> None:
    """Without a cluster that stands in a file of its own; a leave is heard of all the same (AA6, AA7)."""

    async def scenario() -> None:
        network = MemoryNetwork()
        async with node(network, tmp_path, "a", DATA_NODE, north=1) as first:
            async with (
                node(network, tmp_path, "b", DATA_NODE, south=2),
                node(network, tmp_path, "query", QUERY_NODE) as query,
            ):
                world = query[Distribution].query_cubes["world"]
                await until(lambda: is_told(world, WHOLE))
            async with node(network, tmp_path, "query", QUERY_NODE) as query:
                world = query[Distribution].query_cubes["world"]
                await until(lambda: is_told(world, MISSING))
                async with node(network, tmp_path, "b", DATA_NODE, south=2):
                    await until(lambda: is_told(world, WHOLE))
                    await first[Distribution].data_cubes["sales"].stop_distribution()
                    await until(lambda: is_told(world, [("south", 2)]))

    asyncio.run(scenario())


def test_cubes_of_code_take_part_like_those_of_the_yaml(tmp_path: Path) -> None:
    """They are beans of the application (A4); what they are is asked of the injected component."""

    @bean
    def sales() -> CubeDefinition:
        measures = {"revenue": {"sum": "revenue"}, "cost": {"sum": "cost"}}
        return CubeDefinition.of("sales", base="sales", dimensions={"Region": ["region"]}, measures=measures)

    @bean
    def shop() -> DataCubeDefinition:
        return DataCubeDefinition("sales", application="shops", concealed_measures=["cost"])

    @bean
    def world() -> QueryCubeDefinition:
        return QueryCubeDefinition("world", applications={"shops": []}, measures={"double": {"formula": "revenue * 2"}})

    text = "database: {tables: {sales: {columns: {region: varchar, revenue: int, cost: int}}}}"
    runner = RUNNER.yaml(text).properties({"app.data-dir": tmp_path}).sources(sales, shop, world)

    async def scenario() -> None:
        async with runner.start() as context:
            cubes = context[Distribution]
            assert (list(cubes.data_cubes), list(cubes.query_cubes)) == (["sales"], ["world"])
            known = context[Manager].describe("world")["measures"]
            assert isinstance(known, list)
            assert [measure["name"] for measure in known] == ["revenue", "double"]

    asyncio.run(scenario())


def test_cubes_of_another_cluster_are_not_seen(tmp_path: Path) -> None:
    """The cluster of a cube is a namespace; the node's own, unless it names one (A5)."""
    text = """
distribution:
  data-cubes: {sales: {application: shops, cluster: north}}
  query-cubes:
    here: {applications: {shops: {}}, cluster: north, messenger: in-memory}
    there: {applications: {shops: {}}}
"""

    async def scenario() -> None:
        model = DATA_NODE.partition("distribution:")[0]
        async with node(MemoryNetwork(), tmp_path, "a", model + text, north=1) as context:
            cubes = context[Distribution].query_cubes
            assert [(cube.cluster, len(cube.nodes)) for cube in cubes.values()] == [("north", 1), ("Cluster", 0)]

    asyncio.run(scenario())


def test_another_model_of_a_data_cube_is_known_without_a_restart(tmp_path: Path) -> None:
    """The query cube stays, and a model that lacks what is distributed is refused."""

    def model(measure: str) -> CubeDefinition:
        return CubeDefinition.of(
            "sales", base="sales", dimensions={"Region": ["region"]}, measures={measure: {"sum": "revenue"}}
        )

    async def scenario() -> None:
        network = MemoryNetwork()
        text = DATA_NODE + "  query-cubes: {world: {applications: {shops: {}}}}\n"
        text = text.replace(
            "distribution: {data-cubes: {sales: {application: shops}}}",
            "distribution:\n  data-cubes: {sales: {application: shops}}",
        )
        async with node(network, tmp_path, "a", text, north=1) as context:
            manager = context[Manager]
            assert (await manager.query("world", CubeQuery(measures=["revenue"]))).rows == [(1,)]
            await manager.replace(model("turnover"))
            await until(lambda: not manager.cube("world").check(CubeQuery(measures=["turnover"])))
            assert (await manager.query("world", CubeQuery(measures=["turnover"]))).rows == [(1,)]
            with pytest.raises(ModelError, match="there is no cube 'sales'"):
                await manager.remove("sales")
            with pytest.raises(ModelError, match="there is a query cube called 'world'"):
                await manager.replace(
                    CubeDefinition.of("world", base="sales", dimensions={}, measures={"n": {"count": "*"}})
                )

    asyncio.run(scenario())


def test_cubes_take_part_as_soon_as_it_can_be_decided() -> None:
    """A node that starts without a majority goes on trying, and says so."""

    async def scenario() -> None:
        lost = True

        def gate() -> None:
            if lost:
                raise NoQuorumError

        async with Messenger(MemoryNetwork().bus("a")) as messenger:
            store = LocalConsensusStore(None, gate=gate)
            distribution = Distribution(
                [],
                [QueryCubeDefinition("world", {"shops": []})],
                node="a",
                messengers=Messengers(messenger),
                store=store,
                limits=DistributionLimits(),
            )
            await distribution.open("Cluster")
            assert "no majority" in distribution.troubles["world"]
            assert DistributionHealth(distribution).health().status.value == "UNKNOWN"
            with pytest.raises(ServiceUnavailableError, match="does not answer yet") as refused:
                await distribution.query_cubes["world"].query(BY_REGION)
            assert refused.value.retryable
            lost = False
            await until(lambda: distribution.query_cubes["world"].state == "started")
            await until(lambda: not distribution.troubles)
            await distribution.close()
            await store.close()

    asyncio.run(scenario())
