"""Distinct integers are counted in bitmaps, exactly: the same answers as without, whatever the values are."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app_framework.database import Condition, Database, Delete, Insert, Source, Table
from app_framework.database.duckdb import Cursor
from app_framework.olap import Cube, CubeDefinition, CubeQuery
from app_framework.olap.bitmaps import DistinctBitmaps
from app_framework.olap.plan import QueryPlan
from app_framework.testing import GoldenFiles

COLUMNS = {
    "g": "varchar", "h": "integer", "tiny": "tinyint", "byte": "utinyint", "small": "smallint", "big": "bigint",
    "huge": "hugeint", "word": "varchar",
}  # fmt: skip
MEASURES: dict[str, object] = {
    "rows": {"count": "*"},
    "tiny": {"count_distinct": "tiny"},
    "byte": {"count_distinct": "byte"},
    "small": {"count_distinct": "small"},
    "tenfold": {"count_distinct": "10 * small + 1"},
    "big": {"count_distinct": "big"},
    "huge": {"count_distinct": "huge"},
    "words": {"count_distinct": "word"},
    "few": {"filter": "small", "where": {"h": [0, 1]}},
    "part": {"share": "small", "hierarchy": "g"},
    "each": {"formula": "rows / small"},
}
CUBE = CubeDefinition.of("c", base="t", dimensions={"g": ["g"], "h": ["h"]}, measures=MEASURES)


def value(low: int, high: int) -> st.SearchStrategy[int | None]:
    return st.one_of(st.none(), st.sampled_from([low, high]), st.integers(low, min(high, low + 9)))


ROWS = st.lists(
    st.fixed_dictionaries({
        "g": st.sampled_from(["a", "b", None]), "h": st.integers(0, 2), "tiny": value(-128, 127), "byte": value(0, 255),
        "small": value(-32768, 32767), "big": st.one_of(value(2**62, 2**62 + 99), value(-(2**63), 2**63 - 1)),
        "huge": value(-(2**127) + 1, -(2**127) + 50), "word": st.sampled_from(["x", "y"]),
    }),
    max_size=12,
)  # fmt: skip
QUESTIONS = st.fixed_dictionaries({
    "measures": st.lists(st.sampled_from([*MEASURES]), min_size=1, max_size=5, unique=True),
    "levels": st.lists(st.sampled_from(["g", "h"]), max_size=2, unique=True),
    "where": st.sampled_from([{}, {"h": [0, 2]}, {"h": 7}, {"g": None}]),
    "totals": st.sampled_from(["none", "grand", "all"]),
})  # fmt: skip


@pytest.fixture(scope="module")
def database() -> Iterator[Database]:
    with Database.open(tables=[Table("t", columns=COLUMNS)]) as opened:
        yield opened


@settings(max_examples=15)
@given(ROWS, st.lists(QUESTIONS, min_size=1, max_size=4))
def test_bitmaps_and_sets_count_the_same(
    database: Database, rows: list[dict[str, Any]], asked: list[dict[str, Any]]
) -> None:
    """Nulls, negative numbers, the ends of every type, ranges too wide, filters, totals and groups of nothing."""
    fill(database, rows)
    plain = Cube.of(CUBE, database)
    for question in map(CubeQuery.parse, asked):
        assert in_bitmaps(plain, database).query_sync(question).rows == plain.query_sync(question).rows


def test_the_range_of_the_values_is_in_the_statement(database: Database, golden: GoldenFiles) -> None:
    fill(database, [{"g": "a", "h": 1, "small": -3}, {"g": "b", "h": 2, "small": 900}])
    query = CubeQuery(measures=["small", "words"], levels=["g"], where={"h": [1, 2]}, totals="all")
    golden("bitmaps.sql", str(explained(in_bitmaps(Cube.of(CUBE, database), database), query)["sql"]) + "\n")


def test_values_that_a_commit_brings_are_counted(database: Database) -> None:
    """A bitmap is as wide as the values of the version that is read."""
    fill(database, [{"small": 1}, {"small": 2}])
    cube = in_bitmaps(Cube.of(CUBE, database), database)
    assert cube.query_sync(CubeQuery(measures=["small"])).rows == [(2,)]
    database.commit([Insert("t", [{"small": -30000}, {"small": 30000}])])
    assert cube.query_sync(CubeQuery(measures=["small"])).rows == [(4,)]
    older = database.versions[-2]
    assert cube.query_sync(CubeQuery(measures=["small"], version=older)).rows == [(2,)]


def test_values_that_come_between_the_look_and_the_count_are_counted_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine refuses to set a bit outside of the bitmap; the statement without bitmaps answers then."""
    (tmp_path / "t.csv").write_text(f"{','.join(COLUMNS)}\n,,,,1,,,\n,,,,2,,,\n")
    look = DistinctBitmaps.chosen
    with Database.open(tables=[Table("t", Source.of(csv=tmp_path / "t.csv"), columns=COLUMNS)]) as database:

        def and_commit(self: DistinctBitmaps, plan: QueryPlan, cursor: Cursor, version: int) -> QueryPlan:
            chosen = look(self, plan, cursor, version)
            database.commit([Insert("t", [{"small": 500}])])
            return chosen

        monkeypatch.setattr(DistinctBitmaps, "chosen", and_commit)
        cube = in_bitmaps(Cube.of(CUBE, database), database)
        assert cube.query_sync(CubeQuery(measures=["small", "rows"])).rows == [(3, 3)]


@pytest.mark.parametrize(
    ("rows", "levels", "threads", "bitmaps"),
    [
        ([{"g": "a", "big": 0}, {"g": "b", "big": 8_000_000}], ["g"], 2, True),
        ([{"g": "a", "big": 0}, {"g": "b", "big": 8_000_000}], ["g"], 99, False),
        ([{"big": 0}, {"big": 2**62}], [], 1, False),
        ([{"g": str(i), "big": i * 1_000_000} for i in range(60)], ["g"], 1, False),
        ([], ["g"], 1, False),
    ],
    ids=["two cells", "many threads", "a wide range", "many cells", "no values"],
)
def test_bitmaps_are_only_made_where_they_fit(
    database: Database, rows: list[dict[str, Any]], levels: list[str], threads: int, bitmaps: bool
) -> None:
    """What is bounded is their number times their width: cells, threads, and the range of the values."""
    fill(database, rows)
    plan = Cube.of(CUBE, database).plan(CubeQuery(measures=["big"], levels=levels))
    chooser = DistinctBitmaps(0, 100_000_000 // 16, threads)
    chosen = database.submit_job(lambda cursor: chooser.chosen(plan, cursor, database.version)).result()
    assert (chosen is not plan) == bitmaps


def test_a_small_table_is_counted_as_ever(database: Database) -> None:
    fill(database, [{"small": 1}])
    assert "bitstring" not in str(explained(Cube.of(CUBE, database), CubeQuery(measures=["small"]))["sql"])


def in_bitmaps(cube: Cube, database: Database) -> Cube:
    """Return the same cube, which counts in bitmaps however few rows there are."""
    return Cube(cube.model, database, bitmaps_from=0)


def explained(cube: Cube, query: CubeQuery) -> dict[str, object]:
    return asyncio.run(cube.explain(query))


def fill(database: Database, rows: Sequence[Mapping[str, Any]]) -> None:
    database.commit([Delete("t", Condition("true")), Insert("t", rows)])
