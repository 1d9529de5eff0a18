"""The olap starter: cubes from YAML and from code, and how a mistake in a cube is explained."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

import pytest

from app_framework.boot import Status, bean
from app_framework.database import Database
from app_framework.database.autoconfigure import DatabaseAutoConfiguration
from app_framework.database.errors import ModelError
from app_framework.olap import CubeDefinition, CubeQuery, Manager, TooLargeError
from app_framework.olap.autoconfigure import OlapAutoConfiguration
from app_framework.olap.health import CubesHealth
from app_framework.testing import ContextRunner, GoldenFiles

RUNNER = ContextRunner(auto=[OlapAutoConfiguration, DatabaseAutoConfiguration])
SALES = """
database:
  tables:
    lines: {columns: {flag: varchar, quantity: "decimal(15,2)", shipped: date}}
schemas:
  Sales:
    base: lines
    cubes:
      sales:
        dimensions:
          Flag: [flag]
          Date: {hierarchies: {Calendar: {levels: {year: "year(shipped)"}, caption: By year}}}
        measures:
          lines: {count: "*"}
          quantity: {sum: quantity, format: "0.00"}
          mean: {formula: quantity / lines}
"""


def test_a_yaml_file_is_enough() -> None:
    """Without a catalog one holds all cubes; the node's name stands beside the version."""
    with RUNNER.yaml(SALES).run() as context:
        manager = context[Manager]
        answer = asyncio.run(manager.query("sales", CubeQuery(measures=["lines", "mean"])))
        assert answer.rows == [(0, None)]
        assert answer.versions == {context.node_name: context[Database].version}
        assert (manager.name, list(manager.catalogs)) == ("Manager", ["Catalog"])


def test_catalogs_and_the_managers_name_come_from_their_sections() -> None:
    more = "catalogs: {Mine: {cubes: [sales]}, All: {cubes: all}}\nmanager: {name: MyManager}\n"
    with RUNNER.yaml(SALES + more).run() as context:
        assert (context[Manager].name, list(context[Manager].catalogs)) == ("MyManager", ["Mine", "All"])


def test_cubes_of_the_users_code_stand_beside_those_of_the_yaml() -> None:
    @bean
    def own() -> CubeDefinition:
        return CubeDefinition.of("own", base="lines", dimensions={}, measures={"n": {"count": "*"}})

    with RUNNER.yaml(SALES).sources(own).run() as context:
        assert sorted(context[Manager].cubes) == ["own", "sales"]


def test_a_manager_of_the_user_takes_its_place() -> None:
    @bean
    def own() -> Manager:
        return Manager([], name="own")

    with RUNNER.yaml(SALES).sources(own).run() as context:
        assert context[Manager].name == "own"


def test_without_a_database_there_are_no_cubes() -> None:
    with RUNNER.without_modules("duckdb").run() as context:
        assert context.all(Manager) == []


def test_the_largest_answer_is_a_property(tmp_path: Path) -> None:
    (tmp_path / "lines.csv").write_text("flag,quantity,shipped\nA,1,2024-01-01\nB,1,2024-01-01\n", encoding="utf-8")
    text = SALES.replace("{columns: {flag", "{source: {csv: lines.csv}, columns: {flag") + "olap: {max-rows: 1}\n"
    (tmp_path / "application.yml").write_text(text, encoding="utf-8")
    with RUNNER.directory(tmp_path).run() as context:
        manager = context[Manager]
        assert manager.query_sync("sales", CubeQuery(measures=["lines"])).rows == [(2,)]
        with pytest.raises(TooLargeError, match="more than 1 rows"):
            manager.query_sync("sales", CubeQuery(measures=["lines"], levels=["flag"]))


def test_the_health_names_the_cubes() -> None:
    with RUNNER.yaml(SALES).run() as context:
        health = asyncio.run(context[CubesHealth].health())
    assert (health.status, health.details) == (Status.UP, {"manager": "Manager", "cubes": ["sales"]})


MISTAKES: Mapping[str, str] = {
    "Flag: [flag]": "Flag: [flga]",
    "caption: By year": "captoin: By year",
    "quantity: {sum: quantity": "quantity: {sum: quantty * (1 - 2)",
    "formula: quantity / lines": "formula: quantity / line",
    'lines: {count: "*"}': 'lines: {cout: "*"}',
}


def test_every_mistake_of_the_cubes_is_shown_with_its_line(tmp_path: Path, golden: GoldenFiles) -> None:
    """All of them together, in the order of the file, each with what was probably meant (FA2)."""
    text = SALES + "catalogs: {Mine: {cubes: 3}}\n"
    for right, wrong in MISTAKES.items():
        assert right in text
        text = text.replace(right, wrong)
    (tmp_path / "application.yml").write_text(text, encoding="utf-8")
    failure = RUNNER.directory(tmp_path).fails()
    golden("mistakes-with-lines.txt", failure.to_text().replace(f"{tmp_path}/", ""))


def test_a_check_of_the_configuration_finds_what_is_wrong_with_the_cubes() -> None:
    """`af config check` says so without opening a table."""
    context = ContextRunner(auto=[DatabaseAutoConfiguration, OlapAutoConfiguration]).yaml(
        "database: {tables: {t: {source: {csv: no-such-file.csv}}}}\n"
        "schemas: {S: {base: t, cubes: {c: {dimensions: {}, measures: {n: {cuont: '*'}}}}}}\n"
    ).prepare()  # fmt: skip
    with pytest.raises(ModelError, match="cuont"):
        context.check()
