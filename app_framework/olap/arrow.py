"""Answers as Arrow; no other file imports pyarrow, and this one not before somebody wants Arrow."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import IO, TYPE_CHECKING, cast

from app_framework.database.changes import ArrowStream
from app_framework.database.datatype import DataType
from app_framework.database.rows import ArrowBatch, ArrowTable, Row
from app_framework.olap.cellset import CellColumn, CellSet, value_text
from app_framework.olap.cellstream import CellStream
from app_framework.olap.rowset import RowSet, RowSetColumn

if TYPE_CHECKING:
    import pyarrow as pa

GROUPING = "grouping"
BATCH_ROWS_MAX = 65_536
FILE_MAGIC = b"ARROW1"


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
        schema = _schema(columns)
        self.table = pa.table(_arrays(cast("pa.Table", table), schema, grouped), schema=schema)

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

    if isinstance(cell_set, ArrowCellSet):
        return cell_set.table.replace_schema_metadata(_metadata(cell_set))
    schema = _schema(cell_set.columns).with_metadata(_metadata(cell_set))
    columns = [*cell_set.data, cell_set.grouping]
    return pa.table(
        [pa.array(values, field.type) for values, field in zip(columns, schema, strict=True)], schema=schema
    )


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


def read_ipc(file: IO[bytes]) -> ArrowStream:
    """Return the rows of an Arrow stream or of an Arrow file, read while they are used.

    Raises:
        ValueError: it is neither.
    """
    import pyarrow as pa

    begins = file.read(len(FILE_MAGIC))
    file.seek(0)
    if begins != FILE_MAGIC:
        return read_ipc_stream(file)
    try:
        reader = pa.ipc.open_file(file)
    except (pa.ArrowException, OSError) as error:
        raise ValueError(str(error)) from error
    return _checked(reader.schema, (reader.get_batch(place) for place in range(reader.num_record_batches)))


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


def cell_pieces(cells: CellStream) -> Iterator[bytes]:
    """Yield the bytes of the same stream while the rows are still being read."""
    import pyarrow as pa

    schema = _schema(cells.columns).with_metadata(_metadata(cells))
    batches = (cast("pa.RecordBatch", batch) for batch in cells)
    return _ipc_pieces(
        schema, (pa.record_batch(_arrays(batch, schema, cells.grouped), schema=schema) for batch in batches)
    )


def table_batches(table: ArrowTable) -> Iterator[ArrowBatch]:
    """Return an answer of the engine that is there as a whole in batches."""
    return iter(cast("list[ArrowBatch]", cast("pa.Table", table).to_batches(max_chunksize=BATCH_ROWS_MAX)))


class FunctionResultError(ValueError):
    """A Python function returned what is no column of its measure."""


def apply_function(cells: ArrowTable, function: Callable[..., object], kind: DataType) -> ArrowStream:
    """Return what a function makes of columns, as the columns ``row`` and ``value``.

    It is called once for the cells of each grouping, because a total is no cell beside those it adds up.

    Args:
        cells: the number of the row, its grouping, and then the columns that the function gets.
        function: gets a `pyarrow.Array` for each and returns another of the same length.
        kind: the type of its results.

    Raises:
        FunctionResultError: it returned anything else.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    table, wanted = cast("pa.Table", cells), arrow_type(kind.name)
    pieces = [pa.table({"row": pa.array([], pa.int64()), "value": pa.array([], wanted)})]
    for grouping in pc.unique(table.column(1)):
        part = table.filter(pc.equal(table.column(1), grouping))
        results = function(*(column.combine_chunks() for column in part.columns[2:]))
        pieces.append(pa.table({"row": part.column(0), "value": _result(results, part.num_rows, wanted)}))
    return cast("ArrowStream", pa.concat_tables(pieces))


def _result(results: object, count: int, wanted: pa.DataType) -> pa.Array:
    import pyarrow as pa

    if isinstance(results, pa.ChunkedArray):
        results = results.combine_chunks()
    if isinstance(results, str | bytes | Mapping) or not hasattr(results, "__len__"):
        raise FunctionResultError(f"returned {type(results).__name__}, not an array of {count} results")
    try:
        array = results if isinstance(results, pa.Array) else pa.array(results)
        if len(array) != count:
            raise FunctionResultError(f"returned {len(array)} results for {count} cells")
        if _nature(array.type) not in ("null", _nature(wanted)):
            raise FunctionResultError(f"returned {array.type}, not {wanted}")
        return array.cast(wanted)
    except (pa.ArrowException, TypeError, OverflowError) as error:
        raise FunctionResultError(f"returned what is not {wanted}: {str(error).partition(chr(10))[0]}") from error


def _nature(kind: pa.DataType) -> str:
    """Return what values of a type are: a cast never makes a number of a text, nor a text of a number."""
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        return _nature(kind.value_type)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return f"list of {_nature(kind.value_type)}"
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return "number"
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return "text"
    return "date" if pa.types.is_date(kind) else "time" if pa.types.is_timestamp(kind) else str(kind)


def row_pieces(rows: RowSet) -> Iterator[bytes]:
    """Yield the rows of a cell as an Arrow IPC stream, a batch at a time; cube and versions as schema metadata."""
    import pyarrow as pa

    fields = [pa.field(column.name, arrow_type(column.type)) for column in rows.columns]
    told = [column.type for column in rows.columns]
    metadata = {"cube": rows.cube, "versions": json.dumps(rows.versions), "count": str(rows.count)}
    metadata["types"] = json.dumps(told)
    schema = pa.schema(fields, metadata=metadata)
    yield from _ipc_pieces(schema, (_cast(batch, schema) for batch in rows.record_batches()))


