"""Question → plan → SQL is pure: the golden files are the plans and statements, to be read."""

from __future__ import annotations

import pytest

from app_framework.olap import Cube, CubeQuery
from app_framework.olap.sql import write_sql
from app_framework.testing import GoldenFiles

QUESTIONS: dict[str, dict[str, object]] = {
    "total": {"measures": ["flights"]},
    "details": {"measures": ["flights", "avg_dep_delay"], "levels": ["origin", "month"]},
    "grand-total": {"measures": ["planes"], "levels": ["origin"], "totals": "grand"},
    "rollup": {"measures": ["flights"], "levels": ["year", "month"], "totals": "all"},
    "formulas": {"measures": ["cancelled_pct"], "levels": ["carrier"], "order": [{"by": "cancelled_pct"}]},
    "joins": {"measures": ["seat_miles"], "levels": ["maker", "wind"], "where": {"dest_tz": "America/Denver"}},
    "filters": {
        "measures": ["flights"],
        "where": {
            "origin": ["JFK", "LGA", None],
            "carrier": {"not": ["UA"]},
            "airline": {"not": [None, "x"]},
            "month": {"from": 3, "to": 5},
            "dest": {"prefix": "A"},
            "tailnum": None,
            "day": 99999999999999999999,
            "time_hour": {"from": "2013-01-01T00:00:00-05:00"},
            "Calendar": {"path": [[2013, 1], [2013, 2, 3]]},
        },
    },
    "limited-with-totals": {
        "measures": ["flights"],
        "levels": ["dest"],
        "totals": "grand",
        "order": [{"by": "flights", "descending": True}],
        "limit": 10,
        "offset": 5,
    },
    "zoned": {"measures": ["first_hour"], "levels": ["time_hour"], "limit": 1},
}


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_question_becomes_this_plan_and_this_sql(flights: Cube, golden: GoldenFiles, name: str) -> None:
    plan = flights.plan(CubeQuery.parse(QUESTIONS[name]))
    statement = write_sql(plan)
    golden(f"{name}.sql", f"/*\n{plan}\n*/\n{statement}\n-- {list(statement.parameters)}\n")


@pytest.mark.parametrize("name", QUESTIONS)
def test_the_statement_is_one_that_the_engine_takes(flights: Cube, name: str) -> None:
    assert flights.query_sync(CubeQuery.parse(QUESTIONS[name])).columns
