"""What the tests of this room publish: a cube with some of everything, and small data cubes with members."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pyarrow as pa

from app_framework.database import Database, Table
from app_framework.distribution import Concealment, Contribution, DataCubeId, Outline, outline_of
from app_framework.distribution.publishing import path_levels
from app_framework.olap import Cube, CubeDefinition
from app_framework.olap.partial.paths import Paths

SALES = Table(
    "sales",
    columns={
        "region": "varchar", "city": "varchar", "place": "int", "day": "date", "currency": "varchar",
        "amount": "decimal(15,2)", "kind": "ENUM('a', 'b')", "tags": "int[]",
    },
)  # fmt: skip
DIMENSIONS: dict[str, object] = {
    "Geo": {"hierarchies": {"Place": ["region", "city"], "Rank": {"levels": {"ranked": "place + 1"}}}},
    "Day": {"date": "day", "levels": ["year", "month_name", "date"]},
    "Currency": {"levels": ["currency"], "slicing": True, "default": "EUR"},
}
MEASURES: dict[str, object] = {
    "revenue": {"sum": "amount", "caption": "Revenue", "format": "#,##0"},
    "cost": {"sum": " amount * 2"},
    "margin": {"formula": "revenue - cost"},
    "last": {"last": "amount", "by": "day"},
    "kinds": {"max": "kind"},
    "north": {"filter": "revenue", "where": {"region": ["N", None], "Place": {"path": [["N", "Oslo"]]}}},
    "before": {"date_shift": "revenue", "level": "date", "by": "P1M"},
    "place_rank": {"rank": "revenue", "hierarchy": "Place"},
    "per_city": {"per": ["Place.city"], "of": "revenue", "aggregate": "avg"},
}


def a_cube(table: Table = SALES, **measures: object) -> Cube:
    """Return the cube over an empty table, with some measures in the place of its own or beside them."""
    definition = CubeDefinition.of("sales", base="sales", dimensions=DIMENSIONS, measures={**MEASURES, **measures})
    return Cube.of(definition, Database.open(tables=[table]))


SHOP_DIMENSIONS: dict[str, object] = {"Geo": ["region", "city"], "Item": ["item"]}
SHOP_MEASURES: dict[str, object] = {"revenue": {"sum": "amount"}, "lines": {"count": "*"}}
SHOP_COLUMNS = {"region": "varchar", "city": "varchar", "item": "varchar", "amount": "int", "costs": "int"}


def an_outline(
    concealment: Concealment | None = None,
    *,
    dimensions: Mapping[str, object] = SHOP_DIMENSIONS,
    measures: Mapping[str, object] = SHOP_MEASURES,
    columns: Mapping[str, str] = SHOP_COLUMNS,
) -> Outline:
    """What a small cube publishes."""
    definition = CubeDefinition.of("sales", base="sales", dimensions=dimensions, measures=measures)
    with Database.open(tables=[Table("sales", columns=dict(columns))]) as database:
        return outline_of(Cube.of(definition, database).model, concealment)


def a_contribution(
    node: str,
    outline: Outline,
    members: Mapping[str, Iterable[tuple[object, ...]]] | None = None,
    *,
    cube: str = "sales",
    application: str = "app",
    version: int = 1,
    priority: int | None = None,
) -> Contribution:
    """What a data cube with some paths of members brings; the hierarchies that are left out have none."""
    paths = {
        each.full_name: paths_of(outline, each.full_name, (members or {}).get(each.full_name, ()))
        for each in outline.hierarchies
    }
    return Contribution(
        DataCubeId(node, cube), application, outline, "first", version, {"master": version}, {}, priority, paths
    )


def paths_of(outline: Outline, hierarchy: str, rows: Iterable[tuple[object, ...]]) -> Paths:
    """The paths that rows write: a member of each level, each followed by its sort key if it has one."""
    levels = path_levels(outline.hierarchy[hierarchy])
    schema = pa.schema([column for level in levels for column in level.columns])
    columns = list(zip(*rows, strict=True)) or [() for _ in schema]
    arrays = [pa.array(values, field.type) for values, field in zip(columns, schema, strict=True)]
    return Paths.read(levels, [pa.table(arrays, schema=schema)])
