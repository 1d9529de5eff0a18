"""The answer to a question to a cube: columns, rows, and what they were read from."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

Row = tuple[Any, ...]

SHOWN_MAX = 20


@dataclass(frozen=True, slots=True)
class Column:
    """A column of an answer.

    Args:
        name: of the level, or of the measure as the question wrote it.
        role: ``level`` or ``measure``.
        type: ``int64``, ``double``, ``decimal(38,2)``, ``string``, ``date`` ….
        format: how a measure is shown, None where nothing is said.
    """

    name: str
    role: str
    type: str
    format: str | None = None


class Answer(Sequence[Row]):
    """The rows of an answer; printed as a table.

    Decimals are `Decimal`, exact to the last digit; dates and times are text in ISO 8601.

    Args:
        document: the JSON answer of `POST /cubes/{cube}/query`.

    Attributes:
        cube: that was asked.
        columns: of the rows.
        rows: the cells.
        grouping: per row a number; its bit i is set where level i of the question is rolled up.
        versions: the version of the data that each node answered from.
        partial: whether something is missing.
        missing: what, of a partial answer.
        elapsed_ms: how long the node worked.
    """

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.cube = str(document["cube"])
        self.columns = tuple(
            Column(each["name"], each["role"], each["type"], each.get("format")) for each in document["columns"]
        )
        exact = [column.type.startswith("decimal") for column in self.columns]
        self.rows: tuple[Row, ...] = tuple(tuple(map(_cell, row, exact)) for row in document["rows"])
        self.grouping: tuple[int, ...] = tuple(document.get("grouping") or ())
        self.versions: Mapping[str, int] = dict(document.get("versions") or {})
        self.partial = bool(document.get("partial"))
        self.missing: Sequence[Mapping[str, Any]] = tuple(document.get("missing") or ())
        self.elapsed_ms = float(document.get("elapsed_ms") or 0.0)

    @classmethod
    def of_json(cls, text: bytes) -> Answer:
        """Read an answer from its JSON, without losing a digit of a decimal."""
        return cls(json.loads(text, parse_float=Decimal))

    def to_dicts(self) -> list[dict[str, Any]]:
        """Return each row by the names of its columns."""
        names = [column.name for column in self.columns]
        return [dict(zip(names, row, strict=True)) for row in self.rows]

    def __getitem__(self, index: Any) -> Any:
        return self.rows[index]

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def __repr__(self) -> str:
        heads = [column.name for column in self.columns]
        cells = [["N/A" if cell is None else str(cell) for cell in row] for row in self.rows[:SHOWN_MAX]]
        widths = [max(map(len, column)) for column in zip(heads, *cells, strict=True)]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in [heads, *cells]
        ]
        more = len(self) - len(cells)
        return "\n".join([*(line.rstrip() for line in lines), *([f"… {more} more"] if more else [])])


def _cell(value: Any, exact: bool) -> Any:
    if exact:
        return Decimal(value) if isinstance(value, int) and not isinstance(value, bool) else value
    return float(value) if isinstance(value, Decimal) else value
