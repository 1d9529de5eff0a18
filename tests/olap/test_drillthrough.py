"""The rows of a cell are exactly those that it counts."""

from __future__ import annotations

import asyncio
from datetime import datetime, time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from app_framework.database import Database, DatabaseLimits, OverloadedError, QueryTimeoutError, Source, Table
from app_framework.errors import ServiceUnavailableError
from app_framework.olap import (
    Cube,
    CubeDefinition,
    CubeQuery,
    Drillthrough,
    Manager,
    QueryError,
    RowSetColumn,
    TooLargeError,
    UnknownCubeError,
    UnknownVersionError,
    arrow,
    build_catalogs,
)
from app_framework.olap.rowplan import plan_rows, write_count, write_rows
from app_framework.testing import GoldenFiles
from tests.olap.test_cube_oracle import (
    CITIES,
    COLUMNS,
    CUBE,
    FACTS,
    FILTERS,
    LEVELS,
    REGIONS,
    SHOPS,
    database,
    oracle_cube,
)

NUMBERS = {"big_sum": "big", "price_sum": "price", "weight_sum": "weight"}


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(
    FACTS, SHOPS, REGIONS, CITIES, st.lists(st.sampled_from(LEVELS), max_size=3, unique=True), FILTERS,
    st.sampled_from(["none", "all"]),
)  # fmt: skip
def test_a_cell_has_as_many_rows_as_it_counts_and_they_add_up_to_it(
    facts: list[dict[str, Any]], shops: Any, regions: Any, cities: Any, levels: list[str], where: Any, totals: str
) -> None:
    """Of every cell and every total of generated questions; missing members and missing references included."""
    rows = {"facts": facts, "shops": shops, "regions": regions, "cities": cities}
    oracle = oracle_cube(rows)
    with database(rows) as opened:
        cube = Cube.of(CUBE, opened)
        answer = cube.query_sync(
            CubeQuery(measures=["rows", *NUMBERS], levels=levels, where=where, totals=totals)  # type: ignore[arg-type]
        )
        for cell, bits in list(zip(answer.rows, answer.grouping, strict=True))[:12]:
            coordinates = {name: cell[i] for i, name in enumerate(levels) if not bits >> i & 1}
            columns = [*COLUMNS["facts"], "shops.regions.label", "target.country"]
            with cube.drillthrough_sync(Drillthrough(coordinates, columns, where)) as found:
                read = list(found)
            count, *sums = cell[len(levels) :]
            assert len(read) == found.count == count
            for column, number in zip(NUMBERS.values(), sums, strict=True):
                seen = [row[columns.index(column)] for row in read if row[columns.index(column)] is not None]
                assert (sum(seen) if seen else None) == (pytest.approx(number) if column == "weight" else number)
            expected = [
                tuple(row.get(name) for name in [*COLUMNS["facts"], "region", "target_country"])
                for row in oracle.facts
                if oracle.keeps(row, where) and all(oracle.levels[k](row) == v for k, v in coordinates.items())
            ]
            assert sorted(map(repr, read)) == sorted(map(repr, expected))


def test_the_columns_are_those_of_the_base_table_unless_named(flights: Cube) -> None:
    """Others by the path of references that leads to them; each with its own type."""
    rows = flights.drillthrough_sync(Drillthrough({"month": 2, "day": 29}))
    assert ([column.name for column in rows.columns][:3], list(rows)) == (["year", "month", "day"], [])
    cell = Drillthrough({"carrier": "HA"}, ["dest_airport.tzone", "flights.time_hour", "airlines.name"], limit=2)
    found = flights.drillthrough_sync(cell)
    assert found.columns == (
        RowSetColumn("dest_airport.tzone", "string"),
        RowSetColumn("flights.time_hour", "timestamp[UTC]"),
        RowSetColumn("airlines.name", "string"),
    )
    first, second = found
    assert (found.count, first[0], first[2]) == (342, "Pacific/Honolulu", "Hawaiian Airlines Inc.")
    assert second[1].utcoffset().total_seconds() == 0  # type: ignore[attr-defined]
    assert repr(found) == "<RowSet of cube 'flights': 342 rows, 3 columns>"


def test_the_manager_finds_the_cube_of_a_cell(flights: Cube) -> None:
    """As for every question; in a task and in a thread."""
    manager = Manager(build_catalogs([], [flights]))
    cell = Drillthrough({"carrier": "OO", "month": 1}, ["origin", "dest"])
    assert list(manager.drillthrough_sync("flights", cell)) == [("LGA", "ORD")]
    assert list(asyncio.run(manager.drillthrough("flights", cell))) == [("LGA", "ORD")]
    with pytest.raises(UnknownCubeError):
        manager.drillthrough_sync("flight", cell)


