"""Rows as request bodies have them: a JSON list, NDJSON, CSV, an Arrow stream or Parquet."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from functools import partial

from app_framework.database import BadRow, Insert, InvalidRowsError, RowProblem, TableSchema
from app_framework.database.changes import IncomingRow
from app_framework.errors import near_matches
from app_framework.olap import arrow
from app_framework.web.errors import InvalidBodyError, UnsupportedMediaTypeError
from app_framework.web.spool import Spool

JSON = "application/json"
NDJSON = "application/x-ndjson"
CSV = "text/csv"
ARROW = "application/vnd.apache.arrow.stream"
PARQUET = "application/vnd.apache.parquet"
FORMATS = (JSON, NDJSON, CSV, ARROW, PARQUET)
_ALIASES = {
    "": JSON,
    "application/x-www-form-urlencoded": JSON,  # what curl says when it is told nothing
    "application/ndjson": NDJSON,
    "application/jsonl": NDJSON,
    "application/csv": CSV,
    "application/x-parquet": PARQUET,
}
TEXT_SHOWN_MAX = 1_000


def read_format(content_type: str, content_encoding: str = "") -> str:
    """Return which of the formats a request announces.

    Raises:
        UnsupportedMediaTypeError: none of them.

    >>> read_format("text/csv; charset=utf-8")
    'text/csv'
    """
    media_type = content_type.partition(";")[0].strip().lower()
    found = _ALIASES.get(media_type, media_type)
    if found not in FORMATS:
        raise UnsupportedMediaTypeError("Content-Type", media_type, FORMATS)
    if content_encoding.strip().lower() not in ("", "identity"):
        raise UnsupportedMediaTypeError("Content-Encoding", content_encoding, ("identity",))
    return found


def read_rows(body: Spool, media_type: str, table: TableSchema) -> Insert:
    """Return the insert of the rows in a body; what is read row by row is read while they are inserted.

    Raises:
        InvalidBodyError: the body is not of this format.
    """
    if media_type == CSV:
        return Insert(table.name, _csv_rows(_text(body), table), texts=True)
    if media_type == NDJSON:
        return Insert(table.name, _ndjson_rows(body))
    if media_type == JSON:
        return Insert(table.name, _json_rows(body.read()))
    try:
        return Insert(table.name, arrow.read_parquet(body) if media_type == PARQUET else arrow.read_ipc_stream(body))
    except ValueError as error:
        raise InvalidBodyError(f"the body is not {media_type}: {error}") from None


def _json_rows(body: bytes) -> list[IncomingRow]:
    try:
        document = _loads(body)
    except ValueError as error:
        raise InvalidBodyError(f"the body is not JSON: {error}; other formats need their Content-Type") from None
    if isinstance(document, Mapping):
        document = [document]
    if not isinstance(document, list):
        raise InvalidBodyError("the body is a list of rows, each an object with the table's columns")
    return [_row(row) for row in document]


def _ndjson_rows(body: Spool) -> Iterator[IncomingRow]:
    for line in body:
        if not line.strip():
            continue
        try:
            yield _row(_loads(line))
        except ValueError as error:
            text = line.decode("utf-8", "backslashreplace").rstrip("\n")
            yield BadRow(f"it is not JSON: {error}", text[:TEXT_SHOWN_MAX])


def _loads(text: bytes) -> object:
    """Read JSON without losing a digit; decimals stay decimals."""
    try:
        document: object = _parse(text.decode("utf-8-sig"))
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    return document


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is no number of JSON")


_parse: Callable[[str], object] = partial(json.loads, parse_float=Decimal, parse_constant=_refuse_constant)


def _row(value: object) -> IncomingRow:
    if isinstance(value, Mapping):
        return value
    return BadRow("a row is an object with the table's columns", repr(value)[:TEXT_SHOWN_MAX])


def _text(body: Spool) -> io.TextIOWrapper:
    return io.TextIOWrapper(body, encoding="utf-8-sig", newline="")


def _csv_rows(text: io.TextIOWrapper, table: TableSchema) -> Iterator[IncomingRow]:
    """Yield the lines below the header, each by its columns (RFC 4180)."""
    lines = csv.reader(text, strict=True)
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


def _check_header(header: list[str], table: TableSchema) -> None:
    if not header:
        raise InvalidBodyError("the body has no header; the first line of CSV names the columns")
    problems = [
        RowProblem(0, name, f"table {table.name!r} has no such column", near_matches(name, table.columns))
        for name in header
        if name not in table.columns
    ]
    twice = sorted({name for name in header if header.count(name) > 1 and name in table.columns})
    problems += [RowProblem(0, name, "the header names it twice") for name in twice]
    if problems:
        raise InvalidRowsError(table.name, problems)
