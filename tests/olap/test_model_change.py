"""Another model on a running node: all of it or a refusal, and nobody's answer is of two models."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from app_framework.database import Database, DatabaseLimits, Insert, InvalidRowsError, Table
from app_framework.olap import (
    Cube,
    CubeDefinition,
    CubeQuery,
    Drillthrough,
    FixedModelError,
    Manager,
    Modeler,
    ModelError,
    UnknownCubeError,
    read_model,
)
from app_framework.olap.errors import UnknownLevelError

SCHEMAS: dict[str, Any] = {
    "Shop": {
        "base": "sales",
        "cubes": {
            "shop": {"dimensions": {"Item": ["item"]}, "measures": {"sold": {"count": "*"}}},
            "other": {"dimensions": {"Item": ["item"]}, "measures": {"n": {"sum": "n"}}},
        },
    }
}
ROWS = [{"item": "tea", "kind": "drink", "rank": 2, "n": 3}, {"item": "cup", "kind": "dish", "rank": 1, "n": 5}]


@pytest.fixture
def database() -> Iterator[Database]:
    columns = {"item": "text", "kind": "text", "rank": "int", "n": "int"}
    limits = DatabaseLimits(pool_size=1)
    with Database.open(tables=[Table("sales", columns=columns)], limits=limits) as database:
        database.commit([Insert("sales", ROWS)])
        yield database


@pytest.fixture
def manager(database: Database) -> Manager:
    modeler = Modeler(database, [definition("coded", {"rows": {"count": "*"}})])
    catalogs, _ = modeler.apply(read_model(SCHEMAS, {}))
    return Manager(catalogs, modeler=modeler)


def definition(name: str, measures: dict[str, Any], **more: Any) -> CubeDefinition:
    return CubeDefinition.of(name, base="sales", dimensions=more or {"Item": ["item"]}, measures=measures)


def ordered(by: str) -> CubeDefinition:
    """Return a cube whose items stand in the order of a column, of which each has to have one value."""
    return definition(
        "shop", {"sold": {"count": "*"}}, Item={"levels": {"item": {"column": "item", "order": {"by": by}}}}
    )


def change(make: Callable[[], Awaitable[Any]]) -> tuple[tuple[str, ...], ...]:
    done: Any = asyncio.run(_awaited(make))
    return done.added, done.changed, done.removed


async def _awaited(make: Callable[[], Awaitable[Any]]) -> Any:
    return await make()


def rows(manager: Manager, cube: str, *measures: str, **more: Any) -> list[tuple[object, ...]]:
    return manager.query_sync(cube, CubeQuery(measures=measures, **more)).rows


def test_a_cube_takes_the_place_of_one_or_stands_beside_the_others(manager: Manager) -> None:
    fingerprint, other = manager.cube("shop").fingerprint, manager.cube("other")
    new = [definition("shop", {"total": {"sum": "n"}}), definition("added", {"rows": {"count": "*"}})]
    assert change(lambda: manager.replace(*new)) == (("added",), ("shop",), ())
    assert rows(manager, "shop", "total") == [(8,)]
    assert rows(manager, "added", "rows") == [(2,)]
    assert list(manager.catalogs["Catalog"].cubes) == ["shop", "other", "coded", "added"]
    assert manager.describe("shop")["model"] == manager.cube("shop").fingerprint != fingerprint
    assert manager.cube("other") is other
    assert change(lambda: manager.replace(*new)) == ((), (), ())


def test_a_cube_may_be_taken_away(manager: Manager) -> None:
    assert change(lambda: manager.remove("other", "coded")) == ((), (), ("other", "coded"))
    assert list(manager.cubes) == ["shop"]
    with pytest.raises(UnknownCubeError, match="Did you mean: shop"):
        change(lambda: manager.remove("shoop"))


def test_a_model_with_mistakes_changes_nothing_and_tells_all_of_them(manager: Manager) -> None:
    before = dict(manager.cubes)
    wrong = {"Shop": {"base": "sales", "cubes": {
        "shop": {"dimensions": {"Item": ["itm"]}, "measures": {"sold": {"summ": "n"}}},
        "new": {"dimensions": {"Rank": {"levels": {"rank": {"column": "rank", "order": {"by": "nn"}}}}},
                "measures": {"x": {"formula": "a + 1"}}},
    }}}  # fmt: skip
    with pytest.raises(ModelError) as refused:
        change(lambda: manager.apply(wrong))
    paths = {problem.where for problem in refused.value.problems}
    assert paths == {
        "schemas.Shop.cubes.shop.dimensions.Item[0]",
        "schemas.Shop.cubes.shop.measures.sold.summ",
        "schemas.Shop.cubes.new.dimensions.Rank.levels.rank.order.by",
        "schemas.Shop.cubes.new.measures.x.formula",
    }
    assert dict(manager.cubes) == before
    with pytest.raises(ModelError, match="there is no cube 'shp'"):
        change(lambda: manager.apply(SCHEMAS, {"Mine": {"cubes": ["shp"]}}))
    assert dict(manager.cubes) == before


def test_a_configuration_is_applied_beside_what_code_has_added(manager: Manager) -> None:
    """It decides about the cubes that it names; those of code stay."""
    change(
        lambda: manager.replace(definition("added", {"n": {"sum": "n"}}), definition("shop", {"mine": {"sum": "n"}}))
    )
    only = {"Shop": {"base": "sales", "cubes": {"shop": SCHEMAS["Shop"]["cubes"]["shop"]}}}
    assert change(lambda: manager.apply(only, {"All": {"cubes": "all"}})) == ((), ("shop",), ("other",))
    assert list(manager.catalogs["All"].cubes) == ["shop", "coded", "added"]
    assert rows(manager, "shop", "sold") == [(2,)]
    assert change(lambda: manager.apply(SCHEMAS)) == (("other",), (), ())


def test_a_query_that_waits_is_answered_by_the_model_that_it_was_asked_of(manager: Manager, database: Database) -> None:
    """The only thread for queries is busy while the model changes; a stream that is open goes on too."""

    async def asking() -> None:
        with manager.drillthrough_sync("shop", Drillthrough({"item": "tea"}, columns=["n"])) as stream:
            gate = threading.Event()
            holding = database.submit_job(lambda _: gate.wait(30))
            asked = asyncio.create_task(manager.query("shop", CubeQuery(measures=["sold"], levels=["item"])))
            await asyncio.sleep(0)
            await manager.replace(definition("shop", {"total": {"sum": "n"}}, Kind=["kind"]))
            gate.set()
            await holding.wait()
            assert (await asked).rows == [("cup", 1), ("tea", 1)]
            with pytest.raises(UnknownLevelError):
                await manager.query("shop", CubeQuery(measures=["total"], levels=["item"]))
            assert list(stream) == [(3,)]

    asyncio.run(asking())


def test_versions_and_branches_go_on(manager: Manager, database: Database) -> None:
    before = database.version
    database.create_branch("dearer").result()
    database.commit([Insert("sales", ROWS)], branch="dearer")
    database.commit([Insert("sales", ROWS[:1])])
    change(lambda: manager.replace(definition("shop", {"total": {"sum": "n"}})))
    assert rows(manager, "shop", "total") == [(11,)]
    assert rows(manager, "shop", "total", version=before) == [(8,)]
    assert rows(manager, "shop", "total", branch="dearer") == [(16,)]


def test_what_a_model_relies_on_is_kept_as_long_as_the_model_is_there(manager: Manager, database: Database) -> None:
    another = [Insert("sales", [{"item": "tea", "rank": 9}])]
    change(lambda: manager.replace(ordered("rank")))
    with pytest.raises(InvalidRowsError, match="several sort keys"):
        database.commit(another)
    change(lambda: manager.replace(definition("shop", {"sold": {"count": "*"}})))
    database.commit(another)
    with pytest.raises(ModelError, match="several sort keys"):
        change(lambda: manager.replace(ordered("rank")))
    assert rows(manager, "shop", "sold") == [(3,)]
    database.commit(another)


def test_a_model_that_is_refused_binds_nobody(manager: Manager, database: Database) -> None:
    """One of its cubes relies on something that is true, the other one has a mistake."""
    with pytest.raises(ModelError):
        change(lambda: manager.replace(ordered("rank"), definition("bad", {"n": {"sum": "nn"}})))
    database.commit([Insert("sales", [{"item": "tea", "rank": 9}])])


def test_a_commit_between_the_look_and_the_change_is_looked_at(
    manager: Manager, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It makes the model untrue, so that the model is refused for it."""
    exchange = Database.exchange_promises

    def late(self: Database, *arguments: Any) -> bool:
        monkeypatch.setattr(Database, "exchange_promises", exchange)
        self.commit([Insert("sales", [{"item": "tea", "rank": 9}])])
        return exchange(self, *arguments)

    monkeypatch.setattr(Database, "exchange_promises", late)
    with pytest.raises(ModelError, match="several sort keys"):
        change(lambda: manager.replace(ordered("rank")))