def test_the_statements_are_these(flights: Cube, golden: GoldenFiles) -> None:
    """Only the tables that are needed are joined; counting needs fewer of them."""
    cell = Drillthrough(
        {"month": 2, "maker": None}, ["carrier", "airlines.name"], {"origin": ["JFK", "LGA"]}, limit=100
    )
    plan = plan_rows(flights.model, cell)
    count, rows = write_count(plan), write_rows(plan)
    golden("drillthrough.sql", f"{count}\n-- {list(count.parameters)}\n\n{rows}\n-- {list(rows.parameters)}\n")


def test_every_mistake_is_told_at_once(flights: Cube) -> None:
    """Of names and of shapes, each with its field and what was meant."""
    manager = Manager(build_catalogs([], [flights]))
    document = {
        "coordinates": {"mont": 2, "day": "x", "origin": ["JFK"]},
        "columns": ["carier", "airlines.nam", 3, "dest", "dest"],
        "where": {"carrrier": 1}, "limit": -1, "branch": "other", "colums": [],
    }  # fmt: skip
    with pytest.raises(QueryError) as raised:
        manager.read_drillthrough("flights", document)
    assert [(p.field, p.near[:1]) for p in raised.value.problems] == [
        ("colums", ("columns",)),
        ("coordinates.origin", ()),
        ("columns[2]", ()),
        ("columns[4]", ()),
        ("limit", ()),
        ("columns[0]", ("carrier",)),
        ("columns[1]", ("airlines.name",)),
        ("coordinates.mont", ("month",)),
        ("coordinates.day", ()),
        ("where.carrrier", ("carrier",)),
        ("branch", ("master",)),
    ]
    for wrong in ({"coordinates": 1}, {"columns": "a"}, [], {"columns": ["dest"] * 1001}):
        with pytest.raises(QueryError):
            manager.read_drillthrough("flights", wrong)
    with pytest.raises(QueryError, match="one member"):
        Drillthrough({"origin": ["JFK"]})
    with pytest.raises(UnknownVersionError):
        flights.drillthrough_sync(Drillthrough(version=7))


def test_a_question_for_rows_is_written_as_it_was_read() -> None:
    document = {"coordinates": {"a": None}, "columns": ["b"], "where": {"c": {"not": [1]}}, "limit": 3, "timeout": 5.0}
    assert Drillthrough(**document).to_dict() == document  # type: ignore[arg-type]
    assert Drillthrough(**document) == Drillthrough(**document)  # type: ignore[arg-type]
    assert len({Drillthrough(**document), Drillthrough(**document)}) == 1  # type: ignore[arg-type]


def test_a_slicing_hierarchy_that_is_not_named_stays_at_its_default(flights: Cube, database: Database) -> None:
    """As in the answer that the cell is from."""
    definition = CubeDefinition.of(
        "sliced",
        base="flights",
        dimensions={"Month": {"levels": ["month"], "slicing": True}, "Carrier": ["carrier"]},
        measures={"flights": {"count": "*"}},
    )
    cube = Cube.of(definition, database)
    number = cube.query_sync(CubeQuery(measures=["flights"], where={"carrier": "HA"})).rows[0][0]
    for coordinates, month in (({"carrier": "HA"}, 1), ({"carrier": "HA", "month": 2}, 2)):
        rows = list(cube.drillthrough_sync(Drillthrough(coordinates, ["month"])))
        assert set(rows) == {(month,)}
        assert (len(rows) == number) is (month == 1), (len(rows), number)


def test_a_cell_that_counts_too_much_is_refused_before_its_first_row(flights: Cube, database: Database) -> None:
    """Unless a limit says how many are wanted."""
    cube = Cube(flights.model, database, rows_max=10)
    with pytest.raises(TooLargeError, match="more than 10 rows"):
        cube.drillthrough_sync(Drillthrough())
    found = cube.drillthrough_sync(Drillthrough(limit=10))
    assert (found.count, len(list(found))) == (336776, 10)


