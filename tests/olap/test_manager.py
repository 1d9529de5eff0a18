"""The manager: finds the cube, describes all of them, passes questions on."""

from __future__ import annotations

import asyncio
import json

import pytest

from app_framework.database import Database, ModelError
from app_framework.olap import (
    CatalogDefinition,
    Cube,
    CubeQuery,
    Manager,
    QueryError,
    UnknownCubeError,
    build_catalogs,
    read_model,
)
from app_framework.testing import GoldenFiles


@pytest.fixture
def manager(flights: Cube) -> Manager:
    return Manager(build_catalogs([], [flights]))


def test_without_catalogs_one_holds_all_cubes(manager: Manager) -> None:
    assert {name: list(catalog.cubes) for name, catalog in manager.catalogs.items()} == {"Catalog": ["flights"]}


def test_a_catalog_of_unknown_cubes_is_refused(flights: Cube) -> None:
    catalogs = [
        CatalogDefinition("All", None, ("catalogs", "All")),
        CatalogDefinition("A", ["flihgts"], ("catalogs", "A")),
    ]
    with pytest.raises(
        ModelError, match=r"catalogs\.A\.cubes\[0\]: there is no cube 'flihgts'\. Did you mean: flights\?"
    ):
        build_catalogs(catalogs, [flights])


def test_both_doors_give_the_same_answer(manager: Manager) -> None:
    question = CubeQuery(measures=["flights"], levels=["origin"])
    answer = asyncio.run(manager.query("flights", question))
    assert answer == manager.query_sync("flights", question)
    assert asyncio.run(manager.query_arrow("flights", question)) == answer


def test_an_unknown_cube_is_refused_with_near_ones(manager: Manager) -> None:
    with pytest.raises(UnknownCubeError) as caught:
        manager.cube("flight")
    assert (caught.value.near, caught.value.code) == (("flights",), "UNKNOWN_CUBE")


def test_discovery_describes_everything(manager: Manager, golden: GoldenFiles) -> None:
    """Dimensions, hierarchies, levels with types, measures with caption, format, kind and partial form."""
    described = json.dumps(manager.discovery(), indent=1)
    golden("discovery.json", described.replace(manager.cube("flights").fingerprint, "<fingerprint>"))
    assert manager.describe("flights")["catalogs"] == ["Catalog"]


def test_explain_shows_plan_sql_node_and_time(manager: Manager) -> None:
    explained = asyncio.run(manager.explain("flights", CubeQuery(measures=["flights"], where={"origin": "JFK"})))
    assert list(explained) == ["cube", "plan", "sql", "parameters", "nodes", "bytes", "elapsed_ms"]
    assert explained["parameters"] == ["JFK"]
    assert "Scan flights" in str(explained["plan"])


def test_members_come_in_order_null_last(manager: Manager) -> None:
    assert asyncio.run(manager.members("flights", "dest", prefix="A", limit=3)) == ("ABQ", "ACK", "ALB")
    assert asyncio.run(manager.members("flights", "dest_tz"))[-1] is None
    assert asyncio.run(manager.members("flights", "Calendar.month")) == tuple(range(1, 13))


@pytest.mark.parametrize(("level", "prefix", "limit"), [("mnth", None, 1), ("month", "1", 1), ("dest", None, -1)])
def test_members_that_cannot_be_listed(manager: Manager, level: str, prefix: str | None, limit: int) -> None:
    with pytest.raises(QueryError):
        asyncio.run(manager.members("flights", level, prefix=prefix, limit=limit))


def test_catalogs_are_read_from_the_configuration(database: Database) -> None:
    model = read_model({}, {"A": {"cubes": "all"}, "B": {"cubes": ["x"]}, "C": {"cubes": 3}, "D": {"cube": []}})
    assert [(c.name, c.cubes) for c in model.catalogs] == [("A", None), ("B", ("x",)), ("D", None)]
    assert [(p.where, p.code) for p in model.problems] == [
        ("catalogs.C.cubes", "INVALID_SHAPE"),
        ("catalogs.D.cube", "UNKNOWN_KEY"),
    ]
