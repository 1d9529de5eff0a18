"""The envelope of Perspective's messages, which are protobuf: who asks what, and the few answers we write ourselves.

Perspective's own server turns an exception into an answer with a traceback in it, knows no collapsing of rows, and
breaks off when it is asked about a view that it does not have. So each message is looked at before it gets there.

>>> read_envelope(failure(Envelope(7, "view", 15), "no such view")).kind == FAILURE
True
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

FAILURE = 50
"""The field of an answer that says what went wrong."""

MAKE_VIEW, DELETE_VIEW, COLLAPSE, EXPAND, SET_DEPTH, DESCRIBE = 6, 11, 18, 19, 23, 41
LISTEN, UNLISTEN = 21, 22
"""To be told of every change of a view, by answers with the same number; and not any more."""

ABOUT_NODE = frozenset({3, 4, 17, 37})
"""Features, hosted tables, memory."""

ABOUT_TABLE = frozenset({5, MAKE_VIEW, 7, 8, 29, 30, DESCRIBE})
"""A port for changes, new views, schema, size, what a view would be; and those that ask to be told of its end."""

ABOUT_VIEW = frozenset({10, DELETE_VIEW, 12, 13, 14, 15, 16, 20, 24, 25, 26, 34, 35, 36})
"""Column paths, sizes, configuration, data in every form, extremes; and those that ask to be told of changes."""

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_MOST_BITS = 64


class WireError(ValueError):
    """A message is no message of Perspective's."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """What every message begins with.

    Args:
        number: by which the answer is found.
        entity: the table or the view that it is about.
        kind: the field that holds the request.
        body: the request itself.
    """

    number: int
    entity: str
    kind: int
    body: bytes = b""


def read_envelope(message: bytes) -> Envelope:
    """Return what a message is about.

    Raises:
        WireError: it is none.
    """
    number, entity, kind, body = 0, b"", 0, b""
    for field, value in _fields(message):
        if field == 1 and isinstance(value, int):
            number = value
        elif field == 2 and isinstance(value, bytes):
            entity = value
        elif field > 2 and isinstance(value, bytes):
            kind, body = field, value
    try:
        return Envelope(number, entity.decode(), kind, body)
    except UnicodeDecodeError:
        raise WireError("a name is not UTF-8") from None


def read_number(body: bytes) -> int:
    """Return the only number of a request: a row, or a depth.

    Raises:
        WireError: there is something else.
    """
    for field, value in _fields(body):
        if field == 1 and isinstance(value, int):
            return value
    return 0


def failure(request: Envelope, sentence: str, *, view_is_gone: bool = False) -> bytes:
    """Return the answer that something went wrong; with `view_is_gone` the browser makes the view again."""
    return _answer(request, FAILURE, _text(1, sentence) + (_number(2, 1) if view_is_gone else b""))


def updated(request: Envelope) -> bytes:
    """Return the answer that a view which is listened to shows other data now."""
    return _answer(request, LISTEN, b"")


def unlistened(request: Envelope) -> bytes:
    """Return the answer that a view is not listened to any more."""
    return _answer(request, UNLISTEN, b"")


def changed(request: Envelope, rows: int) -> bytes:
    """Return the answer that a row was opened or closed, and how many rows came or went."""
    return _answer(request, request.kind, _number(1, rows) if request.kind != SET_DEPTH else b"")


def _answer(request: Envelope, field: int, body: bytes) -> bytes:
    return _number(1, request.number) + _text(2, request.entity) + _piece(field, body)


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    position = 0
    while position < len(message):
        tag, position = _varint(message, position)
        field, kind = tag >> 3, tag & 7
        if kind == _VARINT:
            value, position = _varint(message, position)
            yield field, value
            continue
        if kind == _BYTES:
            length, position = _varint(message, position)
        elif kind in (_FIXED64, _FIXED32):
            length = 8 if kind == _FIXED64 else 4
        else:
            raise WireError(f"a field of kind {kind}")
        if position + length > len(message):
            raise WireError("a field ends beyond its message")
        yield field, message[position : position + length]
        position += length


def _varint(message: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while position < len(message) and shift < _MOST_BITS:
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
    raise WireError("a number does not end")


def _number(field: int, value: int) -> bytes:
    return _encoded(field << 3) + _encoded(value)


def _text(field: int, value: str) -> bytes:
    return _piece(field, value.encode("utf-8", "replace"))


def _piece(field: int, value: bytes) -> bytes:
    return _encoded(field << 3 | _BYTES) + _encoded(len(value)) + value


def _encoded(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
