"""Answers as Arrow; no other file imports pyarrow, and this one not before somebody wants Arrow."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, cast

from app_framework.database.datatype import DataType
from app_framework.database.rows import ArrowTable, Row
from app_framework.olap.cellset import CellColumn, CellSet

if TYPE_CHECKING:
    import pyarrow as pa

GROUPING = "grouping"
BATCH_ROWS_MAX = 65_536


class ArrowCellSet(CellSet):
    """An answer that came as Arrow and becomes Python values only when it must."""

    def __init__(
        self,
        cube: str,
        columns: Sequence[CellColumn],
        table: ArrowTable,
        *,
        grouped: bool,
        versions: Mapping[str, int],
        elapsed_ms: float,
    ) -> None:
        import pyarrow as pa

        super().__init__(cube, columns, rows=[], versions=versions, elapsed_ms=elapsed_ms)
        self._rows = None
        cells = cast("pa.Table", table)
        bits = cells.column(cells.num_columns - 1) if grouped else pa.nulls(cells.num_rows, pa.int64()).fill_null(0)
        fields = [pa.field(column.name, _arrow_type(column)) for column in columns]
        values = [cells.column(i).cast(field.type) for i, field in enumerate(fields)]
        self.table = pa.table(
            [*values, bits.cast(pa.int64())], schema=pa.schema([*fields, pa.field(GROUPING, pa.int64())])
        )

    @property
    def data(self) -> Sequence[list[object]]:
        """The cells by column."""
        if self._data is None:
            self._data = [self.table.column(i).to_pylist() for i in range(len(self.columns))]
        return self._data

    @property
    def rows(self) -> list[Row]:
        """The cells by row."""
        if self._rows is None:
            self._rows = list(zip(*self.data, strict=True))
        return self._rows

    @property
    def grouping(self) -> list[int]:
        """Per row, bit i set where level i is rolled up."""
        if self._grouping is None:
            self._grouping = cast("list[int]", self.table.column(GROUPING).to_pylist())
        return self._grouping

    def __len__(self) -> int:
        return int(self.table.num_rows)


def to_table(cell_set: CellSet) -> pa.Table:
    """Return an answer as a table: its columns, then ``grouping``; cube, versions and partial as schema metadata."""
    import pyarrow as pa

    metadata = {
        "cube": cell_set.cube,
        "versions": json.dumps(cell_set.versions),
        "partial": json.dumps(cell_set.partial),
    }
    if isinstance(cell_set, ArrowCellSet):
        return cell_set.table.replace_schema_metadata(metadata)
    fields = [pa.field(column.name, _arrow_type(column)) for column in cell_set.columns]
    arrays = [pa.array(values, field.type) for values, field in zip(cell_set.data, fields, strict=True)]
    schema = pa.schema([*fields, pa.field(GROUPING, pa.int64())], metadata=metadata)
    return pa.table([*arrays, pa.array(cell_set.grouping, pa.int64())], schema=schema)


def to_ipc_stream(cell_set: CellSet) -> bytes:
    """Return an answer as the bytes of an Arrow IPC stream (``application/vnd.apache.arrow.stream``)."""
    import pyarrow as pa

    table = to_table(cell_set)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=BATCH_ROWS_MAX)
    return cast("bytes", sink.getvalue().to_pybytes())


def _arrow_type(column: CellColumn) -> pa.DataType:
    import pyarrow as pa

    kind = DataType.parse(column.type)
    if kind.family == "decimal":
        return pa.decimal128(kind.width, kind.scale)
    if kind.family == "zoned":
        return pa.timestamp("us", "UTC")
    return pa.type_for_alias(_ALIASES.get(kind.name, kind.name))


_ALIASES = {"boolean": "bool", "date": "date32", "time": "time64[us]", "timestamp": "timestamp[us]", "uuid": "string"}


class ArrowWindows:
    """Columns of values kept in Arrow, of which windows are sent: what somebody scrolls through.

    Args:
        columns: name → Arrow's name of its type, and its values.

    >>> windows = ArrowWindows({"city": ("string", ["Oslo", "Rome"]), "sold": ("double", [3.0, None])})
    >>> len(windows), windows.extremes("sold")
    (2, (3.0, 3.0))
    """

    def __init__(self, columns: Mapping[str, tuple[str, Sequence[object]]]) -> None:
        import pyarrow as pa

        types = {name: pa.type_for_alias(alias) for name, (alias, _) in columns.items()}
        arrays = [pa.array(values, types[name]) for name, (_, values) in columns.items()]
        self._batch = pa.RecordBatch.from_arrays(arrays, schema=pa.schema(list(types.items())))

    def window(self, names: Sequence[str], rows: Sequence[int] | range) -> bytes:
        """Return some rows of some columns as an Arrow IPC stream, which has a batch also when it has no rows."""
        import pyarrow as pa

        batch = self._batch.select(list(names))
        if isinstance(rows, range) and rows.step == 1:
            batch = batch.slice(rows.start, len(rows))
        else:
            batch = batch.take(pa.array(rows, pa.int64()))
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, batch.schema) as writer:
            writer.write_batch(batch)
        return cast("bytes", sink.getvalue().to_pybytes())

    def extremes(self, name: str) -> tuple[object, object]:
        """Return the least and the largest value of a column, None for both when it has none."""
        values = [value for value in self._batch.column(name).to_pylist() if value is not None]
        return (min(values), max(values)) if values else (None, None)

    def __len__(self) -> int:
        return int(self._batch.num_rows)
