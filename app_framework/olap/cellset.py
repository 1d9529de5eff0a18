"""An answer: levels and measures as columns, one row per cell, and a number per row that says what is rolled up."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from app_framework.database.datatype import DataType
from app_framework.database.rows import Row
from app_framework.olap.format import Format, read_format

NOT_AVAILABLE = "N/A"
ROLLED_UP = "(all)"
ROWS_SHOWN_MAX = 20
CSV_PIECE_ROWS = 10_000
ARRAY_SHOWN_MAX = 40
"""Characters of an array in a table."""


@dataclass(frozen=True, slots=True)
class CellColumn:
    """A column of an answer.

    Args:
        type: ``string``, ``int64``, ``double``, ``decimal(38,2)``, ``date``, ``timestamp[UTC]``, …
        format: how a person wants to see its values; the values themselves are not formatted.
    """

    name: str
    role: Literal["level", "measure"]
    type: str
    format: str | None = None

    def to_dict(self) -> dict[str, object]:
        """Return the column as an answer's JSON describes it."""
        document: dict[str, object] = {"name": self.name, "role": self.role, "type": self.type}
        # Few levels have a format; every measure says whether it has one.
        return document if self.role == "level" and not self.format else {**document, "format": self.format}


class CellSet:
    """The answer to a `CubeQuery`.

    It keeps the form it came in, rows or columns, and makes the other when it is first asked for.

    Args:
        rows: the cells by row, or
        data: the cells by column.
        grouping: per row the bits of the levels that are rolled up; None when there are no totals.
        versions: the data version that each node answered from.
        missing: of a partial answer, what is not in it.
    """

    def __init__(
        self,
        cube: str,
        columns: Sequence[CellColumn],
        *,
        rows: list[Row] | None = None,
        data: Sequence[list[object]] | None = None,
        grouping: list[int] | None = None,
        versions: Mapping[str, int] | None = None,
        partial: bool = False,
        missing: Sequence[Mapping[str, object]] = (),
        elapsed_ms: float = 0.0,
    ) -> None:
        assert (rows is None) != (data is None), "an answer is made of rows or of columns"
        self.cube = cube
        self.columns = tuple(columns)
        self.versions = dict(versions or {})
        self.partial = partial
        self.missing = tuple(missing)
        self.elapsed_ms = elapsed_ms
        self._rows = rows
        self._data = data
        self._grouping = grouping

    @property
    def rows(self) -> list[Row]:
        """The cells by row: plain Python values, `Decimal` for decimals, None for nothing."""
        if self._rows is None:
            assert self._data is not None
            self._rows = list(zip(*self._data, strict=True))
        return self._rows

    @property
    def data(self) -> Sequence[list[object]]:
        """The cells by column."""
        if self._data is None:
            assert self._rows is not None
            self._data = [[row[i] for row in self._rows] for i in range(len(self.columns))]
        return self._data

    @property
    def grouping(self) -> list[int]:
        """Per row, bit i set where level i of the request is rolled up; its value there is None."""
        if self._grouping is None:
            self._grouping = [0] * len(self)
        return self._grouping

    @property
    def has_decimals(self) -> bool:
        """Whether rows hold `Decimal` values, which JSON writes as numbers with their scale."""
        return any(column.type.startswith("decimal") for column in self.columns)

    def column(self, name: str) -> list[object]:
        """Return the values of one column."""
        for column, values in zip(self.columns, self.data, strict=True):
            if column.name == name:
                return values
        raise KeyError(name)

    def to_dict(self) -> dict[str, object]:
        """Return the JSON document of the answer; rows stay tuples, dates and decimals stay values."""
        document: dict[str, object] = {
            "cube": self.cube,
            "columns": [column.to_dict() for column in self.columns],
            "rows": self.rows,
            "grouping": self.grouping,
            "versions": self.versions,
            "partial": self.partial,
            "elapsed_ms": round(self.elapsed_ms, 3),
        }
        return {**document, "missing": list(self.missing)} if self.partial else document

    def to_csv(self) -> str:
        """Return the answer as CSV: a missing member is ``N/A``, a rolled-up one and a missing number are empty."""
        return "".join(self.csv_pieces())

    def csv_pieces(self, rows_each: int = CSV_PIECE_ROWS) -> Iterator[str]:
        """Yield the same text in pieces, for answers that are sent while they are written."""
        yield csv_text([[*(column.name for column in self.columns), "grouping"]])
        levels = sum(column.role == "level" for column in self.columns)
        for start in range(0, len(self), rows_each):
            piece = slice(start, start + rows_each)
            yield csv_text(
                [
                    *(_member(value, bits >> i & 1, "") for i, value in enumerate(row[:levels])),
                    *(_number(value) for value in row[levels:]),
                    bits,
                ]
                for row, bits in zip(self.rows[piece], self.grouping[piece], strict=True)
            )

    def __len__(self) -> int:
        if self._rows is not None:
            return len(self._rows)
        assert self._data is not None
        return len(self._data[0]) if self._data else 0

    def __eq__(self, other: object) -> bool:
        """Whether columns, rows and grouping are equal, floating numbers to nine digits."""
        if not isinstance(other, CellSet):
            return NotImplemented
        return (
            self.columns == other.columns
            and self.grouping == other.grouping
            and len(self) == len(other)
            and all(
                same_value(a, b)
                for mine, theirs in zip(self.rows, other.rows, strict=True)
                for a, b in zip(mine, theirs, strict=True)
            )
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        """Return the answer as a table, its first rows, values in their format."""
        levels = sum(column.role == "level" for column in self.columns)
        shown = list(zip(self.rows, self.grouping, strict=True))[:ROWS_SHOWN_MAX]
        lines = [[column.name for column in self.columns]]
        formats = [_format(column) for column in self.columns]
        for row, bits in shown:
            texts = [
                write(value) or _member(value, bits >> i & 1, ROLLED_UP)
                for i, (value, write) in enumerate(zip(row[:levels], formats, strict=False))
            ]
            numbers = zip(row[levels:], formats[levels:], strict=True)
            lines.append([*texts, *(write(value) or _shown(value) or NOT_AVAILABLE for value, write in numbers)])
        more = len(self) - len(shown)
        return _table(lines, levels) + (f"\n… and {more:,} more rows" if more > 0 else "")


def read_rows(columns: Sequence[CellColumn], rows: list[Row], *, grouped: bool) -> tuple[list[Row], list[int] | None]:
    """Return the cells of rows as a statement yields them, and the grouping bits that are its last column, if any."""
    grouping = None
    if grouped:
        grouping = [bits for *_, bits in rows if isinstance(bits, int)]
        rows = [row[:-1] for row in rows]
    zoned = [position for position, column in enumerate(columns) if column.type == "timestamp[UTC]"]
    return with_utc(rows, zoned), grouping


def with_utc(rows: list[Row], positions: Sequence[int]) -> list[Row]:
    """Return the rows with the zone put back on times that the engine handed over as plain UTC."""
    for at in positions:
        rows = [(*row[:at], _zoned(row[at]), *row[at + 1 :]) for row in rows]
    return rows


def _zoned(value: object) -> object:
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) else value


