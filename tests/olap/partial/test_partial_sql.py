"""What a node reads and how the parts are merged are pure: the golden files are the statements, to be read."""

from __future__ import annotations

import asyncio

import pyarrow as pa
import pytest

from app_framework.database import Database
from app_framework.olap import Cube, CubeQuery
from app_framework.olap.facts import BaseRows
from app_framework.olap.partial import ApplicationPart, CellMerger, PartialAnswerer, PartialQuestion, Split, split
from app_framework.olap.partial.binding import bind
from app_framework.olap.partial.frame_sql import write_frame
from app_framework.testing import GoldenFiles

QUESTIONS: dict[str, dict[str, object]] = {
    "parts": {
        "measures": ["flights", "cancelled_pct", "avg_dep_delay"],
        "levels": ["origin", "month"],
        "where": {"carrier": ["AA", "UA"], "day": {"to": 15}},
        "totals": "all",
        "limit": 3,
    },
    "values": {"measures": ["planes", "median_arr_delay"], "levels": ["dest_tz"], "totals": "grand"},
    "total": {"measures": ["seat_miles"]},
}


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_question_becomes_these_statements_of_nodes_and_this_merge(
    flights: Cube, database: Database, golden: GoldenFiles, name: str
) -> None:
    """AA1: a node reads keys and parts; totals, formulas, order and limit come after the merge."""
    asked = split(flights.plan(CubeQuery.parse(QUESTIONS[name])))
    lines = []
    for frame in asked.asked:
        statement = write_frame(bind(flights.model, frame), BaseRows(flights.model.joins), 1000)
        columns = [f"{i + 1}: {column}" for i, column in enumerate(statement.columns)]
        lines += [f"-- node: {', '.join(columns)}", f"{statement.text}\n-- {list(statement.parameters)}\n"]
    merged = CellMerger(flights.model, database).statement(asked, [knowing_all(flights, database, asked)])
    lines += ["-- merge", f"{merged.text}\n-- {list(merged.parameters)}\n"]
    golden(f"partial-{name}.sql", "\n".join(lines))


def test_the_rows_of_an_application_that_lacks_a_level_are_laid_out_for_each_total(
    flights: Cube, database: Database, golden: GoldenFiles
) -> None:
    """AA2: at each of its members where they repeat, and once where it is rolled up."""
    asked = split(flights.plan(CubeQuery(measures=["flights", "distance"], levels=["origin", "month"], totals="all")))
    everything = knowing_all(flights, database, asked)
    lacking = pa.table({"Origin.Origin.origin": ["JFK"], "#0 0 distance": [1]})
    calendar = pa.table({f"Time.Calendar.{level}": [1] for level in ("year", "month", "day", "hour")})
    other = ApplicationPart(
        "other",
        everything.knows - {f"Time.Calendar.{level}" for level in ("year", "month", "day", "hour")},
        frozenset({"distance"}),
        ((lacking,),),
        "always",
        {"Time.Calendar": calendar},
    )
    merged = CellMerger(flights.model, database).statement(asked, [everything, other])
    golden("partial-laid-out.sql", f"{merged.text}\n-- {list(merged.parameters)}\n")


def knowing_all(cube: Cube, database: Database, asked: Split) -> ApplicationPart:
    """Return what one node sends that has all levels and measures."""
    answer = asyncio.run(PartialAnswerer(cube.model, database).answer(PartialQuestion(asked.asked)))
    levels = frozenset(level.full_name for level in cube.model.levels)
    measures = frozenset(cube.model.measures)
    return ApplicationPart("app", levels, measures, tuple((table,) for table in answer.tables))
