"""The sample application: its cube against the engine itself, its own route, its profiles."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from app_framework.database.autoconfigure import DatabaseAutoConfiguration
from app_framework.olap.autoconfigure import OlapAutoConfiguration
from app_framework.testing import Client, ContextRunner
from app_framework.web.autoconfigure import WebAutoConfiguration
from sample_app import demo
from sample_app.main import app

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "sample_app"

FACTS = "from flights f left join planes p using (tailnum) left join airports a on f.dest = a.faa"
LATE = "sum(case when arr_delay > 0 then arr_delay else 0 end)"
MEASURES = {
    "flights": "count(*)",
    "cancelled": "count(*) filter (dep_time is null)",
    "cancelled_pct": "100.0 * count(*) filter (dep_time is null) / count(*)",
    "avg_dep_delay": "avg(dep_delay)",
    "max_dep_delay": "max(dep_delay)",
    "avg_arr_delay": "avg(arr_delay)",
    "median_arr_delay": "median(arr_delay)",
    "on_time": "count(*) filter (arr_delay <= 15)",
    "on_time_pct": "100.0 * count(*) filter (arr_delay <= 15) / count(*)",
    "planes": "count(distinct tailnum)",
    "distance": "sum(distance)",
    "seat_miles": "sum(distance * p.seats)",
    "delay_minutes": LATE,
    "delay_cost": f"{LATE} * 100",
}


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    """The sample application in this process, without a port."""
    runner = ContextRunner([DatabaseAutoConfiguration, OlapAutoConfiguration, WebAutoConfiguration], app.sources)
    with runner.directory(SAMPLE).properties({"server.enabled": False}).run() as context, Client(context) as client:
        yield client


@pytest.fixture(scope="module")
def engine() -> Iterator[duckdb.DuckDBPyConnection]:
    """The same files, without us."""
    with duckdb.connect() as connection:
        for file in sorted((SAMPLE / "data" / "nycflights13").glob("*.parquet")):
            connection.execute(f"create view {file.stem} as select * from '{file}'")
        yield connection


def ask(client: Client, **query: object) -> list[tuple[object, ...]]:
    answer = client.post("/cubes/flights/query", json=query)
    assert answer.status_code == 200, answer.text
    return [tuple(row) for row in answer.json()["rows"]]


def test_the_measures_are_all_of_these(client: Client) -> None:
    """A measure that is added to the model is added to the comparison."""
    described = client.get("/cubes/flights").json()
    assert {measure["name"] for measure in described["measures"]} == set(MEASURES)


@pytest.mark.parametrize("measure", MEASURES)
def test_a_measure_is_what_the_engine_says_by_month_and_in_total(
    measure: str, client: Client, engine: duckdb.DuckDBPyConnection
) -> None:
    """Also the total is computed from rows: a mean, a median or a distinct count is not a sum of its parts."""
    expected = engine.execute(
        f"select month, {MEASURES[measure]} {FACTS} group by grouping sets ((month), ()) order by month nulls last"
    ).fetchall()
    answer = ask(client, measures=[measure], levels=["month"], totals="grand")
    assert [row[0] for row in answer] == [row[0] for row in expected]
    assert [row[1] for row in answer] == pytest.approx([float(row[1]) for row in expected], rel=1e-9)


def test_no_level_loses_a_flight(client: Client) -> None:
    """Flights without a plane, an airport or weather are counted under the missing member."""
    dimensions = client.get("/cubes/flights").json()["dimensions"]
    levels = [
        level["name"] for dimension in dimensions for tree in dimension["hierarchies"] for level in tree["levels"]
    ]
    assert len(levels) == 16
    for level in levels:
        assert sum(int(str(row[1])) for row in ask(client, measures=["flights"], levels=[level])) == 336_776, level


def test_the_worst_origin_of_a_month(client: Client, engine: duckdb.DuckDBPyConnection) -> None:
    expected = engine.execute(
        "select origin, count(*), avg(dep_delay) from flights where month = 7 group by origin order by 3 desc limit 1"
    ).fetchone()
    report = client.get("/ops/worst-origin", params={"month": 7}).json()
    assert expected is not None
    assert (report["origin"], report["flights"]) == expected[:2]
    assert report["avg_dep_delay"] == pytest.approx(expected[2])


def test_a_carrier_that_did_not_fly_is_not_found(client: Client) -> None:
    answer = client.get("/ops/worst-origin", params={"carrier": "XX"})
    assert (answer.status_code, answer.json()["code"]) == (404, "NOT_FOUND")


def test_a_month_that_does_not_exist_is_refused(client: Client) -> None:
    assert client.get("/ops/worst-origin", params={"month": 13}).status_code == 400


SECRETS = {"secure": {"ADMIN_PASSWORD": "not to be guessed"}, "three-nodes": {"AIRPORT": "EWR"}}
"""What a profile takes from the environment."""


@pytest.mark.parametrize("profile", [path.stem.partition("-")[2] for path in (ROOT / "config").glob("*.yml")])
def test_every_profile_of_the_config_folder_holds_for_the_sample(profile: str) -> None:
    context = app.context(profiles=[profile], directory=ROOT, environ=SECRETS.get(profile, {}))
    context.prepare()
    assert context.environment.active_profiles == (profile,)


def test_the_signpost_says_how_to_bring_a_node_back_and_ends_with_the_studio(tmp_path: Path) -> None:
    text = demo.signpost(demo.Demo((8080, 8081, 8082), tmp_path, ()).nodes)
    assert text.splitlines()[-1].split() == ["Studio", "http://127.0.0.1:8080/studio"]
    assert "AIRPORT=JFK .venv/bin/af node start sample_app.main:app --profile three-nodes --name jfk" in text
    assert f"--data-dir {tmp_path / 'jfk'} --peer 127.0.0.1:8080" in text


def test_a_demo_whose_ports_are_taken_says_so_and_touches_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """What another demo keeps is not removed under it."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        assert demo.main([f"--server.port={port}"]) == 1
    err = capsys.readouterr().err
    assert f"needs the ports {port} to {port + 2}" in err
    assert "make demo ARGS=--server.port=0" in err