def csv_text(lines: Iterable[Sequence[object]]) -> str:
    """Return lines as CSV."""
    text = io.StringIO()
    csv.writer(text).writerows(lines)
    return text.getvalue()


def _member(value: object, rolled_up: int, sign: str) -> str:
    if rolled_up:
        return sign
    return NOT_AVAILABLE if value is None else value_text(value)


def _number(value: object) -> str:
    return "" if isinstance(value, float) and not math.isfinite(value) else value_text(value)


def _shown(value: object) -> str:
    """Return a number as a table shows it; a long array is cut."""
    text = _number(value)
    if not isinstance(value, list) or len(text) <= ARRAY_SHOWN_MAX:
        return text
    return f"{text[: ARRAY_SHOWN_MAX - 4].rpartition(',')[0]}, …]"


def _format(column: CellColumn) -> Format:
    """Return what writes the values of a column in a table."""
    return read_format(column.format, DataType.parse(column.type)) if column.format else lambda _: None


def value_text(value: object) -> str:
    """Return a value as CSV and tables write it; null is empty."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return f"[{', '.join(_number(element) or 'null' for element in value)}]"
    return str(value)


def same_value(a: object, b: object) -> bool:
    """Whether two cells hold the same: floating numbers to nine digits, all else exactly."""
    if isinstance(a, float) and isinstance(b, float):
        return math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-9) or (math.isnan(a) and math.isnan(b))
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same_value, a, b))
    return a == b


def _table(lines: list[list[str]], levels: int) -> str:
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    head, *body = ["  ".join(_aligned(line, widths, levels)).rstrip() for line in lines]
    return "\n".join([head, "  ".join("-" * width for width in widths), *body])


def _aligned(line: list[str], widths: list[int], levels: int) -> list[str]:
    """Members stand at the left of their column, numbers at the right."""
    cells = zip(line, widths, strict=True)
    return [cell.ljust(width) if i < levels else cell.rjust(width) for i, (cell, width) in enumerate(cells)]
