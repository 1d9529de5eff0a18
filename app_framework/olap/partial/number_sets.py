"""Sets of numbers, one per group of rows, in the forms in which they travel, and as bitmaps side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Protocol, TypeAlias, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from app_framework.olap.partial.answer import PartialAnswerError

BLOCK_BYTES = 8 * 1024 * 1024
"""What is unpacked at a time."""

Bits: TypeAlias = "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]"
Numbers: TypeAlias = "np.ndarray[tuple[int, ...], np.dtype[np.int64]]"


class NumberSets(Protocol):
    """A set of numbers for each group."""

    @property
    def rows(self) -> int:
        """How many groups there are."""

    @property
    def range(self) -> tuple[int, int] | None:
        """What the numbers lie between, None where there are none."""

    def bits(self, low: int, size: int) -> Iterator[Bits]:
        """Yield the bitmaps of some groups at a time, of so many bytes each; the first bit is of the number `low`."""

    def lists(self) -> Lists:
        """Return the numbers themselves."""


@dataclass(frozen=True, slots=True)
class Lists:
    """The numbers of all groups in a line, and how many each group has."""

    values: Numbers
    counts: Numbers

    @property
    def rows(self) -> int:
        """How many groups there are."""
        return len(self.counts)

    @property
    def range(self) -> tuple[int, int] | None:
        """What the numbers lie between."""
        return (int(self.values.min()), int(self.values.max())) if len(self.values) else None

    def bits(self, low: int, size: int) -> Iterator[Bits]:
        """Yield bitmaps."""
        ends = [*accumulate(self.counts.tolist(), initial=0)]
        for start, stop in _blocks(self.rows, size):
            counts = self.counts[start:stop]
            block = np.zeros((len(counts), size * 8), np.uint8)
            values = self.values[ends[start] : ends[stop]]
            block[np.repeat(np.arange(len(counts)), counts), values - low] = 1
            yield np.packbits(block, axis=1)

    def lists(self) -> Lists:
        """Return the numbers themselves."""
        return self


@dataclass(frozen=True, slots=True)
class Bitmaps:
    """A bitmap of each group, and the number of its first bit."""

    matrix: Bits
    low: int

    @property
    def rows(self) -> int:
        """How many groups there are."""
        return len(self.matrix)

    @property
    def range(self) -> tuple[int, int] | None:
        """What the numbers lie between."""
        size = self.matrix.shape[1]
        return (self.low, self.low + size * 8 - 1) if size else None

    def bits(self, low: int, size: int) -> Iterator[Bits]:
        """Yield the same bitmaps among others."""
        if self.matrix.shape[1] == size:
            yield self.matrix
            return
        start = (self.low - low) // 8
        wider = np.zeros((self.rows, size), np.uint8)
        wider[:, start : start + self.matrix.shape[1]] = self.matrix
        yield wider

    def lists(self) -> Lists:
        """Return the numbers themselves."""
        row, bit = np.unpackbits(self.matrix, axis=1).nonzero()
        return Lists(bit + self.low, np.bincount(row, minlength=self.rows))


@dataclass(frozen=True, slots=True)
class Renumbered:
    """Bitmaps of numbers from 0 on, each of which has become another: `numbers` has it at its place."""

    matrix: Bits
    numbers: Numbers

    @property
    def rows(self) -> int:
        """How many groups there are."""
        return len(self.matrix)

    @property
    def range(self) -> tuple[int, int] | None:
        """What the numbers lie between."""
        return (int(self.numbers.min()), int(self.numbers.max())) if len(self.numbers) else None

    def bits(self, low: int, size: int) -> Iterator[Bits]:
        """Yield the bitmaps of the new numbers: each bit is taken from where it was, or from beyond the last one."""
        count = len(self.numbers)
        places = np.full(size * 8, count)
        places[self.numbers - low] = np.arange(count)
        for start, stop in _blocks(self.rows, size):
            old = np.zeros((stop - start, count + 1), np.uint8)
            old[:, :count] = np.unpackbits(self.matrix[start:stop], axis=1, count=count)
            yield np.packbits(np.take(old, places, axis=1), axis=1)

    def lists(self) -> Lists:
        """Return the new numbers."""
        old = Bitmaps(self.matrix, 0).lists()
        return Lists(self.numbers[old.values], old.counts)


def aligned(low: int, high: int) -> tuple[int, int]:
    """Return a range around another that begins and ends where bytes do.

    >>> aligned(-3, 17)
    (-8, 23)
    """
    return low - low % 8, high + 7 - high % 8


def matrix_of(column: pa.Array) -> Bits:
    """Return bitmaps that arrived, none where there is nothing.

    Raises:
        PartialAnswerError: they are not of one length.
    """
    there = column.drop_null()
    lengths = pc.unique(pc.binary_length(there)).to_pylist()
    if len(lengths) > 1:
        raise PartialAnswerError("the bitmaps of a node are not of one length")
    matrix = _bytes(there, lengths[0] if lengths else 0)
    if not column.null_count:
        return matrix
    whole = np.zeros((len(column), matrix.shape[1]), np.uint8)
    whole[column.is_valid().to_numpy(zero_copy_only=False)] = matrix
    return whole


def bitmap_array(blocks: Sequence[Bits], size: int) -> pa.Array:
    """Return bitmaps as a column."""
    matrix = np.concatenate(blocks) if blocks else np.zeros((0, size), np.uint8)
    offsets = (np.arange(len(matrix) + 1) * size).astype(np.int32)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(matrix))]
    return pa.Array.from_buffers(pa.binary(), len(matrix), buffers)


def list_array(lists: Lists, kind: pa.DataType) -> pa.Array:
    """Return numbers as a column of lists."""
    ends = np.concatenate([[0], np.cumsum(lists.counts)])
    return pa.ListArray.from_arrays(pa.array(ends, pa.int32()), pa.array(lists.values, kind))


def lists_of(values: pa.Array, column: pa.Array) -> Lists:
    """Return the whole numbers of a column of lists, and how many each has."""
    return Lists(integers(values), integers(pc.list_value_length(column).fill_null(0)))


def integers(array: pa.Array) -> Numbers:
    """Return whole numbers of any width."""
    return cast("Numbers", array.cast(pa.int64()).to_numpy(zero_copy_only=False))


def _blocks(rows: int, size: int) -> Iterator[tuple[int, int]]:
    step = max(1, BLOCK_BYTES // (size * 8))
    return ((start, min(start + step, rows)) for start in range(0, rows, step))


def _bytes(column: pa.Array, size: int) -> Bits:
    """Return texts of bytes that are of one length as the rows of a matrix, where they lie."""
    if not len(column) or not size:
        return np.zeros((len(column), size), np.uint8)
    _, offsets, data = column.buffers()
    first = np.frombuffer(offsets, np.int32)[column.offset]
    return np.frombuffer(data, np.uint8)[first : first + len(column) * size].reshape(len(column), size)
