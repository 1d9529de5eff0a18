"""Answers as people and programs read them: a table, JSON, CSV, Arrow."""

from __future__ import annotations

import asyncio
import json
import math
from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pytest

from app_framework.olap import CellColumn, CellSet, Cube, CubeQuery, arrow

COLUMNS = [
    CellColumn("origin", "level", "string"),
    CellColumn("day", "level", "date"),
    CellColumn("price", "measure", "decimal(38,2)", "0.00"),
    CellColumn("mean", "measure", "double"),
]
ROWS: list[tuple[object, ...]] = [
    ("JFK", date(2013, 1, 1), Decimal("1.50"), 0.5),
    (None, None, None, math.nan),
    ("JFK", None, Decimal("1.50"), 0.5),
    (None, None, Decimal("1.50"), 0.5),
]


def cells(rows: list[tuple[object, ...]] = ROWS, **more: object) -> CellSet:
    return CellSet("c", COLUMNS, rows=rows, grouping=[0, 0, 2, 3][: len(rows)], versions={"n": 3}, **more)  # type: ignore[arg-type]


def test_it_prints_as_a_table() -> None:
    """A missing member is N/A, a rolled-up one says so."""
    assert repr(cells()) == (
        "origin  day         price  mean\n"
        "------  ----------  -----  ----\n"
        "JFK     2013-01-01   1.50   0.5\n"
        "N/A     N/A           N/A   N/A\n"
        "JFK     (all)        1.50   0.5\n"
        "(all)   (all)        1.50   0.5"
    )


def test_a_long_table_is_cut() -> None:
    answer = CellSet("c", COLUMNS[:1], rows=[(str(i),) for i in range(1_030)])
    assert repr(answer).endswith("… and 1,010 more rows")


def test_csv_has_na_for_a_missing_member_and_nothing_for_a_rolled_up_one() -> None:
    assert cells().to_csv().replace("\r\n", "\n") == (
        "origin,day,price,mean,grouping\nJFK,2013-01-01,1.50,0.5,0\nN/A,N/A,,,0\nJFK,,1.50,0.5,2\n,,1.50,0.5,3\n"
    )


def test_the_document_is_the_promised_one() -> None:
    document = cells(elapsed_ms=4.1234).to_dict()
    assert json.loads(json.dumps(document, default=str))["columns"] == [
        {"name": "origin", "role": "level", "type": "string"},
        {"name": "day", "role": "level", "type": "date"},
        {"name": "price", "role": "measure", "type": "decimal(38,2)", "format": "0.00"},
        {"name": "mean", "role": "measure", "type": "double", "format": None},
    ]
    assert list(document) == ["cube", "columns", "rows", "grouping", "versions", "partial", "elapsed_ms"]
    assert (document["grouping"], document["versions"], document["partial"]) == ([0, 0, 2, 3], {"n": 3}, False)
    assert document["elapsed_ms"] == 4.123


def test_a_partial_answer_says_what_is_missing() -> None:
    missing = [{"node": "d2", "members": {"origin": ["LGA"]}}]
    assert cells(partial=True, missing=missing).to_dict()["missing"] == missing


def test_equality_looks_at_columns_rows_and_grouping() -> None:
    """Floats to nine digits; versions and time do not count."""
    nearly = [(*row[:3], row[3] * (1 + 1e-12)) for row in ROWS]  # type: ignore[operator]
    assert cells() == cells(nearly, elapsed_ms=9)
    assert cells() != cells([(*row[:3], 0.6) for row in ROWS])
    assert cells() != CellSet("c", COLUMNS, rows=ROWS, grouping=[0, 0, 0, 3])
    assert cells() != CellSet("c", COLUMNS[:3], rows=[row[:3] for row in ROWS], grouping=[0, 0, 2, 3])
    assert cells() == CellSet(
        "c", COLUMNS, data=[list(column) for column in zip(*ROWS, strict=True)], grouping=[0, 0, 2, 3]
    )


def test_columns_are_found_by_name() -> None:
    assert cells().column("price") == [Decimal("1.50"), None, Decimal("1.50"), Decimal("1.50")]
    with pytest.raises(KeyError):
        cells().column("prise")


def test_arrow_ends_with_grouping_and_carries_what_json_carries() -> None:
    table = arrow.to_table(cells())
    assert table.schema.names == ["origin", "day", "price", "mean", "grouping"]
    assert [str(field.type) for field in table.schema] == [
        "string",
        "date32[day]",
        "decimal128(38, 2)",
        "double",
        "int64",
    ]
    assert table.schema.metadata == {b"cube": b"c", b"versions": b'{"n": 3}', b"partial": b"false"}
    assert table.column("grouping").to_pylist() == [0, 0, 2, 3]


def test_an_arrow_answer_is_the_same_answer(flights: Cube) -> None:
    """Fetched in another form, equal in every value and type, through a stream and back."""
    question = CubeQuery(
        measures=["flights", "cancelled_pct", "first_hour"], levels=["origin", "maker"], totals="all", limit=20
    )
    plain, fetched = flights.query_sync(question), asyncio.run(flights.query_arrow(question))
    assert plain == fetched
    received = pa.ipc.open_stream(arrow.to_ipc_stream(fetched)).read_all()
    assert received.equals(arrow.to_table(plain))
    assert received.column("first_hour")[0].as_py() == datetime(2013, 1, 1, 11, tzinfo=UTC)


def test_an_empty_answer_has_its_columns(flights: Cube) -> None:
    question = CubeQuery(measures=["flights"], levels=["origin"], where={"origin": "ZZZ"})
    assert len(flights.query_sync(question)) == 0
    assert arrow.to_table(asyncio.run(flights.query_arrow(question))).schema.names == ["origin", "flights", "grouping"]
    assert flights.query_sync(question).data == [[], []]
