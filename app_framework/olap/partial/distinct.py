"""Distinct values of several nodes under one numbering, so that groups of them can be united as bitmaps.

A node sends of each group either its values, each once, or, of whole numbers, a bitmap from some number on. Here all of
them become bitmaps of the same numbers: the engine unites those as fast as it reads them, and takes hundreds of times
as long for lists. Where bitmaps would be too large, lists of numbers remain.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TypeAlias, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from app_framework.olap.partial.answer import PartialAnswerError

Span = tuple[int, int]
"""The least and the largest value."""

LOW = b"low"
"""The field metadata of a bitmap: the number of its first bit."""

BITMAP_BYTES_MAX = 64 * 1024 * 1024
"""What the bitmaps of one measure may take; beyond that they stay lists."""

BLOCK_BYTES = 8 * 1024 * 1024
Bits: TypeAlias = "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]"
Numbers: TypeAlias = "np.ndarray[tuple[int, ...], np.dtype[np.int64]]"


def aligned(low: int, high: int) -> tuple[int, int]:
    """Return a range around another that begins and ends where bytes do.

    >>> aligned(-3, 17)
    (-8, 23)
    """
    return low - low % 8, high + 7 - high % 8


def bitmap_sql(argument: str, span: Span) -> str:
    """Return the bitmap of what stands in a group, as SQL; a value outside of the span is an error."""
    low, high = aligned(*span)
    return f"CAST(bitstring_agg({argument}, {low}, {high}) AS BLOB)"


def marked(field: pa.Field, span: Span) -> pa.Field:
    """Return the field of a column of such bitmaps, which says where they begin."""
    return field.with_metadata({LOW: str(aligned(*span)[0]).encode()})


@dataclass(frozen=True, slots=True)
class United:
    """The same columns under one numbering.

    Args:
        columns: one for each that was given.
        bitmaps: whether they hold bitmaps; lists otherwise.
        numbered: whether it is numbers that stand for the values; the values themselves otherwise.
    """

    columns: tuple[pa.Array, ...]
    bitmaps: bool
    numbered: bool = True


def united(columns: Sequence[pa.ChunkedArray], fields: Sequence[pa.Field]) -> United:
    """Return columns of distinct values of several nodes under one numbering.

    Raises:
        PartialAnswerError: a node sent neither lists nor bitmaps.
    """
    whole = [_combined(column) for column in columns]
    lists = [_values(column) for column in whole if not pa.types.is_binary(column.type)]
    if len(lists) == len(whole) and not all(_is_whole(values.type) for values in lists):
        return _numbered(whole, lists)
    if not all(_is_whole(values.type) for values in lists):
        raise PartialAnswerError("some nodes sent bitmaps, and others values that are no whole numbers")
    sets = [_set_of(column, field) for column, field in zip(whole, fields, strict=True)]
    return _united(sets)


@dataclass(frozen=True, slots=True)
class _Lists:
    """Numbers of groups: all of them in a line, and how many each group has."""

    values: Numbers
    counts: Numbers

    @property
    def rows(self) -> int:
        return len(self.counts)

    @property
    def range(self) -> tuple[int, int] | None:
        return (int(self.values.min()), int(self.values.max())) if len(self.values) else None

    def bits(self, low: int, size: int) -> Iterator[Bits]:
        """Yield the bitmaps of some groups at a time, of so many bytes each."""
        ends = [*accumulate(self.counts.tolist(), initial=0)]
        step = max(1, BLOCK_BYTES // (size * 8))
        for start in range(0, self.rows, step):
            counts = self.counts[start : start + step]
            block = np.zeros((len(counts), size * 8), np.uint8)
            values = self.values[ends[start] : ends[start + len(counts)]]
            block[np.repeat(np.arange(len(counts)), counts), values - low] = 1
            yield np.packbits(block, axis=1)

    def lists(self) -> _Lists:
        return self


@dataclass(frozen=True, slots=True)
class _Bitmaps:
    """Bitmaps of groups, a row each, and the number of their first bit."""

    matrix: Bits
    low: int

    @property
    def rows(self) -> int:
        return len(self.matrix)

    @property
    def range(self) -> tuple[int, int] | None:
        size = self.matrix.shape[1]
        return (self.low, self.low + size * 8 - 1) if size else None

    def bits(self, low: int, size: int) -> Iterator[Bits]:
        """Yield the same bitmaps with so many bytes each, of which the first bit is another number."""
        start = (self.low - low) // 8
        if self.matrix.shape[1] == size:
            yield self.matrix
            return
        wider = np.zeros((self.rows, size), np.uint8)
        wider[:, start : start + self.matrix.shape[1]] = self.matrix
        yield wider

    def lists(self) -> _Lists:
        row, bit = np.unpackbits(self.matrix, axis=1).nonzero()
        return _Lists(bit + self.low, np.bincount(row, minlength=self.rows))


def _united(sets: Sequence[_Lists | _Bitmaps]) -> United:
    """Return sets of numbers as bitmaps where those are small enough, and as lists otherwise."""
    ranges = [found for one in sets if (found := one.range) is not None] or [(0, 0)]
    low, high = aligned(min(low for low, _ in ranges), max(high for _, high in ranges))
    size = (high - low + 1) // 8
    if size * sum(one.rows for one in sets) > BITMAP_BYTES_MAX:
        return United(tuple(_list_array(one.lists()) for one in sets), bitmaps=False)
    return United(tuple(_bitmap_array([*one.bits(low, size)], size) for one in sets), bitmaps=True)


def _numbered(columns: Sequence[pa.Array], values: Sequence[pa.Array]) -> United:
    """Return values of any type by their numbers in one dictionary."""
    together = pa.concat_arrays(values)
    if pa.types.is_floating(together.type):
        together = pc.add(together, pa.scalar(0.0, together.type))  # there is one zero
    try:
        encoded = together.dictionary_encode()
    except pa.ArrowNotImplementedError:
        return United(tuple(columns), bitmaps=False, numbered=False)  # arrays have no dictionary
    codes = _integers(encoded.indices)
    ends = accumulate((len(one) for one in values), initial=0)
    parts = (codes[end : end + len(one)] for end, one in zip(ends, values, strict=False))
    return _united([_Lists(part, _counts(column)) for part, column in zip(parts, columns, strict=True)])


def _set_of(column: pa.Array, field: pa.Field) -> _Lists | _Bitmaps:
    if not pa.types.is_binary(column.type):
        return _Lists(_integers(_values(column)), _counts(column))
    lengths = pc.unique(pc.binary_length(column.drop_null())).to_pylist()
    if len(lengths) > 1:
        raise PartialAnswerError("the bitmaps of a node are not of one length")
    there = _bytes(column.drop_null(), lengths[0] if lengths else 0)
    if not column.null_count:
        return _Bitmaps(there, _low(field))
    matrix = np.zeros((len(column), there.shape[1]), np.uint8)
    matrix[column.is_valid().to_numpy(zero_copy_only=False)] = there
    return _Bitmaps(matrix, _low(field))


def _bytes(column: pa.Array, size: int) -> Bits:
    """Return texts of bytes that are of one length as the rows of a matrix, where they lie."""
    _, offsets, data = column.buffers()
    if not len(column) or not size:
        return np.zeros((len(column), size), np.uint8)
    first = np.frombuffer(offsets, np.int32)[column.offset]
    return np.frombuffer(data, np.uint8)[first : first + len(column) * size].reshape(len(column), size)


def _low(field: pa.Field) -> int:
    """Return the number of the first bit of a node's bitmaps."""
    try:
        low = int((field.metadata or {})[LOW])
    except (KeyError, ValueError) as error:
        raise PartialAnswerError("its bitmaps do not say where they begin") from error
    if low % 8:
        raise PartialAnswerError("its bitmaps do not begin where a byte does")
    return low


