"""The world of a query cube: what its applications know, as a cube without rows."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytest

from app_framework.database import Database, Table
from app_framework.distribution import Outline, World, outline_of
from app_framework.olap import Cube, CubeDefinition, CubeModel, CubeQuery, QueryError, QueryProblem
from app_framework.olap.plan import plan_query
from app_framework.testing import GoldenFiles
from tests.distribution.published import SALES, a_cube

STOCK = CubeDefinition.of(
    "stock",
    base="stock",
    dimensions={"Geo": {"hierarchies": {"Store": ["store"]}}, "Shelf": ["Shelf"]},
    measures={"pieces": {"sum": "n"}, "value": {"sum": "n * price", "format": "#,##0.00"}},
)


@contextmanager
def world_of(outlines: Mapping[str, Outline], **measures: object) -> Iterator[World]:
    """The world of some applications, with measures of the query cube."""
    travelled = {name: Outline.parse(json.loads(json.dumps(each.to_json()))) for name, each in outlines.items()}
    world = World.of("world", travelled, measures=measures)
    yield world
    world.close()


@pytest.fixture(scope="module")
def sales() -> CubeModel:
    """A cube with some of everything."""
    return a_cube().model


@pytest.fixture(scope="module")
def stock() -> CubeModel:
    """A cube of another application."""
    table = Table("stock", columns={"store": "varchar", "Shelf": "int", "n": "int", "price": "double"})
    return Cube.of(STOCK, Database.open(tables=[table])).model


def test_the_world_has_the_names_types_and_captions_of_its_data_cubes(sales: CubeModel) -> None:
    """Whoever asks the query cube sees the same columns as whoever asks the data cube."""
    with world_of({"app": outline_of(sales)}) as world:
        model = world.model
        assert [each.full_name for each in model.hierarchies] == [each.full_name for each in sales.hierarchies]
        for ours, theirs in zip(model.levels, sales.levels, strict=True):
            assert (ours.full_name, ours.type, ours.caption) == (theirs.full_name, theirs.type, theirs.caption)
            assert (ours.order.listed, ours.order.descending) == (theirs.order.listed, theirs.order.descending)
        for own, other in zip(model.measures.values(), sales.measures.values(), strict=True):
            assert (own.name, own.kind, own.type.name) == (other.name, other.kind, other.type.name)
            assert (own.caption, own.format) == (other.caption, other.format)


def test_slicing_hierarchies_keep_their_default(sales: CubeModel) -> None:
    """A question that does not name one is planned with its default member, as at a data cube."""
    with world_of({"app": outline_of(sales)}) as world:
        asked = CubeQuery(measures=["revenue"])
        assert repr(plan_query(world.model, asked).conditions) != "()"
        assert len(plan_query(world.model, asked).conditions) == len(plan_query(sales, asked).conditions)


def test_a_level_with_a_sort_key_has_one_in_the_world() -> None:
    """The order by another column is that of what data cubes send beside the members."""
    dimensions: dict[str, object] = {
        "Geo": {"levels": {"region": {"column": "region", "order": {"by": "place", "descending": True}}}}
    }
    definition = CubeDefinition.of("sales", base="sales", dimensions=dimensions, measures={"n": {"count": "*"}})
    outline = outline_of(Cube.of(definition, Database.open(tables=[SALES])).model)
    with world_of({"app": outline}) as world:
        (level,) = world.model.levels
        assert level.order.key
        assert level.order.descending
        assert level.order.type is not None
        assert level.order.type.name == "int32"


def test_applications_are_one_model(sales: CubeModel, stock: CubeModel) -> None:
    """AA2: the topology of a query cube is the union of those of its applications."""
    with world_of({"shop": outline_of(sales), "store": outline_of(stock)}) as world:
        assert [each.full_name for each in world.model.hierarchies][:4] == [
            "Geo.Place", "Geo.Rank", "Geo.Store", "Day.Day",
        ]  # fmt: skip
        assert {"revenue", "pieces"} <= world.model.measures.keys()
        assert world.knowing("Geo.Store.store") == ("store",)
        assert world.knowing("revenue") == ("shop",)


def test_short_names_that_another_application_makes_ambiguous_stay_what_they_were(sales: CubeModel) -> None:
    """A measure along the level `date` of its application is not confused by another `date`."""
    table = Table("t", columns={"date": "date", "n": "int"})
    other = CubeDefinition.of("t", base="t", dimensions={"When": ["date"]}, measures={"n": {"sum": "n"}})
    outlines = {"shop": outline_of(sales), "other": outline_of(Cube.of(other, Database.open(tables=[table])).model)}
    with world_of(outlines) as world:
        assert "Day.Day.date" in world.model.measures["before"].text


def test_levels_and_measures_that_differ_in_case_only_have_columns_each() -> None:
    """SQL does not tell `x` from `X`; the table without rows has to."""
    table = Table("t", columns={"a": "varchar", "b": "int"})
    definition = CubeDefinition.of(
        "t", base="t", dimensions={"D": [{"x": "a"}, {"X": "b"}]}, measures={"n": {"count": "*"}}
    )
    with world_of({"app": outline_of(Cube.of(definition, Database.open(tables=[table])).model)}) as world:
        assert {level.name: level.type.name for level in world.model.levels} == {"x": "string", "X": "int32"}


def test_the_world_finds_the_mistakes_that_a_data_cube_would(sales: CubeModel) -> None:
    """A question to a query cube is checked as one to a cube with rows, members of levels included."""
    asked = CubeQuery.parse({
        "measures": ["revenu"],
        "levels": ["citi", "currency"],
        "where": {"date": "yesterday", "Place": {"path": [["N", 3]]}, "currency": {"prefix": "E"}},
        "totals": "all",
        "order": [{"by": "cost"}],
    })  # fmt: skip
    with world_of({"app": outline_of(sales)}) as world:
        found = [problems_of(model, asked) for model in (sales, world.model)]
    assert len(found[0]) >= 4
    assert [str(each).replace("'sales'", "'world'") for each in found[0]] == [str(each) for each in found[1]]


def problems_of(model: CubeModel, query: CubeQuery) -> tuple[QueryProblem, ...]:
    """What is wrong with a question."""
    try:
        plan_query(model, query)
    except QueryError as error:
        return error.problems
    return ()


def test_a_query_cube_has_measures_of_its_own(sales: CubeModel, stock: CubeModel) -> None:
    """A formula over measures of several applications is computed from what is merged of each."""
    formula = {"formula": "revenue / pieces", "format": "0.0"}
    with world_of({"shop": outline_of(sales), "store": outline_of(stock)}, per_piece=formula) as world:
        assert world.model.measures["per_piece"].format == "0.0"
        assert world.problems == ()
        plan = plan_query(world.model, CubeQuery(measures=["per_piece"], levels=["region"]))
        assert {measure.name for measure in plan.aggregates} == {"revenue", "pieces"}


def test_wrong_measures_of_a_query_cube_are_told_and_left_out(stock: CubeModel, golden: GoldenFiles) -> None:
    """Every mistake has its path and near matches; what is right is answered all the same."""
    measures: dict[str, object] = {
        "double": {"formula": "pieces * 2"},
        "typo": {"formula": "peices * 2"},
        "on_typo": {"formula": "typo + 1"},
        "rows": {"sum": "n"},
        "value": {"formula": "pieces"},
        "store": {"formula": "pieces"},
        "shapeless": 3,
        "circle": {"formula": "circle + 1"},
        "ranked": {"rank": "pieces", "hierarchy": "Stor"},
    }
    with world_of({"store": outline_of(stock)}, **measures) as world:
        assert set(world.model.measures) == {"pieces", "value", "double"}
        golden("measures-of-a-query-cube.txt", "\n".join(map(str, world.problems)) + "\n")


def test_discovery_tells_what_the_data_cubes_compute(stock: CubeModel) -> None:
    """Expressions are those of the data cubes; the table without rows is nobody's business."""
    with world_of({"store": outline_of(stock)}) as world:
        described = world.discovery()
        text = json.dumps(described)
        assert '"expression": "n * price"' in text
        assert '"expression": "store"' in text
        assert described["base"] is None
        assert '"applications": ["store"]' in text


def test_a_query_cube_without_data_cubes_has_an_empty_world() -> None:
    """Until the first data cube joins there is nothing to ask for."""
    with world_of({}) as world:
        assert not list(world.model.levels)
        assert not world.model.measures
