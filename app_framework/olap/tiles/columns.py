"""Columns of Arrow as arrays of 64 bits: integers, decimals by their scale, times by their unit, and doubles.

Whatever does not fit into them exactly is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from app_framework.database.datatype import DataType

Numbers: TypeAlias = NDArray[Any]
"""Integers of 64 bits, or doubles."""

Mask: TypeAlias = NDArray[np.bool_]
LARGEST = 2**63 - 1

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - times without a zone are counted from it
_EPOCH_DAY = _EPOCH.toordinal()


@dataclass(frozen=True, slots=True)
class Column:
    """Numbers, and which of them are there; None where all are. What is not there is 0."""

    numbers: Numbers
    present: Mask | None = None

    def taken(self, places: NDArray[np.intp]) -> Column:
        """Return the numbers at these places."""
        return Column(self.numbers[places], None if self.present is None else self.present[places])


class UnfitColumnError(ValueError):
    """Values do not fit into 64 bits exactly."""


def read_column(column: Any, kind: DataType) -> Column:
    """Return a chunked array of pyarrow as numbers.

    Raises:
        UnfitColumnError: a type has no numbers, or a value does not fit.
    """
    present = None if column.null_count == 0 else np.asarray(column.is_valid().to_numpy(), dtype=np.bool_)
    if kind.family == "decimal":
        numbers: Numbers = _scaled(column, kind)
    elif kind.family == "float":
        numbers = _filled(column).to_numpy().astype(np.float64)
    elif kind.family in ("integer", "boolean") and kind.answered == kind:
        numbers = _integers(column)
    elif kind.sql in _UNITS:
        numbers = _filled(column.cast(_UNITS[kind.sql])).to_numpy().astype(np.int64)
    else:
        raise UnfitColumnError(kind.name)
    if present is not None:
        numbers = np.where(present, numbers, numbers.dtype.type(0))
    return Column(numbers, present)


def writer(kind: DataType) -> Callable[[list[int]], list[object]] | None:
    """Return what makes the values of an answer of integers; None where they are the values."""
    if kind.family == "decimal":
        unit = Decimal(1).scaleb(-kind.scale)
        return lambda numbers: [number * unit for number in numbers]
    if kind.family == "boolean":
        return lambda numbers: [bool(number) for number in numbers]
    if kind.family == "date":
        return lambda numbers: [date.fromordinal(number + _EPOCH_DAY) for number in numbers]
    if kind.family in ("timestamp", "zoned"):
        epoch = _EPOCH.replace(tzinfo=UTC) if kind.family == "zoned" else _EPOCH
        return lambda numbers: [epoch + timedelta(microseconds=number) for number in numbers]
    return None


def fits_python(numbers: NDArray[np.int64], kind: DataType) -> bool:
    """Return whether Python can write all of these dates and times: DuckDB's go further, to infinity."""
    if kind.family not in ("date", "timestamp", "zoned") or numbers.size == 0:
        return True
    days = 1 if kind.family == "date" else 24 * 3600 * 1_000_000
    low, high = (date.min.toordinal() - _EPOCH_DAY) * days, (date.max.toordinal() + 1 - _EPOCH_DAY) * days
    return bool(numbers.min() >= low and numbers.max() < high)


_UNITS = {"DATE": "int32", "TIMESTAMP": "int64", "TIMESTAMP WITH TIME ZONE": "int64"}
"""The integers that a time is; other units are cut when they are answered."""


def _filled(column: Any) -> Any:
    return column.fill_null(0)


def _integers(column: Any) -> NDArray[np.int64]:
    try:
        return cast("NDArray[np.int64]", _filled(column.cast("int64")).to_numpy())
    except ValueError as error:  # an integer beyond 64 bits; pyarrow's own error is one
        raise UnfitColumnError(str(error)) from error


def _scaled(column: Any, kind: DataType) -> NDArray[np.int64]:
    """Return decimals as integers: each is 128 bits, of which the higher half may only repeat the sign."""
    pieces = [np.empty(0, dtype=np.int64)]
    for chunk in column.chunks:
        if chunk.type.bit_width != 128 or chunk.type.scale != kind.scale:
            raise UnfitColumnError(str(chunk.type))
        halves = np.frombuffer(chunk.buffers()[1], dtype=np.int64)[2 * chunk.offset :][: 2 * len(chunk)].reshape(-1, 2)
        low, high = halves[:, 0], halves[:, 1]
        if chunk.null_count:
            there = chunk.is_valid().to_numpy(zero_copy_only=False)
            low, high = np.where(there, low, 0), np.where(there, high, 0)
        if not np.array_equal(high, low >> 63):
            raise UnfitColumnError("a decimal beyond 64 bits")
        pieces.append(low)
    return np.concatenate(pieces)
