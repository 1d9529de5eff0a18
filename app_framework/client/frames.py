"""Rows as Arrow tables and data frames; the libraries for them are imported when they are asked for.

What is not installed is named, with the command that installs it.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time
from typing import TYPE_CHECKING, Any

from app_framework.client.errors import MissingLibraryError

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow

_DECIMAL = re.compile(r"decimal\((\d+),(\d+)\)")
_ARROW_NAMES = {
    "boolean": "bool", "date": "date32", "time": "time64[us]", "timestamp": "timestamp[us]", "uuid": "string",
}  # fmt: skip
_READ: Mapping[str, Callable[[str], object]] = {
    "date": date.fromisoformat,
    "time": time.fromisoformat,
    "timestamp": datetime.fromisoformat,
    "timestamp[UTC]": datetime.fromisoformat,
}
"""What JSON writes as text."""


def to_arrow(
    columns: Sequence[tuple[str, str]], rows: Sequence[Sequence[Any]], metadata: Mapping[str, str]
) -> pyarrow.Table:
    """Return rows as a table.

    Args:
        columns: name and type of each, as an answer says them.
        rows: the values as they came in JSON.
        metadata: for the schema.

    Raises:
        MissingLibraryError: pyarrow is not installed.
    """
    arrow = _library("pyarrow", "Arrow tables")
    fields = [arrow.field(name, _arrow_type(arrow, kind)) for name, kind in columns]
    arrays = [
        arrow.array([_value(kind, row[place]) for row in rows], field.type)
        for place, ((_, kind), field) in enumerate(zip(columns, fields, strict=True))
    ]
    table: pyarrow.Table = arrow.table(arrays, schema=arrow.schema(fields, metadata=dict(metadata)))
    return table


def read_arrow(stream: bytes) -> pyarrow.Table:
    """Return the table that an Arrow IPC stream holds.

    Raises:
        MissingLibraryError: pyarrow is not installed.
    """
    arrow = _library("pyarrow", "Arrow tables")
    table: pyarrow.Table = arrow.ipc.open_stream(stream).read_all()
    return table


def to_polars(table: pyarrow.Table) -> polars.DataFrame:
    """Return a table as a frame of polars, whose memory it shares.

    Raises:
        MissingLibraryError: polars is not installed.
    """
    frame: polars.DataFrame = _library("polars", "polars frames").from_arrow(table)
    return frame


def to_pandas(table: pyarrow.Table) -> pandas.DataFrame:
    """Return a table as a frame of pandas.

    Raises:
        MissingLibraryError: pandas is not installed.
    """
    _library("pandas", "pandas frames")
    frame: pandas.DataFrame = table.to_pandas()
    return frame


def _library(name: str, wanted: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise MissingLibraryError(error.name or name, wanted) from error


def _arrow_type(arrow: Any, kind: str) -> Any:
    if kind.endswith("[]"):
        return arrow.list_(_arrow_type(arrow, kind.removesuffix("[]")))
    if decimal := _DECIMAL.fullmatch(kind):
        return arrow.decimal128(int(decimal[1]), int(decimal[2]))
    if kind == "timestamp[UTC]":
        return arrow.timestamp("us", "UTC")
    return arrow.type_for_alias(_ARROW_NAMES.get(kind, kind))


def _value(kind: str, value: Any) -> Any:
    read = _READ.get(kind)
    return read(value) if read is not None and isinstance(value, str) else value