def _combined(column: pa.ChunkedArray) -> pa.Array:
    whole = column.combine_chunks()
    return pa.concat_arrays(whole.chunks) if isinstance(whole, pa.ChunkedArray) else whole


def _values(column: pa.Array) -> pa.Array:
    if not pa.types.is_list(column.type):
        raise PartialAnswerError(f"{column.type} are no distinct values")
    values = column.flatten()
    if values.null_count:
        raise PartialAnswerError("there is no value among its distinct values")
    return values


def _counts(column: pa.Array) -> Numbers:
    return _integers(pc.list_value_length(column).fill_null(0))


def _integers(array: pa.Array) -> Numbers:
    return cast("Numbers", array.cast(pa.int64()).to_numpy(zero_copy_only=False))


def _is_whole(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind)) and kind != pa.uint64()


def _list_array(one: _Lists) -> pa.Array:
    ends = np.concatenate([[0], np.cumsum(one.counts)])
    return pa.ListArray.from_arrays(pa.array(ends, pa.int32()), pa.array(one.values, pa.int64()))


def _bitmap_array(blocks: Sequence[Bits], size: int) -> pa.Array:
    matrix = np.concatenate(blocks) if blocks else np.zeros((0, size), np.uint8)
    offsets = (np.arange(len(matrix) + 1) * size).astype(np.int32)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(matrix))]
    return pa.Array.from_buffers(pa.binary(), len(matrix), buffers)
