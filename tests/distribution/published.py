"""A cube with some of everything, which the tests of this room publish."""

from __future__ import annotations

from app_framework.database import Database, Table
from app_framework.olap import Cube, CubeDefinition

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