def test_columns_of_any_type_and_name_are_shown(tmp_path: Path) -> None:
    """What JSON and Arrow have no type for is text; a name with a dot stands in quotes."""
    moment = datetime(2024, 2, 29)  # noqa: DTZ001 - a time without a zone
    values = {
        "a.b": pa.array([["u", "v"]]),
        "blob": pa.array([b"\x00a"]),
        "parts": pa.array([{"x": 1}]),
        "word": pa.array(["w"]).dictionary_encode(),
        "at": pa.array([moment], pa.timestamp("ns")),
        "clock": pa.array([time(12, 30)]),
    }
    parquet.write_table(pa.table(values), tmp_path / "t.parquet")
    table = Table("t", Source.of(parquet=tmp_path / "t.parquet"))
    with Database.open(tables=[table]) as opened:
        definition = CubeDefinition.of("c", base="t", dimensions={"W": ["word"]}, measures={"n": {"count": "*"}})
        cube = Cube.of(definition, opened)
        found = cube.drillthrough_sync(Drillthrough(limit=2**63 - 1))
        assert [column.type for column in found.columns] == [
            "string",
            "string",
            "string",
            "string",
            "timestamp",
            "time",
        ]
        assert list(found) == [("[u, v]", "\\x00a", "{'x': 1}", "w", moment, time(12, 30))]
        quoted = cube.drillthrough_sync(Drillthrough(columns=['"a.b"', 't."a.b"']))
        assert list(quoted) == [("[u, v]", "[u, v]")]
        stream = pa.ipc.open_stream(b"".join(arrow.row_pieces(cube.drillthrough_sync(Drillthrough())))).read_all()
        assert stream.to_pylist() == [
            {"a.b": "[u, v]", "blob": "\\x00a", "parts": "{'x': 1}", "word": "w", "at": moment, "clock": time(12, 30)}
        ]
        for wrong in ('"word', "t..word", ".", '""', "word.", ""):
            with pytest.raises(QueryError):
                cube.drillthrough_sync(Drillthrough(columns=[wrong]))


@pytest.fixture
def streaming() -> Any:
    """A cube over a million rows, of which two cells may be open at once."""
    table = Table("t", columns={"x": "bigint"})
    with Database.open(tables=[table], limits=DatabaseLimits(pool_size=1, streams_max=2)) as opened:
        opened.submit_job(lambda cursor: cursor.execute("INSERT INTO t SELECT range FROM range(1000000)")).result()
        yield (
            opened,
            Cube.of(CubeDefinition.of("c", base="t", dimensions={"X": ["x"]}, measures={"n": {"count": "*"}}), opened),
        )


def test_rows_that_are_not_read_are_let_go(streaming: tuple[Database, Cube]) -> None:
    """By closing them, by reading to the end, by leaving early; more than are allowed are refused."""
    _, cube = streaming
    first, second = cube.drillthrough_sync(Drillthrough()), cube.drillthrough_sync(Drillthrough())
    begun = first.pieces()
    assert len(next(begun)) < 10_000
    with pytest.raises(OverloadedError, match=r"2 answers are being streamed already \(`database.max-streams`\)"):
        cube.drillthrough_sync(Drillthrough())
    first.close()
    with pytest.raises(ServiceUnavailableError, match="closed before they were read"):
        next(begun)
    assert sum(1 for _ in second) == 1_000_000
    with cube.drillthrough_sync(Drillthrough()) as third, cube.drillthrough_sync(Drillthrough()) as fourth:
        assert next(iter(third)) == next(iter(fourth)) == (0,)
    cube.drillthrough_sync(Drillthrough()).close()


def test_a_reader_that_takes_too_long_loses_its_rows(streaming: tuple[Database, Cube]) -> None:
    """An open result holds a snapshot, so its time is bounded, whoever is slow."""
    _, cube = streaming
    rows = cube.drillthrough_sync(Drillthrough(timeout="200ms"))
    pieces = rows.pieces()
    next(pieces)
    rows._stream._timer.join(5)  # it closes itself
    with pytest.raises(QueryTimeoutError):
        for _ in pieces:
            pass


def test_rows_nobody_waits_for_any_more_are_closed(streaming: tuple[Database, Cube]) -> None:
    """A client that left while its rows were being counted leaves nothing open."""
    opened, cube = streaming

    async def leave() -> None:
        for _ in range(4):
            task = asyncio.create_task(cube.drillthrough(Drillthrough()))
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    asyncio.run(leave())
    opened.query("SELECT 1")  # behind them in the line
    assert not opened._streams
    assert next(iter(cube.drillthrough_sync(Drillthrough(limit=1)))) == (0,)


def test_closing_the_database_ends_every_stream(streaming: tuple[Database, Cube]) -> None:
    opened, cube = streaming
    rows = cube.drillthrough_sync(Drillthrough())
    pieces = rows.pieces()
    next(pieces)
    opened.close()
    with pytest.raises(ServiceUnavailableError):
        list(pieces)
