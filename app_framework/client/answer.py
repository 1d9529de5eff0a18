"""What a cube answers: columns, rows, and what they were read from."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

from app_framework.client.frames import to_arrow, to_pandas, to_polars
from app_framework.client.text import cell_text, html_table, text_table
from app_framework.format import Format, FormatError, NumberFormat, time_format

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow

Row = tuple[Any, ...]

SHOWN_MAX = 20
ROLLED_UP = "(all)"
_NUMBERS = ("int", "uint", "decimal", "double", "float")


@dataclass(frozen=True)
class Column:
    """A column of an answer.

    Args:
        name: of the level, or of the measure or column as the question wrote it.
        role: ``level`` or ``measure``; ``column`` in the rows of a cell.
        type: ``int64``, ``double``, ``decimal(38,2)``, ``string``, ``date`` ….
        format: how people see its values, None where nothing is said.
    """

    name: str
    role: str
    type: str
    format: str | None = None

    @property
    def is_number(self) -> bool:
        """Whether its values are numbers."""
        return self.type.startswith(_NUMBERS)

    def text(self, value: object) -> str:
        """Return a value as people see it: in the column's format where it has one and the value fits it."""
        written = None if value is None else self._writer(value)
        return cell_text(value) if written is None else written

    @cached_property
    def _writer(self) -> Format:
        if self.format is None:
            return _plain
        try:
            if self.is_number:
                return NumberFormat.parse(self.format).write
            write = time_format(self.format)
        except FormatError:  # of a node that knows more formats than this client
            return _plain
        return lambda value: write(_time(str(value), self.type))


class Rows(Sequence[Row]):
    """Rows with typed columns; printed as a table, in a notebook too.

    Decimals are `Decimal`, exact to the last digit; dates and times are text in ISO 8601.

    Args:
        document: the JSON answer of a node.

    Attributes:
        cube: that was asked.
        columns: of the rows.
        rows: the cells.
        versions: the version of the data that each node answered from.
    """

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.cube = str(document["cube"])
        self.columns = tuple(
            Column(each["name"], each.get("role", "column"), each["type"], each.get("format"))
            for each in document["columns"]
        )
        exact = [column.type.startswith("decimal") for column in self.columns]
        self.rows: tuple[Row, ...] = tuple(tuple(map(_cell, row, exact)) for row in document["rows"])
        self.versions: Mapping[str, int] = dict(document.get("versions") or {})

    @classmethod
    def of_json(cls, text: bytes) -> Self:
        """Read an answer from its JSON, without losing a digit of a decimal."""
        return cls(json.loads(text, parse_float=Decimal))

    def to_dicts(self) -> list[dict[str, Any]]:
        """Return each row by the names of its columns."""
        names = [column.name for column in self.columns]
        return [dict(zip(names, row, strict=True)) for row in self.rows]

    def to_arrow(self) -> pyarrow.Table:
        """Return the rows as a table of Arrow, every column of its own type.

        Raises:
            MissingLibraryError: pyarrow is not installed.
        """
        return to_arrow([(column.name, column.type) for column in self.columns], self.rows, self._metadata())

    def to_polars(self) -> polars.DataFrame:
        """Return the rows as a frame of polars.

        Raises:
            MissingLibraryError: polars or pyarrow is not installed.
        """
        return to_polars(self.to_arrow())

    def to_pandas(self) -> pandas.DataFrame:
        """Return the rows as a frame of pandas.

        Raises:
            MissingLibraryError: pandas or pyarrow is not installed.
        """
        return to_pandas(self.to_arrow())

    def table(self, rows_max: int | None = None) -> str:
        """Return the rows as text below their heads, all of them or the first ones."""
        return text_table(*self._shown(rows_max))

    def _metadata(self) -> dict[str, str]:
        return {"cube": self.cube, "versions": json.dumps(self.versions)}

    def _shown(self, rows_max: int | None) -> tuple[list[str], list[list[str]], set[int], int]:
        """Return heads, cells, the columns of numbers, and how many rows are left out."""
        heads = [column.name for column in self.columns]
        right = {place for place, column in enumerate(self.columns) if column.role != "level" and column.is_number}
        count = len(self) if rows_max is None else min(rows_max, len(self))
        return heads, [self._texts(index) for index in range(count)], right, len(self) - count

    def _texts(self, index: int) -> list[str]:
        return [column.text(value) for column, value in zip(self.columns, self.rows[index], strict=True)]

    def __getitem__(self, index: Any) -> Any:
        return self.rows[index]

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def __repr__(self) -> str:
        return self.table(SHOWN_MAX)

    def _repr_html_(self) -> str:
        """Return what a notebook shows: the first rows, with nothing in them but text."""
        return html_table(*self._shown(SHOWN_MAX))


class Answer(Rows):
    """The answer to a question to a cube.

    Attributes:
        grouping: per row a number; its bit i is set where level i of the question is rolled up.
        partial: whether something is missing.
        missing: what, of a partial answer.
        elapsed_ms: how long the node worked.
    """

    def __init__(self, document: Mapping[str, Any]) -> None:
        super().__init__(document)
        self.grouping: tuple[int, ...] = tuple(document.get("grouping") or ())
        self.partial = bool(document.get("partial"))
        self.missing: Sequence[Mapping[str, Any]] = tuple(document.get("missing") or ())
        self.elapsed_ms = float(document.get("elapsed_ms") or 0.0)

    def to_arrow(self) -> pyarrow.Table:
        """Return the answer as a table of Arrow; its last column is ``grouping``.

        Raises:
            MissingLibraryError: pyarrow is not installed.
        """
        columns = [*((column.name, column.type) for column in self.columns), ("grouping", "int64")]
        rows = [(*row, bits) for row, bits in zip(self.rows, self.grouping, strict=True)]
        return to_arrow(columns, rows, {**self._metadata(), "partial": json.dumps(self.partial)})

    def coordinates(self, index: int) -> dict[str, Any]:
        """Return the cell that a row shows, for `Cube.drillthrough`: each level that is not rolled up in it."""
        levels = [column.name for column in self.columns if column.role == "level"]
        bits = self.grouping[index]
        return {name: self.rows[index][i] for i, name in enumerate(levels) if not bits >> i & 1}

    def _texts(self, index: int) -> list[str]:
        bits = self.grouping[index] if index < len(self.grouping) else 0
        return [ROLLED_UP if bits >> i & 1 else text for i, text in enumerate(super()._texts(index))]


class CellRows(Rows):
    """The rows that one cell counts.

    Attributes:
        cell_count: how many there are, whatever the limit was.
    """

    def __init__(self, document: Mapping[str, Any]) -> None:
        super().__init__(document)
        self.cell_count = int(document["count"])

    def __repr__(self) -> str:
        hidden = self.cell_count - min(len(self), SHOWN_MAX)
        heads, cells, right, _ = self._shown(SHOWN_MAX)
        return text_table(heads, cells, right, hidden)


def _plain(value: object) -> str | None:
    return None


def _time(text: str, kind: str) -> object:
    """Read a date or time from the text that travels; what is none stays text."""
    try:
        if kind == "date":
            return date.fromisoformat(text)
        return time.fromisoformat(text) if kind == "time" else datetime.fromisoformat(text)
    except ValueError:
        return text


def _cell(value: Any, exact: bool) -> Any:
    if isinstance(value, list):
        return [_cell(element, exact) for element in value]
    if exact:
        return Decimal(value) if isinstance(value, int) and not isinstance(value, bool) else value
    return float(value) if isinstance(value, Decimal) else value
