"""What a node sends of an answer: a table per frame, in pieces that a messenger carries.

A length, a header in JSON, then the Arrow stream of each table; pieces are cut wherever they are full. Blanks end the
header so that Arrow finds its numbers at addresses that it can read in place.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import pyarrow as pa

from app_framework.errors import FrameworkError

CHUNK_BYTES = 256 * 1024
HEADER_BYTES_MAX = 16 * 1024 * 1024
ALIGNMENT_BYTES = 64
_LENGTH = struct.Struct("<I")
Chunk = bytes
Table = pa.Table
"""What a frame's cells travel as, for those who pass them on and do not look into them."""


class PartialAnswerError(FrameworkError):
    """What arrived is not a part of an answer.

    Attributes:
        reason: what is wrong with it.
    """

    def __init__(self, reason: str) -> None:
        super().__init__()
        self.reason = reason

    def __str__(self) -> str:
        return f"What a node sent is no part of an answer: {self.reason}."


@dataclass(frozen=True, slots=True)
class PartialAnswer:
    """The cells that one node found.

    Args:
        version: the data version that all of them are of.
        tables: one for each frame that was asked for, in that order.
        elapsed_ms: how long the node took.
        size: how many bytes it travelled in, 0 before it did.
    """

    version: int
    tables: tuple[pa.Table, ...]
    elapsed_ms: float = 0.0
    size: int = 0

    @property
    def rows(self) -> int:
        """The rows of all tables."""
        return sum(table.num_rows for table in self.tables)

    @property
    def bytes(self) -> int:
        """How much it is: what it travelled in, or what its columns hold."""
        return self.size or sum(int(table.nbytes) for table in self.tables)

    def chunks(self) -> Iterator[Chunk]:
        """Yield the answer in pieces of at most `CHUNK_BYTES`, all but the last full."""
        streams = [_stream(table) for table in self.tables]
        header = {"version": self.version, "elapsed_ms": self.elapsed_ms, "frames": [len(one) for one in streams]}
        text = json.dumps(header).encode()
        text += b" " * (-(_LENGTH.size + len(text)) % ALIGNMENT_BYTES)
        return _full([_LENGTH.pack(len(text)) + text, *(memoryview(one) for one in streams)])

    @staticmethod
    def read(chunks: Iterable[Chunk]) -> PartialAnswer:
        """Return the answer that pieces hold; what they hold is checked.

        Raises:
            PartialAnswerError: they hold none.
        """
        data = b"".join(chunks)
        try:
            header, start = _header(data)
            tables = []
            for length in cast("list[int]", header["frames"]):
                tables.append(_table(memoryview(data)[start : start + length]))
                start += length
            version, elapsed_ms = int(str(header["version"])), float(str(header["elapsed_ms"]))
        except (KeyError, TypeError, ValueError, struct.error, OSError, pa.ArrowException) as error:
            raise PartialAnswerError(str(error) or type(error).__name__) from error
        if start != len(data):
            raise PartialAnswerError(f"it has {len(data):,} bytes in place of {start:,}")
        return PartialAnswer(version, tuple(tables), elapsed_ms, len(data))

    def __repr__(self) -> str:
        return f"<PartialAnswer of version {self.version}: {len(self.tables)} frames, {self.rows:,} rows>"


def _stream(table: pa.Table) -> pa.Buffer:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def _table(data: memoryview) -> pa.Table:
    """Return the table of a stream; its offsets and texts are looked at, because they come from elsewhere."""
    with pa.ipc.open_stream(pa.py_buffer(data)) as reader:
        table = reader.read_all()
    table.validate(full=True)
    return table


def _header(data: bytes) -> tuple[dict[str, object], int]:
    (length,) = _LENGTH.unpack_from(data)
    if length > HEADER_BYTES_MAX:
        raise ValueError(f"its header has {length:,} bytes")
    start = _LENGTH.size + length
    header = json.loads(data[_LENGTH.size : start])
    if not isinstance(header, dict) or not isinstance(header.get("frames"), list):
        raise ValueError("its header says nothing of frames")
    return header, start


def _full(pieces: Sequence[bytes | memoryview]) -> Iterator[bytes]:
    """Yield the same bytes in pieces that are full."""
    waiting = bytearray()
    for piece in pieces:
        place = 0
        while place < len(piece):
            taken = piece[place : place + CHUNK_BYTES - len(waiting)]
            place += len(taken)
            waiting += taken
            if len(waiting) == CHUNK_BYTES:
                yield bytes(waiting)
                waiting.clear()
    if waiting:
        yield bytes(waiting)
