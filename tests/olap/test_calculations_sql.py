"""Calculated measures → plan → SQL is pure: the golden files are what each family becomes, to be read."""

from __future__ import annotations

import pytest

from app_framework.database import Database
from app_framework.olap import Cube, CubeDefinition, CubeQuery
from app_framework.olap.sql import write_sql
from app_framework.testing import GoldenFiles

DEFINITION = CubeDefinition.of(
    "flights",
    base="flights",
    dimensions={
        "Time": ["month", "day"],
        "Origin": [{"tz": "origin_airport.tzone"}, "origin"],
        "Carrier": ["carrier"],
        "Date": {"levels": {"date": "make_date(year, month, day)"}},
    },
    measures={
        "flights": {"count": "*"},
        "delay": {"avg": "dep_delay"},
        "rank": {"rank": "delay", "hierarchy": "Origin"},
        "share": {"share": "flights", "hierarchy": "Carrier"},
        "to_date": {"cumulative": "flights", "level": "day", "partition": "month"},
        "before": {"shift": "flights", "level": "day", "strict": True},
        "summer": {"filter": "share", "where": {"month": {"from": 6, "to": 8}}},
        "jfk": {"filter": "delay", "where": {"origin": "JFK"}},
        "january": {"at": "flights", "members": {"month": 1}},
        "busiest": {"max_member": "flights", "level": "carrier"},
        "leaf": {"per": ["carrier"], "aggregate": "sum", "of": "product"},
        "product": {"formula": "flights * delay"},
        "month_before": {"date_shift": "flights", "level": "date", "by": "P1M"},
    },
)
QUESTIONS: dict[str, dict[str, object]] = {
    "window": {"measures": ["rank"], "levels": ["tz", "origin"], "totals": "all", "where": {"month": 1}},
    "running": {"measures": ["to_date"], "levels": ["month", "day"], "limit": 3},
    "share": {"measures": ["share"], "levels": ["carrier", "month"], "order": [{"by": "share", "descending": True}]},
    "filter": {"measures": ["summer", "jfk"], "levels": ["carrier"], "totals": "grand", "limit": 5},
    "strict-shift": {"measures": ["before"], "levels": ["month", "day"], "where": {"day": [1, 31]}},
    "at": {"measures": ["january"], "levels": ["month", "origin"]},
    "finer": {"measures": ["busiest", "leaf"], "levels": ["origin"]},
    "date-shift": {"measures": ["month_before"], "levels": ["date"]},
}


@pytest.fixture
def calculated(database: Database) -> Cube:
    return Cube.of(DEFINITION, database)


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_calculated_question_becomes_this_plan_and_this_sql(calculated: Cube, golden: GoldenFiles, name: str) -> None:
    plan = calculated.plan(CubeQuery.parse(QUESTIONS[name]))
    statement = write_sql(plan)
    golden(f"calculated-{name}.sql", f"/*\n{plan}\n*/\n{statement}\n-- {list(statement.parameters)}\n")


@pytest.mark.parametrize("name", QUESTIONS)
def test_the_statement_is_one_that_the_engine_takes(calculated: Cube, name: str) -> None:
    assert len(calculated.query_sync(CubeQuery.parse(QUESTIONS[name]))) > 0


def test_a_plain_measure_beside_a_calculated_cube_costs_what_it_did(calculated: Cube) -> None:
    """Without a calculated measure in the question there is nothing but the cells."""
    statement = write_sql(calculated.plan(CubeQuery(measures=["flights"], levels=["origin"])))
    assert str(statement).startswith("WITH cells AS (\n  SELECT\n")
    assert "#grouping" not in str(statement)
