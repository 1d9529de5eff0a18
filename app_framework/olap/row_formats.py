"""Rows as files and messages have them: a JSON list, NDJSON, CSV, Arrow or Parquet; read while they are inserted."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from decimal import Decimal
from pathlib import PurePath
from types import MappingProxyType
from typing import IO, Literal, Protocol, cast, get_args

from app_framework.database.changes import BadRow, IncomingRow, Insert
from app_framework.database.errors import InvalidRowsError, RowProblem
from app_framework.database.schema import TableSchema
from app_framework.errors import UserError, near_matches

RowFormat = Literal["json", "ndjson", "csv", "arrow", "parquet"]
ROW_FORMATS: tuple[RowFormat, ...] = get_args(RowFormat)
SUFFIXES: Mapping[str, RowFormat] = MappingProxyType(
    {
        ".json": "json",
        ".ndjson": "ndjson",
        ".jsonl": "ndjson",
        ".csv": "csv",
        ".arrow": "arrow",
        ".arrows": "arrow",
        ".parquet": "parquet",
    }
)
"""Which format a file has by its name."""

TEXT_SHOWN_MAX = 1_000
CHUNK_CHARS = 1 << 16
ROW_CHARS_MAX = 16 << 20
"""The longest row that is read: what has none of the ends of rows must not fill the memory."""


class RowFormatError(UserError):
    """What was sent is not of its format; no row of it was taken.

    Attributes:
        format: which it should be.
        reason: how the sentence goes on that says what was sent.
    """

    def __init__(self, row_format: RowFormat, reason: str) -> None:
        super().__init__(row_format, reason)
        self.format = row_format
        self.reason = reason

    def __str__(self) -> str:
        return f"it {self.reason}"


class _Lines(Protocol):
    """What `csv.reader` returns."""

    line_num: int

    def __iter__(self) -> Iterator[list[str]]: ...

    def __next__(self) -> list[str]: ...


def format_of(name: str) -> RowFormat | None:
    """Return the format of a file by its name, None where that does not say it.

    >>> format_of("orders-7.CSV"), format_of("notes.txt")
    ('csv', None)
    """
    return SUFFIXES.get(PurePath(name).suffix.lower())


def read_rows(file: IO[bytes], row_format: RowFormat, table: TableSchema) -> Insert:
    """Return the insert of the rows in a file, which stays open until they are in.

    Raises:
        RowFormatError: the file is not of this format; of JSON and NDJSON it may be raised while they are read.
    """
    if row_format == "csv":
        return Insert(table.name, _csv_rows(file, table), texts=True)
    if row_format == "ndjson":
        return Insert(table.name, _ndjson_rows(file))
    if row_format == "json":
        return Insert(table.name, _json_rows(file))
    from app_framework.olap import arrow

    try:
        return Insert(table.name, arrow.read_parquet(file) if row_format == "parquet" else arrow.read_ipc(file))
    except ValueError as error:
        raise RowFormatError(row_format, f"is not {row_format.title()}: {error}") from None


@contextmanager
def _text_of(file: IO[bytes]) -> Iterator[io.TextIOWrapper]:
    """Read a file as text, and leave it open: it is not ours."""
    text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
    try:
        yield text
    finally:
        with suppress(ValueError):  # its owner may have closed it already
            text.detach()


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is no number of JSON")


_DECODER = json.JSONDecoder(parse_float=Decimal, parse_constant=_refuse_constant)
"""Reads JSON without losing a digit; decimals stay decimals."""


def _json_rows(file: IO[bytes]) -> Iterator[IncomingRow]:
    with _text_of(file) as text:
        yield from _JsonReader(text).rows()


class _JsonReader:
    """A list of rows, or one row, of which only a piece is in memory."""

    def __init__(self, file: io.TextIOWrapper) -> None:
        self._file = file
        self._text = ""
        self._at = 0
        self._lines = 0
        self._column = 0
        self._ended = False

    def rows(self) -> Iterator[IncomingRow]:
        """Yield them.

        Raises:
            RowFormatError: it is no JSON, or another value.
        """
        try:
            if self._next_sign() == "[":
                self._at += 1
                yield from self._items()
            else:
                row = self._value()
                if not isinstance(row, Mapping):
                    raise RowFormatError("json", "is a list of rows, each an object with the table's columns")
                yield row
            if self._next_sign():
                raise json.JSONDecodeError("Extra data", self._text, self._at)
        except RecursionError:
            raise RowFormatError("json", "is not JSON: it is nested too deeply") from None
        except json.JSONDecodeError as error:
            place = f"line {self._lines + error.lineno} column {error.colno + (error.lineno == 1) * self._column}"
            raise RowFormatError("json", f"is not JSON: {error.msg}: {place}") from None
        except ValueError as error:
            raise RowFormatError("json", f"is not JSON: {error}") from None

    def _items(self) -> Iterator[IncomingRow]:
        if self._next_sign() == "]":
            self._at += 1
            return
        while True:
            yield _row(self._value())
            sign = self._next_sign()
            if sign not in {",", "]"}:
                raise json.JSONDecodeError("Expecting ',' delimiter", self._text, self._at)
            self._at += 1
            if sign == "]":
                return

    def _value(self) -> object:
        self._next_sign()
        self._forget()
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._at)
            except json.JSONDecodeError:
                if self._read_more():  # it may only be cut where the piece ends
                    continue
                raise
            if end == len(self._text) and self._read_more():  # 12 may be the beginning of 123
                continue
            self._at = end
            return cast("object", value)

    def _next_sign(self) -> str:
        """Return the next sign that is not space; empty at the end."""
        while True:
            while self._at < len(self._text):
                if self._text[self._at] not in " \t\r\n":
                    return self._text[self._at]
                self._at += 1
            self._forget()
            if not self._read_more():
                return ""

    def _forget(self) -> None:
        """Let go of what was read; an error still tells line and column."""
        if self._at < CHUNK_CHARS // 2 and self._at != len(self._text):
            return
        read = self._text[: self._at]
        lines = read.count("\n")
        self._lines += lines
        self._column = len(read) - read.rfind("\n") - 1 if lines else self._column + len(read)
        self._text = self._text[self._at :]
        self._at = 0

    def _read_more(self) -> bool:
        if self._ended:
            return False
        waiting = len(self._text) - self._at
        if waiting > ROW_CHARS_MAX:
            raise json.JSONDecodeError(f"No row ends within {ROW_CHARS_MAX:,} signs", self._text, self._at)
        more = self._file.read(max(CHUNK_CHARS, waiting))
        self._ended = not more
        self._text += more
        return bool(more)


def _row(value: object) -> IncomingRow:
    if isinstance(value, Mapping):
        return value
    return BadRow("a row is an object with the table's columns", repr(value)[:TEXT_SHOWN_MAX])


def _ndjson_rows(file: IO[bytes]) -> Iterator[IncomingRow]:
    while line := file.readline(ROW_CHARS_MAX):
        if len(line) == ROW_CHARS_MAX:
            raise RowFormatError("ndjson", f"has a line of more than {ROW_CHARS_MAX:,} bytes")
        if not line.strip():
            continue
        try:
            yield _row(_loads(line))
        except ValueError as error:
            text = line.decode("utf-8", "backslashreplace").rstrip("\n")
            yield BadRow(f"it is not JSON: {error}", text[:TEXT_SHOWN_MAX])


def _loads(text: bytes) -> object:
    decoded = text.decode("utf-8-sig").strip(" \t\r\n")
    try:
        value: object = _DECODER.decode(decoded)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    return value


def _csv_rows(file: IO[bytes], table: TableSchema) -> Iterator[IncomingRow]:
    """Yield the lines below the header, each by its columns (RFC 4180)."""
    with _text_of(file) as text:
        yield from _cells(csv.reader(_csv_lines(text), strict=True), table)


def _cells(lines: _Lines, table: TableSchema) -> Iterator[IncomingRow]:
    try:
        header = next(lines, [])
        _check_header(header, table)
        for cells in lines:
            if len(cells) == len(header):
                yield dict(zip(header, cells, strict=True))
            elif cells:
                yield BadRow(f"it has {len(cells)} values, the header {len(header)}", ",".join(cells)[:TEXT_SHOWN_MAX])
    except (csv.Error, UnicodeDecodeError) as error:
        reason = f"the rows cannot be read: line {lines.line_num + 1}: {error}"
        raise InvalidRowsError(table.name, [RowProblem(0, "", reason)]) from None


def _csv_lines(text: io.TextIOWrapper) -> Iterator[str]:
    while line := text.readline(ROW_CHARS_MAX):
        if len(line) == ROW_CHARS_MAX:
            raise csv.Error(f"it has more than {ROW_CHARS_MAX:,} signs")
        yield line


def _check_header(header: list[str], table: TableSchema) -> None:
    if not header:
        raise RowFormatError("csv", "has no header; the first line of CSV names the columns")
    problems = [
        RowProblem(0, name, f"table {table.name!r} has no such column", near_matches(name, table.columns))
        for name in header
        if name not in table.columns
    ]
    twice = sorted({name for name in header if header.count(name) > 1 and name in table.columns})
    problems += [RowProblem(0, name, "the header names it twice") for name in twice]
    if problems:
        raise InvalidRowsError(table.name, problems)
