"""Which format fits which type: numbers have one, and dates and times."""

from __future__ import annotations

from app_framework.database.datatype import DataType
from app_framework.format import Format, FormatError, NumberFormat, time_format

__all__ = ["Format", "FormatError", "NumberFormat", "read_format"]


def read_format(text: str, kind: DataType) -> Format:
    """Return what a format writes of values of type `kind`.

    Raises:
        FormatError: it is none, or values of this type have none.
    """
    if kind.numeric:
        return NumberFormat.parse(text).write
    if kind.family not in ("date", "time", "timestamp", "zoned"):
        raise FormatError(f"only numbers, dates and times have a format; this is {kind.name}")
    return time_format(text)
