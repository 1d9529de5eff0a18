"""Rows of files: every format gives the same rows, and a JSON list is read in pieces as if it were read at once."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app_framework.database import Database, Insert, Table
from app_framework.olap import row_formats
from app_framework.olap.row_formats import ROW_FORMATS, RowFormat, RowFormatError, format_of, read_rows

ROWS = [{"id": 1, "item": "tea"}, {"id": 2, "item": None}]
TABLE = Table("sales", columns={"id": "int", "item": "text"})


@pytest.fixture(scope="module")
def database() -> Iterator[Database]:
    with Database.open(tables=[TABLE]) as database:
        yield database


def written(row_format: RowFormat, *, as_file: bool = False) -> bytes:
    """Return the rows as a file has them."""
    table, sink = pa.Table.from_pylist(ROWS), io.BytesIO()
    if row_format == "parquet":
        pq.write_table(table, sink)
    elif row_format == "arrow":
        with (pa.ipc.new_file if as_file else pa.ipc.new_stream)(sink, table.schema) as writer:
            writer.write_table(table)
    else:
        texts = {
            "json": json.dumps(ROWS, indent=1),
            "ndjson": "\n".join(json.dumps(row) for row in ROWS),
            "csv": "item,id\ntea,1\n,2\n",
        }
        sink.write(texts[row_format].encode("utf-8-sig" if row_format == "csv" else "utf-8"))
    return sink.getvalue()


@pytest.mark.parametrize(("row_format", "as_file"), [*((each, False) for each in ROW_FORMATS), ("arrow", True)])
def test_every_format_gives_the_same_rows(row_format: RowFormat, as_file: bool, database: Database) -> None:
    before = database.version
    insert = read_rows(io.BytesIO(written(row_format, as_file=as_file)), row_format, database.tables["sales"])
    commit = database.commit([insert])
    view = database.query("SELECT id, item FROM sales ORDER BY id")
    assert (commit.rows, commit.version > before) == ((2,), True)
    assert set(view) == {(1, "tea"), (2, None)}


def test_a_name_says_which_format_a_file_has() -> None:
    names = ["a.json", "a.jsonl", "a.ndjson", "A.CSV", "a.b.parquet", "a.arrow", "a.arrows", "csv", "a.csv.tmp"]
    assert [format_of(name) for name in names] == [
        "json", "ndjson", "ndjson", "csv", "parquet", "arrow", "arrow", None, None,
    ]  # fmt: skip


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.decimals(allow_nan=False, allow_infinity=False, places=3)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


class _Digits(float):
    """A decimal as `json.dumps` writes it digit by digit."""

    def __init__(self, value: Decimal) -> None:
        self.value = value

    def __repr__(self) -> str:
        return f"{self.value:f}"


def digits(value: Any) -> Any:
    if isinstance(value, Decimal):
        return _Digits(value)
    if isinstance(value, dict):
        return {key: digits(each) for key, each in value.items()}
    return [digits(each) for each in value] if isinstance(value, list) else value


def json_rows(text: bytes, database: Database) -> list[object]:
    rows = read_rows(io.BytesIO(text), "json", database.tables["sales"]).rows
    assert isinstance(rows, Iterable)
    return list(rows)


@settings(max_examples=25, deadline=None)
@given(rows=st.lists(st.dictionaries(st.text(max_size=3), VALUES, max_size=3)), piece=st.integers(1, 9))
def test_a_list_in_pieces_is_the_list(database: Database, rows: list[dict[str, Any]], piece: int) -> None:
    """However small the pieces are, and whatever stands between the values."""
    text = json.dumps([digits(row) for row in rows], indent=piece % 3 or None, ensure_ascii=False).encode(
        "utf-8", "surrogatepass"
    )
    patch = pytest.MonkeyPatch()
    try:
        patch.setattr(row_formats, "CHUNK_CHARS", piece)
        assert json_rows(text, database) == json.loads(text, parse_float=Decimal)
    finally:
        patch.undo()


@pytest.mark.parametrize("piece", [1, 7, 1 << 16])
@pytest.mark.parametrize(
    "text", ["", "[", "[1,", '[{"a": 1} {}]', '[{"a": 1}\n,\n {"b" 2}]', "[{}] x", '[{"a": "x]', "[,]", "[{},]"]
)
def test_what_is_no_json_is_told_with_line_and_column(
    text: str, piece: int, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same place as if it were read at once."""
    monkeypatch.setattr(row_formats, "CHUNK_CHARS", piece)
    with pytest.raises(json.JSONDecodeError) as whole:
        json.loads(text)
    with pytest.raises(RowFormatError) as pieces:
        json_rows(text.encode(), database)
    place = f"line {whole.value.lineno} column {whole.value.colno}"
    assert str(pieces.value).endswith(place) or whole.value.msg.startswith("Illegal trailing comma")


@pytest.mark.parametrize(
    ("row_format", "content", "told"),
    [
        ("json", b"3", "it is a list of rows"),
        ("json", b'[{"a": NaN}]', "it is not JSON: NaN is no number of JSON"),
        ("json", b"[" + b"[" * 100_000, "it is nested too deeply"),
        ("json", b'["' + b"x" * 99, "No row ends within 50 signs"),
        ("ndjson", b"x" * 99, "it has a line of more than 50 bytes"),
        ("csv", b"", "it has no header"),
        ("arrow", b"ARROW1", "it is not Arrow: "),
        ("parquet", b"PAR1", "it is not Parquet: "),
    ],
)
def test_what_is_not_of_its_format_is_refused(
    row_format: RowFormat, content: bytes, told: str, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "50" in told:
        monkeypatch.setattr(row_formats, "ROW_CHARS_MAX", 50)
        monkeypatch.setattr(row_formats, "CHUNK_CHARS", 10)
    with pytest.raises(RowFormatError) as refused:
        database.commit([read_rows(io.BytesIO(content), row_format, database.tables["sales"])])
    assert told in str(refused.value)


def test_a_list_of_many_rows_needs_the_memory_of_a_few(database: Database) -> None:
    """A megabyte and a half is read with a few hundred kilobytes of text in memory."""
    reader = row_formats._JsonReader(io.TextIOWrapper(io.BufferedReader(_Endless(50_000))))
    assert max(len(reader._text) for _ in reader.rows()) < 4 * row_formats.CHUNK_CHARS


class _Endless(io.RawIOBase):
    """A list of so many rows, made while it is read."""

    def __init__(self, rows: int) -> None:
        self._pieces = iter([b"[", *(b'{"id": %d, "item": "tea"},' % n for n in range(rows)), b"{}]"])

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        piece = next(self._pieces, b"")
        buffer[: len(piece)] = piece
        return len(piece)


def test_rows_of_an_insert_are_read_when_they_are_inserted(database: Database) -> None:
    insert = read_rows(io.BytesIO(b"[{}, 3"), "json", database.tables["sales"])
    assert isinstance(insert, Insert)
    with pytest.raises(RowFormatError):
        database.commit([insert])
