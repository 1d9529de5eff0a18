"""Python values as JSON bytes: decimals keep their scale, what JSON cannot say is null, instants end in Z.

>>> dumps({"a": Decimal("1.50"), "b": float("nan"), "at": datetime(2013, 1, 1, tzinfo=UTC)})
b'{"a":1.50,"b":null,"at":"2013-01-01T00:00:00Z"}'
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import fields, is_dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import PurePath

import orjson

CHUNK_ROWS = 10_000
"""A longer answer is encoded in pieces of this many rows, with the other requests served in between."""

# Rows of an answer hold instants in UTC only, which orjson writes as promised without asking back for each.
_ROW_OPTIONS = orjson.OPT_UTC_Z
_OPTIONS = orjson.OPT_NON_STR_KEYS | orjson.OPT_PASSTHROUGH_DATETIME


def dumps(value: object, *, indent: bool = False) -> bytes:
    """Return any value of ours as JSON.

    Raises:
        TypeError: when something inside has no JSON form.
    """
    return _dumps(value, _OPTIONS | orjson.OPT_INDENT_2 if indent else _OPTIONS)


def loads(body: bytes) -> object:
    """Return parsed JSON.

    Raises:
        ValueError: it is not JSON; the message has line and column.
    """
    return orjson.loads(body)


def dump_answer(answer: Mapping[str, object]) -> bytes:
    """Return an answer with ``rows`` as JSON.

    >>> dump_answer({"rows": [("R", Decimal("1.0")), (None, Decimal("2.5"))]})
    b'{"rows":[["R",1.0],[null,2.5]]}'
    """
    return _dumps(answer, _ROW_OPTIONS)


async def stream_answer(answer: Mapping[str, object], rows_each: int = CHUNK_ROWS) -> AsyncIterator[bytes]:
    """Yield the same bytes as `dump_answer` in pieces, and let the event loop breathe between them."""
    rows = answer["rows"]
    assert isinstance(rows, Sequence), "an answer has rows"
    before, _, after = dump_answer({**answer, "rows": []}).partition(b'"rows":[]')
    yield before + b'"rows":['
    for start in range(0, len(rows), rows_each):
        piece = _dumps(rows[start : start + rows_each], _ROW_OPTIONS)[1:-1]
        yield b"," + piece if start else piece
        await asyncio.sleep(0)
    yield b"]" + after


def row_pieces(head: Mapping[str, object], pieces: Iterable[Sequence[object]]) -> Iterator[bytes]:
    """Yield an object whose last member is ``rows``, which are still being read.

    >>> b"".join(row_pieces({"count": 2}, [[(1,)], [(None,)]]))
    b'{"count":2,"rows":[[1],[null]]}'
    """
    yield dumps(head)[:-1] + b',"rows":['
    before = b""
    for rows in pieces:
        yield before + _dumps(rows, _ROW_OPTIONS)[1:-1]
        before = b","
    yield b"]}"


def _dumps(value: object, options: int) -> bytes:
    try:
        return orjson.dumps(value, _plain, options)
    except TypeError:
        # orjson refuses integers of more than 64 bits without asking; they are rare enough to look for them now.
        return orjson.dumps(_with_wide_integers(value), _plain, options)


def _with_wide_integers(value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool | Enum):
        return value if -(2**63) <= value < 2**63 else orjson.Fragment(str(value))
    if isinstance(value, Mapping):
        return {key: _with_wide_integers(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_with_wide_integers(each) for each in value]
    return value


def _plain(value: object) -> object:
    """Say in JSON's words what orjson has none for."""
    if isinstance(value, Decimal):
        return orjson.Fragment(format(value, "f")) if value.is_finite() else None
    if isinstance(value, datetime):
        return _instant(value)
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Set):
        return sorted(value, key=str)
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).hex()
    raise TypeError(f"{type(value).__name__} has no JSON form")


def _instant(value: datetime) -> str:
    if value.tzinfo is None:
        return value.isoformat()
    return value.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"
