"""Distinct values of several nodes under one numbering, so that groups of them can be united as bitmaps.

A node sends of each group either its values, each once; or, of whole numbers, a bitmap from some number on; or, of many
texts, their numbers in a dictionary of its own. Here all of them become bitmaps of the same numbers: the engine unites
those as fast as it reads them, and takes hundreds of times as long for lists. Where bitmaps would be too large, lists
of numbers remain.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import pyarrow as pa
import pyarrow.compute as pc

from app_framework.olap.partial.answer import PartialAnswerError
from app_framework.olap.partial.dictionaries import KnownDictionaries, is_numbered
from app_framework.olap.partial.number_sets import (
    Bitmaps,
    Lists,
    NumberSets,
    aligned,
    bitmap_array,
    integers,
    list_array,
    lists_of,
    matrix_of,
)

Span = tuple[int, int]
"""The least and the largest value."""

LOW = b"low"
"""The field metadata of a bitmap: the number of its first bit."""

BITMAP_BYTES_MAX = 64 * 1024 * 1024
"""What the bitmaps of one measure may take; beyond that they stay lists."""


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


def united(columns: Sequence[pa.ChunkedArray], fields: Sequence[pa.Field], dictionaries: KnownDictionaries) -> United:
    """Return columns of distinct values of several nodes under one numbering.

    Raises:
        PartialAnswerError: a node sent neither lists nor bitmaps.
    """
    whole = [_combined(column) for column in columns]
    numbered = [is_numbered(field) for field in fields]
    plain = [_values(c) for c, by_token in zip(whole, numbered, strict=True) if not (by_token or _is_bitmap(c))]
    if any(numbered):
        if len(plain) + sum(numbered) < len(whole) or any(not pa.types.is_string(one.type) for one in plain):
            raise PartialAnswerError("some nodes sent texts, and others what is none")
        return _united(dictionaries.sets(whole, fields))
    if all(_is_whole(values.type) for values in plain):
        return _united([_set_of(column, field) for column, field in zip(whole, fields, strict=True)])
    if len(plain) < len(whole):
        raise PartialAnswerError("some nodes sent bitmaps, and others values that are no whole numbers")
    return _numbered(whole, plain)


def _united(sets: Sequence[NumberSets]) -> United:
    """Return sets of numbers as bitmaps where those are small enough, and as lists otherwise."""
    ranges = [found for one in sets if (found := one.range) is not None] or [(0, 0)]
    low, high = aligned(min(low for low, _ in ranges), max(high for _, high in ranges))
    size = (high - low + 1) // 8
    if size * sum(one.rows for one in sets) > BITMAP_BYTES_MAX:
        return United(tuple(list_array(one.lists(), pa.int64()) for one in sets), bitmaps=False)
    return United(tuple(bitmap_array([*one.bits(low, size)], size) for one in sets), bitmaps=True)


def _numbered(columns: Sequence[pa.Array], values: Sequence[pa.Array]) -> United:
    """Return values of any type by their numbers in one dictionary."""
    if len({str(one.type) for one in values}) > 1:
        raise PartialAnswerError("nodes sent distinct values of different types")
    together = pa.concat_arrays(values)
    if pa.types.is_floating(together.type):
        together = pc.add(together, pa.scalar(0.0, together.type))  # there is one zero
    try:
        codes = integers(together.dictionary_encode().indices)
    except pa.ArrowNotImplementedError:
        return United(tuple(columns), bitmaps=False, numbered=False)  # arrays have no dictionary
    starts = accumulate((len(one) for one in values), initial=0)
    parts = (codes[start : start + len(one)] for start, one in zip(starts, values, strict=False))
    counts = (integers(pc.list_value_length(column).fill_null(0)) for column in columns)
    return _united([*map(Lists, parts, counts)])


def _set_of(column: pa.Array, field: pa.Field) -> NumberSets:
    return Bitmaps(matrix_of(column), _low(field)) if _is_bitmap(column) else lists_of(_values(column), column)


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


def _is_bitmap(column: pa.Array) -> bool:
    return bool(pa.types.is_binary(column.type))


def _is_whole(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind)) and kind != pa.uint64()
