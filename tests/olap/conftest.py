"""The cube that most tests ask: the sample's flights, built by hand from its files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import sample_app
from app_framework.database import Database, Source, Table
from app_framework.olap import Cube, CubeDefinition

DATA = Path(sample_app.__file__).parent / "data" / "nycflights13"
KEYS = {
    "flights": [],
    "airlines": ["carrier"],
    "airports": ["faa"],
    "planes": ["tailnum"],
    "weather": ["origin", "time_hour"],
}
REFERENCES = [
    "flights.carrier -> airlines.carrier",
    "flights.tailnum -> planes.tailnum",
    "flights.origin -> airports.faa as origin_airport",
    "flights.dest -> airports.faa as dest_airport",
    "flights.(origin, time_hour) -> weather.(origin, time_hour)",
]
FLIGHTS = CubeDefinition.of(
    "flights",
    base="flights",
    dimensions={
        "Time": {
            "hierarchies": {
                "Calendar": ["year", "month", "day", "hour"],
                "Week": {"levels": {"weekday": "dayname(make_date(year, month, day))"}},
            }
        },
        "Carrier": ["carrier", {"airline": "airlines.name"}],
        "Origin": [{"origin_tz": "origin_airport.tzone"}, "origin"],
        "Destination": [{"dest_tz": "dest_airport.tzone"}, "dest"],
        "Plane": [{"maker": "planes.manufacturer"}, "planes.model", "tailnum"],
        "Weather": {"levels": {"wind": "case when weather.wind_speed >= 20 then 'windy' else 'calm' end"}},
        "Scheduled": ["flights.time_hour"],
    },
    measures={
        "flights": {"count": "*", "format": "#,##0"},
        "departed": {"count": "dep_time"},
        "cancelled": {"formula": "flights - departed"},
        "cancelled_pct": {"formula": "100 * cancelled / flights", "format": "0.00"},
        "avg_dep_delay": {"avg": "dep_delay"},
        "median_arr_delay": {"median": "arr_delay"},
        "planes": {"count_distinct": "tailnum"},
        "distance": {"sum": "distance"},
        "seat_miles": {"sum": "distance * planes.seats"},
        "first_hour": {"min": "flights.time_hour"},
    },
    aggregates="none",  # what is read must not depend on how much was asked before
)


@pytest.fixture(scope="session")
def database() -> Iterator[Database]:
    """The five tables of the sample."""
    tables = [Table(name, Source.of(parquet=DATA / f"{name}.parquet"), key) for name, key in KEYS.items()]
    with Database.open(tables=tables, references=REFERENCES) as opened:
        yield opened


@pytest.fixture(scope="session")
def flights(database: Database) -> Cube:
    """The flights cube."""
    return Cube.of(FLIGHTS, database)
