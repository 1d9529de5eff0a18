"""A small shop with everything that pivots trip over: missing members, numbers as members, ratios, distinct counts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import perspective

from app_framework.database import Database, Source, Table
from app_framework.olap import CellSet, Cube, CubeDefinition, CubeQuery
from app_framework.web.pivot.columns import PivotColumns
from app_framework.web.pivot.conversation import Conversation
from app_framework.web.pivot.frame import Bounds

ROWS = """city,month,day,version,item,amount,price
Oslo,1,2025-01-03,plan,tea,3,1.50
Oslo,2,2025-02-01,plan,cup,4,2.25
Rome,10,2025-10-05,plan,tea,5,0.10
,2,2025-02-01,fact,pot,7,9.99
Rome,2,2025-02-02,fact,cup,1,2.25
a|b,2,,fact,cup,2,2.25
"""

MODEL = """
database:
  tables:
    sales:
      source: {csv: sales.csv}
      columns: {day: date, price: "decimal(8,2)"}
schemas:
  Shop:
    base: sales
    cubes:
      sales:
        dimensions:
          Place: [city]
          Time: [month, day]
          Item: [item]
          Version: [version]
        measures:
          lines: {count: "*"}
          items: {count_distinct: item}
          amount: {sum: amount}
          revenue: {sum_product: [amount, price], format: "#,##0.00"}
          each: {formula: "revenue / amount"}
          first_day: {min: day}
          secret: {max: amount, visible: false}
"""


@contextmanager
def shop_cube(folder: Path, rows: str = ROWS, *, slicing: bool = False) -> Iterator[Cube]:
    """The cube of the model above, without a node."""
    with open_shop(folder, rows, slicing=slicing) as (cube, _):
        yield cube


@contextmanager
def open_shop(folder: Path, rows: str = ROWS, *, slicing: bool = False) -> Iterator[tuple[Cube, Database]]:
    """The same, with the database that is written to."""
    (folder / "sales.csv").write_text(rows)
    columns = {"day": "date", "price": "decimal(8,2)", "month": "integer", "amount": "bigint", "city": "string"}
    database = Database.open(tables=[Table("sales", Source.of(csv=str(folder / "sales.csv")), columns=columns)])
    definition = CubeDefinition.of(
        "sales",
        base="sales",
        dimensions={
            "Place": ["city"],
            "Time": ["month", "day"],
            "Item": ["item"],
            "Version": {"hierarchies": {"Version": {"levels": {"version": "version"}, "slicing": slicing}}},
        },
        measures={
            "lines": {"count": "*"},
            "items": {"count_distinct": "item"},
            "amount": {"sum": "amount"},
            "revenue": {"sum_product": ["amount", "price"], "format": "#,##0.00"},
            "each": {"formula": "revenue / amount"},
            "first_day": {"min": "day"},
            "secret": {"max": "amount", "visible": False},
        },
    )
    try:
        yield Cube.of(definition, database), database
    finally:
        database.close()


class Browser:
    """Perspective's own client, talking to a conversation as its viewer does.

    Attributes:
        asked: every query that the cube was asked.
        told: what the page was told last.
    """

    def __init__(self, cube: Cube, bounds: Bounds | None = None, ask: Callable[[CubeQuery], CellSet] | None = None):
        self.asked: list[CubeQuery] = []
        self.told: Mapping[str, object] | None = None
        self._ask = ask or cube.query_sync
        self.columns = PivotColumns.of(cube.discovery())
        self.conversation = Conversation(cube.name, self.columns, self._note, bounds or Bounds())
        self.client = perspective.Client(self._send)
        self.table = self.client.open_table(cube.name)

    def close(self) -> None:
        """Leave; what the library and this object hold of each other, no collector would find."""
        self.conversation.close()
        del self.client, self.table, self._ask

    def view(self, **layout: object) -> Any:
        """Make a view."""
        self.asked.clear()
        return self.table.view(**layout)

    def rows(self, **layout: object) -> list[tuple[object, ...]]:
        """Make a view and return its rows: the path, then the values."""
        return [as_row(row) for row in self.view(**layout).to_json()]

    def refresh(self, version: int, touches: bool = True) -> Mapping[str, object]:
        """Bring what is looked at up to date, as after a commit; return what the page is told."""
        self.asked.clear()
        update = self.conversation.refresh(version, lambda _: touches)
        for message in update.messages:
            self.client.handle_response(message)
        return update.told

    def _note(self, query: CubeQuery) -> CellSet:
        self.asked.append(query)
        return self._ask(query)

    def _send(self, message: bytes) -> None:
        reply = self.conversation.answer(message)
        self.told = reply.told or self.told
        if reply.message is not None:
            self.client.handle_response(reply.message)


def as_row(row: Mapping[str, Any]) -> tuple[object, ...]:
    """A row of Perspective's JSON; the path as a tuple where there is one."""
    path = [tuple(row["__ROW_PATH__"])] if "__ROW_PATH__" in row else []
    return (*path, *(value for name, value in row.items() if name != "__ROW_PATH__"))


def plain(paths: Sequence[Sequence[object]]) -> list[tuple[object, ...]]:
    """Column paths as they are read: without the characters that only order them."""
    invisible = {0x200B: None, 0x200C: None}
    steps = [[each.translate(invisible) if isinstance(each, str) else each for each in level] for level in paths]
    return list(zip(*steps, strict=True))
