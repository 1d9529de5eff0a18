"""Answers in batches of Arrow are the answers that come whole, and are sent before the last row is read."""

from __future__ import annotations

import asyncio
from typing import Any

import pyarrow as pa
import pytest

from app_framework.database import Database, Table
from app_framework.olap import (
    Cube,
    CubeDefinition,
    CubeQuery,
    MeasureOverflowError,
    QueryTimeoutError,
    TooLargeError,
    arrow,
)
from app_framework.olap.sql import write_sql
from app_framework.testing import GoldenFiles

EVERY = {"measures": ["flights", "distance"], "levels": ["tailnum", "month", "day", "hour"]}


def received(cube: Cube, **question: Any) -> pa.Table:
    stream = asyncio.run(cube.query_stream(CubeQuery(**question)))
    return pa.ipc.open_stream(b"".join(arrow.cell_pieces(stream))).read_all()


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"totals": "all", "order": [{"by": "flights", "descending": True}]},
        {"limit": 3, "offset": 2},
        {"limit": 0},
        {"offset": 400_000},
        {"totals": "grand", "limit": 2, "offset": 1},
        {"levels": []},
        {"levels": ["origin"], "where": {"origin": "ZZZ"}},
    ],
)
def test_a_stream_is_the_same_answer(flights: Cube, more: dict[str, Any]) -> None:
    """Every row and type, whatever is asked: in order, with totals, with a part of it, with nothing."""
    question = {**EVERY, **more}
    whole = asyncio.run(flights.query_arrow(CubeQuery(**question)))
    assert received(flights, **question).equals(arrow.to_table(whole))


def test_a_large_answer_begins_before_it_is_read(flights: Cube, database: Database) -> None:
    """Its first bytes are there while the rest is with the engine, which lets go of it when nobody wants it."""
    stream = asyncio.run(flights.query_stream(CubeQuery(**EVERY)))  # type: ignore[arg-type]
    assert (stream.complete, len(database._streams)) == (False, 1)
    pieces = arrow.cell_pieces(stream)
    schema, first = next(pieces), next(pieces)
    assert len(schema) < 2_000 < len(first)
    stream.close()
    assert not database._streams
    small = asyncio.run(flights.query_stream(CubeQuery(measures=["flights"])))
    assert (small.complete, len(database._streams)) == (True, 0)


def test_a_stream_that_is_too_large_is_refused_before_its_first_row(flights: Cube, database: Database) -> None:
    """As an answer that comes whole; what a limit leaves may be asked."""
    cube = Cube(flights.model, database, rows_max=12)
    assert received(cube, measures=["flights"], levels=["month"]).num_rows == 12
    assert received(cube, measures=["flights"], levels=["day"], limit=12).num_rows == 12
    assert received(cube, measures=["flights"], levels=["day"], offset=25).num_rows == 6
    for more in ({}, {"limit": 13}, {"offset": 5}, {"limit": 12, "totals": "grand"}):
        with pytest.raises(TooLargeError):
            received(cube, measures=["flights"], levels=["day"], **more)
    assert not database._streams


def test_what_cannot_be_computed_is_blamed_in_a_stream_too() -> None:
    table = Table("t", columns={"x": "bigint"})
    with Database.open(tables=[table]) as opened:
        opened.submit_job(lambda cursor: cursor.execute("INSERT INTO t VALUES (9223372036854775807), (1)")).result()
        definition = CubeDefinition.of(
            "c", base="t", dimensions={"X": ["x"]}, measures={"n": {"count": "*"}, "s": {"sum": "x"}}
        )
        with pytest.raises(MeasureOverflowError, match="measure 's' cannot be computed"):
            received(Cube.of(definition, opened), measures=["n", "s"])


def test_a_stream_ends_at_its_timeout(flights: Cube, database: Database) -> None:
    with pytest.raises(QueryTimeoutError):
        received(flights, **EVERY, timeout="1ms")
    assert not database._streams


def test_the_statement_counts_what_it_yields(flights: Cube, golden: GoldenFiles) -> None:
    """Once, where the cells are sorted, so that it is known from the first row."""
    query = CubeQuery(measures=["flights"], levels=["origin"], totals="grand")
    golden("counted.sql", f"{write_sql(flights.plan(query), 1000, counted=True)}\n")