class ArrowRows:
    """Rows of cells that came as Arrow from elsewhere: what a `RowSet` reads.

    Args:
        columns: of the rows.
        count: how many rows the cells count.
        versions: the data version of each node that they are from.
        table: the rows.
    """

    def __init__(
        self, columns: Sequence[RowSetColumn], count: int, versions: Mapping[str, int], table: pa.Table
    ) -> None:
        self.columns = tuple(columns)
        self.count = count
        self.versions = dict(versions)
        self._table = table

    @staticmethod
    def read(data: bytes) -> ArrowRows:
        """Return the rows that `row_pieces` wrote.

        Raises:
            ValueError: it wrote none of it.
        """
        import pyarrow as pa

        try:
            with pa.ipc.open_stream(pa.py_buffer(data)) as reader:
                table = reader.read_all()
            table.validate(full=True)
            told = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
            types, versions = json.loads(told["types"]), json.loads(told["versions"])
            columns = [RowSetColumn(name, str(kind)) for name, kind in zip(table.column_names, types, strict=True)]
            return ArrowRows(columns, int(told["count"]), versions, table.replace_schema_metadata(None))
        except (pa.ArrowException, OSError, KeyError) as error:
            raise ValueError(str(error)) from error

    @staticmethod
    def together(parts: Sequence[ArrowRows], limit: int | None) -> ArrowRows:
        """Return rows with the same columns one part after the other, at most so many."""
        import pyarrow as pa

        columns = parts[0].columns if parts else ()
        table = pa.concat_tables([part._table for part in parts]) if parts else pa.table({})
        return ArrowRows(columns, sum(part.count for part in parts), {}, table.slice(0, limit))

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> Iterator[list[Row]]:
        """Yield the rows in batches; there is no statement to run."""
        for batch in self._table.to_batches(max_chunksize=BATCH_ROWS_MAX):
            yield list(zip(*(column.to_pylist() for column in batch.columns), strict=True))

    def arrow(self, sql: str, parameters: Sequence[object], batch_rows: int) -> Iterator[ArrowBatch]:
        """Yield the rows in batches of Arrow; there is no statement to run."""
        return iter(cast("list[ArrowBatch]", self._table.to_batches(max_chunksize=batch_rows)))

    def close(self) -> None:
        """Nothing is held."""

    def __len__(self) -> int:
        return int(self._table.num_rows)

    def __repr__(self) -> str:
        return f"<ArrowRows {len(self):,} rows, {len(self.columns)} columns>"


def cell_stream(cells: CellSet) -> CellStream:
    """Return an answer that is there as a whole in batches."""
    return CellStream(
        cells.cube,
        cells.columns,
        table_batches(cast("ArrowTable", to_table(cells))),
        lambda: None,
        grouped=True,
        versions=cells.versions,
        partial=cells.partial,
        missing=cells.missing,
        elapsed_ms=cells.elapsed_ms,
    )


def _schema(columns: Sequence[CellColumn]) -> pa.Schema:
    import pyarrow as pa

    fields = [pa.field(column.name, arrow_type(column.type)) for column in columns]
    return pa.schema([*fields, pa.field(GROUPING, pa.int64())])


def _metadata(cells: CellSet | CellStream) -> dict[str, str]:
    told = {"cube": cells.cube, "versions": json.dumps(cells.versions), "partial": json.dumps(cells.partial)}
    return {**told, "missing": json.dumps(cells.missing, default=value_text)} if cells.partial else told


def _arrays(cells: pa.Table | pa.RecordBatch, schema: pa.Schema, grouped: bool) -> list[pa.Array]:
    """Return the engine's columns in the types of the answer; the bits are zero where there are no totals."""
    import pyarrow as pa

    places = range(len(schema) - 1)
    bits = cells.column(len(places)) if grouped else pa.nulls(cells.num_rows, pa.int64()).fill_null(0)
    return [*(cells.column(i).cast(schema.field(i).type) for i in places), bits.cast(pa.int64())]


def _cast(batch: object, schema: pa.Schema) -> pa.RecordBatch:
    """Return a batch of the engine in the types of the answer."""
    import pyarrow as pa

    cells = cast("pa.RecordBatch", batch)
    return pa.record_batch([cells.column(i).cast(field.type) for i, field in enumerate(schema)], schema=schema)


def _ipc_pieces(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Iterator[bytes]:
    """Yield the bytes of an IPC stream as soon as they are known: the schema, each batch, the end."""
    import pyarrow as pa

    sink = _Sink()
    with pa.ipc.new_stream(sink, schema) as writer:
        yield sink.take()
        for batch in batches:
            writer.write_batch(batch)
            yield sink.take()
    yield sink.take()


class _Sink:
    """A file that is only written to, and whose content is taken away piece by piece."""

    closed = False

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._pieces.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing waits anywhere."""

    def take(self) -> bytes:
        taken = b"".join(self._pieces)
        self._pieces.clear()
        return taken


def arrow_type(name: str) -> pa.DataType:
    """Return Arrow's type for one of answers."""
    import pyarrow as pa

    kind = DataType.parse(name)
    if kind.family == "array":
        return pa.list_(arrow_type(kind.element.name))
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
