"""Answers and rows as Arrow; no other file imports pyarrow, and this one not before somebody wants Arrow."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import IO, TYPE_CHECKING, cast

from app_framework.database.changes import ArrowStream
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


def read_ipc_stream(file: IO[bytes]) -> ArrowStream:
    """Return the rows of an Arrow IPC stream, read while they are used.

    Raises:
        ValueError: the file does not begin like one.
    """
    import pyarrow as pa

    try:
        reader = pa.ipc.open_stream(file)
    except (pa.ArrowException, OSError) as error:
        raise ValueError(str(error)) from error
    return _checked(reader.schema, reader)


def read_parquet(file: IO[bytes]) -> ArrowStream:
    """Return the rows of a Parquet file, read while they are used.

    Raises:
        ValueError: it is none.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        parquet = pq.ParquetFile(file)
        return _checked(parquet.schema_arrow, parquet.iter_batches(BATCH_ROWS_MAX))
    except (pa.ArrowException, OSError) as error:
        raise ValueError(str(error)) from error


def _checked(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> ArrowStream:
    """Return batches whose offsets and texts were looked at: they come from strangers."""
    import pyarrow as pa

    def valid() -> Iterator[pa.RecordBatch]:
        for batch in batches:
            batch.validate(full=True)
            yield batch

    return cast("ArrowStream", pa.RecordBatchReader.from_batches(schema, valid()))


def _arrow_type(column: CellColumn) -> pa.DataType:
    import pyarrow as pa

    kind = DataType.parse(column.type)
    if kind.family == "decimal":
        return pa.decimal128(kind.width, kind.scale)
    if kind.family == "zoned":
        return pa.timestamp("us", "UTC")
    return pa.type_for_alias(_ALIASES.get(kind.name, kind.name))


_ALIASES = {"boolean": "bool", "date": "date32", "time": "time64[us]", "timestamp": "timestamp[us]", "uuid": "string"}
