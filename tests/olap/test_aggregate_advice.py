"""What is worth keeping is chosen by what was asked, within bounds, and never for a small cube."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import pytest

from app_framework.boot import EndpointRequest
from app_framework.database import Database, Insert, ModelError
from app_framework.olap import Cube, CubeDefinition, CubeQuery, Manager, TooLargeError, UnknownCubeError
from app_framework.olap.aggregate_limits import AggregateLimits
from app_framework.olap.aggregates.advisor import Choice, candidates, choose
from app_framework.olap.aggregates.querylog import QueryLog
from app_framework.olap.health import AggregatesEndpoint
from app_framework.testing.virtual_time import until
from tests.olap.test_aggregates import SALES, TABLES, sale, scan
from tests.olap.test_olap_autoconfigure import RUNNER
from tests.olap.test_olap_autoconfigure import SALES as YAML

A, B, C, AB, ABC = map(frozenset, ("A", "B", "C", "AB", "ABC"))
SMALL = AggregateLimits(rows_min=0, share_max=0.5, rows_max=100, questions=5, floor_rows=1)


@pytest.fixture
def sales() -> Iterator[Database]:
    with Database.open(tables=TABLES, references=["sales.shop -> shop.id"]) as opened:
        opened.commit([
            Insert("shop", [{"id": i, "city": f"city {i % 2}"} for i in range(4)]),
            Insert("sales", [sale(i) for i in range(60)]),
        ])  # fmt: skip
        yield opened


def wait(condition: Callable[[], object]) -> None:
    asyncio.run(until(condition))


def chosen(asked: dict[frozenset[str], float], sizes: dict[frozenset[str], int], **more: int) -> list[str]:
    bounds = {"each_max": 50_000, "all_max": 200_000, "floor": 100, **more}
    return ["".join(choice.levels) for choice in choose(asked, sizes, 1_000_000, **bounds)]


def test_one_that_covers_much_is_taken_instead_of_several_that_cover_little() -> None:
    """Below the floor all cost the same: the wider one answers the questions of both."""
    assert chosen({A: 5, B: 5}, {A: 10, B: 10, AB: 90}) == ["AB"]
    assert chosen({A: 50, B: 1}, {A: 10, B: 10, AB: 40_000}) == ["A", "B"]


def test_what_is_too_large_is_left_out() -> None:
    assert chosen({ABC: 9}, {ABC: 60_000}) == [], "more than a single one may have"
    assert chosen({A: 9, B: 1}, {A: 30_000, B: 30_000}, all_max=40_000) == ["A"], "more than all may have"


def test_the_gain_is_told_before_anything_is_built() -> None:
    (choice,) = choose({A: 5, C: 2}, {A: 1_000}, 1_000_000, each_max=5_000, all_max=5_000, floor=100)
    assert choice == Choice(("A",), 1_000, 5, 1_000.0)
    assert str(choice) == "A: 1,000 rows, 5 questions, 1,000 times less to read"


def test_candidates_are_what_was_asked_together_and_with_coarser_levels() -> None:
    assert set(candidates({A: 2, B: 1}, {"A": C})) == {A, B, AB, A | C, AB | C}
    many = {frozenset({f"{i}", f"{i + 1}"}): 1.0 for i in range(500)}
    assert len(candidates(many, {})) <= 64


def test_the_log_forgets_what_was_not_asked_for_longest() -> None:
    log = QueryLog(kinds_max=2)
    for kind in (A, B, A, C):
        log.note(kind)
    log.fade()
    assert log.asked == {A: 1.0, C: 0.5}


def test_after_some_questions_a_cube_keeps_what_answers_them(sales: Database) -> None:
    """Nobody asked for it; those that no aggregate can answer do not count."""
    cube = Cube.of(SALES, sales, limits=SMALL)
    for _ in range(4):
        cube.query_sync(CubeQuery(measures=["total"], levels=["city"], where={"item": "a"}))
        cube.query_sync(CubeQuery(measures=["middle"], levels=["shop"]))
    assert len(cube.aggregates) == 0
    cube.query_sync(CubeQuery(measures=["total"], levels=["city"], where={"item": "a"}))
    wait(lambda: len(cube.aggregates) == 1)
    assert scan(cube, "total", levels=["item"]) == "Scan aggregate item x city, 9 rows"
    assert cube.advise().covered == 1.0


def test_a_small_cube_is_read_as_it_is(sales: Database) -> None:
    """However often it is asked: the engine needs as long for ten groups as for ten thousand rows."""
    cube = Cube.of(SALES, sales, limits=AggregateLimits(questions=1))
    for _ in range(3):
        cube.query_sync(CubeQuery(measures=["total"], levels=["city"]))
    assert cube.aggregates.choose().result().choices == ()
    assert scan(cube, "total") == "Scan sales"


def test_what_is_not_asked_any_more_makes_place(sales: Database) -> None:
    cube = Cube.of(SALES, sales, limits=AggregateLimits(rows_min=0, share_max=0.5, rows_max=9, floor_rows=1))
    for _ in range(3):
        cube.query_sync(CubeQuery(measures=["total"], levels=["city"]))
    cube.aggregates.choose().result()
    for _ in range(90):
        cube.query_sync(CubeQuery(measures=["total"], levels=["item", "city"]))
    cube.aggregates.choose().result()
    assert [str(aggregate) for aggregate in cube.aggregates] == ["aggregate item x city, 9 rows"]


def test_what_the_model_names_is_kept_and_nothing_else(sales: Database) -> None:
    declared = declaring([["city", "item"], ["city"]])
    cube = Cube.of(declared, sales, limits=SMALL)
    wait(lambda: len(cube.aggregates) == 2)
    for _ in range(9):
        cube.query_sync(CubeQuery(measures=["total"], levels=["shop"]))
    cube.aggregates.advance().result()
    assert [str(aggregate) for aggregate in cube.aggregates] == [
        "aggregate city, 3 rows",
        "aggregate city x item, 9 rows",
    ]


def declaring(aggregates: object) -> CubeDefinition:
    return CubeDefinition.of(
        "sales",
        base="sales",
        dimensions={"Item": ["item"], "Shop": [{"city": "shop.city"}, "shop"]},
        measures={"total": {"sum": "n"}},
        aggregates=aggregates,
    )


def test_one_that_has_too_many_groups_is_refused_and_the_reason_kept(sales: Database) -> None:
    cube = Cube.of(declaring([["item", "shop"], ["city"]]), sales, limits=AggregateLimits(rows_max=10))
    wait(lambda: len(cube.aggregates) == 1 and bool(cube.aggregates.refused))
    (reason,) = cube.aggregates.refused.values()
    assert "10 rows" in reason
    with pytest.raises(TooLargeError):
        cube.aggregates.build(cube.aggregates.shape(["shop", "item"])).result()


def test_none_is_kept_where_the_model_says_so(sales: Database) -> None:
    cube = Cube.of(declaring("none"), sales, limits=SMALL)
    for _ in range(9):
        cube.query_sync(CubeQuery(measures=["total"], levels=["city"]))
    assert cube.aggregates.choose().result().questions == 0


@pytest.mark.parametrize(
    ("aggregates", "told"),
    [
        ("all", "`aggregates` is `auto`, `none`, or a list of lists of levels: `[[month, shop], [item]]`."),
        ([["item"], "city"], "`aggregates` is `auto`, `none`, or a list of lists"),
        ([["item", "town"]], "cube 'sales' has no level 'town'."),
    ],
)
def test_a_mistake_in_it_is_told(sales: Database, aggregates: object, told: str) -> None:
    with pytest.raises(ModelError) as caught:
        Cube.of(declaring(aggregates), sales)
    assert told in str(caught.value)


def test_the_actuator_shows_what_is_kept() -> None:
    """How many groups, of which version, how often read; and by which advice."""
    runner = RUNNER.yaml(YAML.replace("dimensions:", "aggregates: [[flag]]\n        dimensions:"))
    with runner.run() as context:
        cube = context[Manager].cube("sales")
        assert isinstance(cube, Cube)
        wait(lambda: len(cube.aggregates) == 1)
        cube.query_sync(CubeQuery(measures=["lines"]))
        endpoint = context[AggregatesEndpoint]
        (shown,) = endpoint.read(EndpointRequest("sales")).body["aggregates"]
        assert (shown["levels"], shown["rows"], shown["hits"]) == (["Flag.Flag.flag"], 0, 1)
        cube.tiles.renew().result()
        every = {**cube.aggregates.describe(), "tiles": cube.tiles.describe()}
        assert endpoint.read(EndpointRequest()).body == {"cubes": {"sales": every}}
        with pytest.raises(UnknownCubeError, match="sale"):
            endpoint.read(EndpointRequest("sale"))