def test_changes_are_told(manager: Manager, caplog: pytest.LogCaptureFixture) -> None:
    told: list[str] = []
    manager.listen(lambda each: told.append(str(each)))
    with caplog.at_level("INFO", "app_framework.olap"):
        change(lambda: manager.replace(definition("shop", {"total": {"sum": "n"}})))
    change(lambda: manager.remove("other"))
    assert told == ["changed: shop", "removed: other"]
    assert caplog.messages == ["the model of 'Manager': changed: shop"]


def test_readers_see_one_model_or_the_other(manager: Manager) -> None:
    """Many questions while the model goes to and fro: each answer is that of the model it was asked of."""
    models = [definition("shop", {"sold": {"count": "*"}}), definition("shop", {"sold": {"sum": "n"}})]

    async def both() -> set[tuple[str, object]]:
        async def turning() -> None:
            for turn in range(10):
                await manager.replace(models[turn % 2])

        turned = asyncio.create_task(turning())
        answers: set[tuple[str, object]] = set()
        while not turned.done():
            cube = manager.cube("shop")
            answer = await cube.query(CubeQuery(measures=["sold"]))
            answers.add((cube.fingerprint, answer.rows[0][0]))
        await turned
        return answers

    answers = asyncio.run(both())
    assert len(answers) == len({fingerprint for fingerprint, _ in answers})


def test_the_cubes_of_a_manager_without_a_modeler_are_fixed(manager: Manager) -> None:
    fixed = Manager(manager.catalogs.values())
    with pytest.raises(FixedModelError):
        change(lambda: fixed.remove("shop"))
    assert list(fixed.cubes) == ["shop", "other", "coded"]


def test_a_cube_that_is_replaced_lets_go_of_its_aggregates(manager: Manager, database: Database) -> None:
    """One that stays as it is keeps them; what is kept may change without the answers."""
    shop, other = manager.cube("shop"), manager.cube("other")
    assert isinstance(shop, Cube)
    assert isinstance(other, Cube)
    for cube in (shop, other):
        cube.aggregates.build(cube.aggregates.shape(["item"])).result()
    change(lambda: manager.replace(definition("shop", {"sold": {"count": "*"}, "n": {"sum": "n"}})))
    shop.aggregates.build(shop.aggregates.shape(["item"])).result()
    assert (len(shop.aggregates), len(other.aggregates)) == (0, 1)
    assert manager.cube("other") is other
    tables = database.query("SELECT count(*) FROM duckdb_tables() WHERE database_name = '#scratch'")
    assert tables == [(1,)]
