"""Calculated measures from YAML to HTTP: discovery, JSON, Arrow, CSV, explain, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from app_framework.database.autoconfigure import DatabaseAutoConfiguration
from app_framework.olap.autoconfigure import OlapAutoConfiguration
from app_framework.testing import Client, ContextRunner
from app_framework.web.autoconfigure import WebAutoConfiguration

ROWS = """day,city,amount,weight
2013-01-01,Oslo,3,0.5
2013-01-01,Rome,5,NaN
2013-01-02,,2,2.5
"""
MODEL = """
database: {tables: {sales: {source: {csv: sales.csv}, columns: {weight: double}}}}
schemas:
  Shop:
    base: sales
    cubes:
      sales:
        dimensions: {Place: [city], Time: {levels: {year: year(day), day: day}}}
        measures:
          amount: {sum: amount}
          weight: {max: weight}
          share: {share: amount, hierarchy: Place, format: 0%}
          place: {rank: weight, hierarchy: Place}
          later: {filter: amount, where: {day: {from: 2013-01-02}}}
          new_year: {at: amount, members: {day: 2013-01-01}}
          this_year: {cumulative: amount, level: day, partition: year}
"""
QUERY = {"measures": ["share", "place", "later", "new_year"], "levels": ["city"], "totals": "grand"}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A running node whose cube has calculated measures."""
    folder: Path = tmp_path_factory.mktemp("shop")
    (folder / "sales.csv").write_text(ROWS)
    (folder / "application.yml").write_text(MODEL)
    auto = [WebAutoConfiguration, OlapAutoConfiguration, DatabaseAutoConfiguration]
    runner = ContextRunner(auto).directory(folder).properties({"server.enabled": False})
    with runner.run() as context, Client(context) as client:
        yield client


def test_discovery_says_how_a_measure_is_calculated(client: Client) -> None:
    (share,) = [m for m in client.get("/cubes/sales").json()["measures"] if m["name"] == "share"]
    assert (share["kind"], share["expression"], share["type"]) == ("share", "amount hierarchy Place", "double")
    assert (share["format"], share["partial"]) == ("0%", {"form": "derived", "parts": []})


def test_json_csv_and_arrow_are_the_same_answer(client: Client) -> None:
    """What is no number has no rank, and dates of YAML are members."""
    told = client.post("/cubes/sales/query", json=QUERY).json()
    assert told["rows"] == [
        ["Oslo", 0.3, 2, None, 3], ["Rome", 0.5, None, None, 5], [None, 0.2, 1, 2, None], [None, 1.0, None, 2, 8],
    ]  # fmt: skip
    arrow = client.post("/cubes/sales/query", json=QUERY, headers={"Accept": "application/vnd.apache.arrow.stream"})
    table = pa.ipc.open_stream(arrow.content).read_all()
    assert [list(row.values())[:-1] for row in table.to_pylist()] == told["rows"]
    assert table.schema.field("place").type == pa.int64()
    csv = client.post("/cubes/sales/query", json=QUERY, headers={"Accept": "text/csv"}).text
    assert csv.splitlines()[2] == "Rome,0.5,,,5,0"


def test_explain_shows_each_step(client: Client) -> None:
    told = client.post("/cubes/sales/explain", json={**QUERY, "measures": ["share", "later"]}).json()
    assert "Compute share = share(amount hierarchy Place)" in told["plan"]
    assert told["sql"].count('FROM "sales"') == 1
    assert told["parameters"] == ["2013-01-02"]


def test_a_walk_without_its_levels_is_refused_with_what_is_missing(client: Client) -> None:
    answer = client.post("/cubes/sales/query", json={"measures": ["amount", "this_year"], "levels": ["day"]})
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (400, "INVALID_QUERY")
    assert [(each["field"], each["near"]) for each in problem["errors"]] == [("measures[1]", ["year"])]
