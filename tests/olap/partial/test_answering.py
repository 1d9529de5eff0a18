"""What a node answers for its part, and what it refuses."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise

import pyarrow as pa
import pytest

from app_framework.database import Database, Insert, QueryTimeoutError, Table
from app_framework.olap import (
    Cube,
    CubeDefinition,
    MeasureOverflowError,
    QueryError,
    TooLargeError,
    UnknownBranchError,
    UnknownLevelError,
    UnknownMeasureError,
    UnknownVersionError,
)
from app_framework.olap.bitmaps import DistinctBitmaps
from app_framework.olap.filter import In
from app_framework.olap.partial import (
    PartialAnswer,
    PartialAnswerer,
    PartialAnswerError,
    PartialCell,
    PartialFrame,
    PartialQuestion,
    Restriction,
)
from app_framework.olap.partial.answer import CHUNK_BYTES

SALES = CubeDefinition.of(
    "sales",
    base="sales",
    dimensions={"Geo": ["city"], "Number": {"levels": {"number": "amount"}}},
    measures={
        "sold": {"sum": "amount"},
        "mean": {"avg": "amount"},
        "squares": {"sum": "amount * amount * amount * amount * amount * amount * amount * amount"},
        "twice": {"formula": "2 * sold"},
        "amounts": {"count_distinct": "amount"},
    },
)


@pytest.fixture
def database() -> Iterator[Database]:
    with Database.open(tables=[Table("sales", columns={"city": "varchar", "amount": "bigint"})]) as opened:
        opened.commit([Insert("sales", [{"city": "Graz", "amount": 1}, {"city": "Rome", "amount": 2}])])
        yield opened


@pytest.fixture
def answerer(database: Database) -> PartialAnswerer:
    return PartialAnswerer(Cube.of(SALES, database).model, database, rows_max=1000)


BY_CITY = PartialFrame(("Geo.Geo.city",), cells=(PartialCell("sold"),))
TOTAL = PartialFrame(cells=(PartialCell("sold"), PartialCell("mean")))


def ask(answerer: PartialAnswerer, *frames: PartialFrame, **how: object) -> PartialAnswer:
    question = PartialQuestion(frames)
    for name, value in how.items():
        object.__setattr__(question, name, value)
    return asyncio.run(answerer.answer(question))


def test_every_frame_is_a_table_of_keys_and_parts_of_one_version(answerer: PartialAnswerer, database: Database) -> None:
    """AA13: all of them as the same version has them, which the answer names."""
    answer = ask(answerer, BY_CITY, TOTAL)
    assert answer.version == database.version
    by_city, total = answer.tables
    assert by_city.column_names == ["Geo.Geo.city", "#0 0 sold"]
    assert sorted(by_city.column("#0 0 sold").to_pylist()) == [1, 2]
    assert total.to_pylist() == [{"#0 0 sold": 3, "#0 0 mean": 3, "#0 1 mean": 2}]


def test_an_older_version_and_a_branch_are_answered_as_they_are(answerer: PartialAnswerer, database: Database) -> None:
    """AA8, AA13: what is asked for, and not what is newest."""
    before = database.version
    database.create_branch("scenario").result()
    database.commit([Insert("sales", [{"city": "Oslo", "amount": 10}])])
    database.commit([Insert("sales", [{"city": "Bern", "amount": 100}])], branch="scenario")
    totals = [ask(answerer, TOTAL, **how) for how in ({}, {"version": before}, {"branch": "scenario"})]
    assert [answer.tables[0].column("#0 0 sold").to_pylist() for answer in totals] == [[13], [3], [103]]
    assert totals[1].version == before


def test_what_the_cube_does_not_have_is_refused_with_what_is_near(answerer: PartialAnswerer) -> None:
    """FA2: also to those who ask by message; all of it at once."""
    with pytest.raises(UnknownLevelError, match=r"no level 'Geo.Geo.citi'.*Geo.Geo.city"):
        ask(answerer, PartialFrame(("Geo.Geo.citi",)))
    with pytest.raises(UnknownMeasureError, match=r"no measure 'sould'.*sold"):
        ask(answerer, PartialFrame(cells=(PartialCell("sould"),)))
    with pytest.raises(QueryError, match="measure 'twice' has no parts"):
        ask(answerer, PartialFrame(cells=(PartialCell("twice"),)))
    with pytest.raises(QueryError, match="is not a member of a level of type int64"):
        ask(answerer, PartialFrame(where=(Restriction("Number.Number.number", In(("x",))),)))
    with pytest.raises(UnknownBranchError, match="branch"):
        ask(answerer, TOTAL, branch="nowhere")
    with pytest.raises(UnknownVersionError, match="Version 99 is not kept"):
        ask(answerer, TOTAL, version=99)


def test_a_node_keeps_to_its_own_limit_and_to_that_of_the_question(
    answerer: PartialAnswerer, database: Database
) -> None:
    """A13: whichever is smaller."""
    with pytest.raises(TooLargeError, match="more than 1 rows"):
        ask(answerer, BY_CITY, rows_max=1)
    database.commit([Insert("sales", [{"city": str(n)} for n in range(1000)])])
    with pytest.raises(TooLargeError, match="more than 1,000 rows"):
        ask(answerer, BY_CITY)


def test_a_part_that_cannot_be_computed_names_its_measure(answerer: PartialAnswerer, database: Database) -> None:
    """A1: where the rows are, too."""
    database.commit([Insert("sales", [{"amount": 10_000}])])
    with pytest.raises(MeasureOverflowError, match="measure 'squares' cannot be computed"):
        ask(answerer, PartialFrame(cells=(PartialCell("sold"), PartialCell("squares"))))


def test_bitmaps_that_a_commit_has_made_too_narrow_are_not_sent(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """AA1: the engine refuses a value outside of the range, and the values are sent in their place."""
    answerer = PartialAnswerer(Cube.of(SALES, database).model, database, bitmaps_from=0)
    frame = PartialFrame(cells=(PartialCell("amounts"),))
    [bitmaps] = ask(answerer, frame).tables
    assert bitmaps.column(0).to_pylist() == [b"\x60"]
    monkeypatch.setattr(DistinctBitmaps, "spans", lambda *_: {"amounts": (2**40, 2**40)})
    [values] = ask(answerer, frame).tables
    assert sorted(values.column(0).to_pylist()[0]) == [1, 2]


def test_a_question_ends_with_its_time(answerer: PartialAnswerer, database: Database) -> None:
    """A10: what waits behind others for longer than it may is over."""
    with pytest.raises(QueryTimeoutError):
        ask(answerer, BY_CITY, timeout_s=1e-9)


def test_an_answer_travels_in_pieces_that_a_messenger_carries() -> None:
    """A12: none larger than it may be, and the whole is the same."""
    tables = (pa.table({"key": [str(n) for n in range(50_000)]}), pa.table({"#rows": [3]}), pa.table({"k": [None]}))
    answer = PartialAnswer(7, tables, 1.5)
    chunks = [*answer.chunks()]
    assert [len(chunk) for chunk in chunks[:-1]] == [CHUNK_BYTES] * (len(chunks) - 1)
    arrived = PartialAnswer.read(chunks)
    assert (arrived.version, arrived.tables, arrived.elapsed_ms) == (7, tables, 1.5)
    assert arrived.bytes == sum(map(len, chunks))


def test_what_is_no_answer_is_refused() -> None:
    """A4: cut, changed or empty bytes are an error of the node that sent them, never a number."""
    data = b"".join(PartialAnswer(1, (pa.table({"k": [1, 2, 3]}), pa.table({"t": ["a", "b"]}))).chunks())
    for wrong in (b"", b"\xff" * 100, data[:-1], data + b"x", b"\xff\xff\xff\xff" + data[4:], data[:4] + b"[]"):
        with pytest.raises(PartialAnswerError, match="no part of an answer"):
            PartialAnswer.read([wrong])


def test_damaged_bytes_are_an_error_or_another_number_and_never_end_the_process() -> None:
    """A4: what arrived is looked at before anything reads it."""
    data = b"".join(PartialAnswer(1, (pa.table({"k": [1, 2, 3]}), pa.table({"t": ["a", "b"]}))).chunks())
    places = [len(data) * n // 50 for n in range(51)]
    for start, end in pairwise(places):
        with suppress(PartialAnswerError):
            assert PartialAnswer.read([data[:start] + bytes(end - start) + data[end:]]).rows >= 0
