"""`/actuator/cubes`: the files are read again, and the cubes are what they say, or every problem is told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app_framework.boot import component, on_event
from app_framework.database.autoconfigure import DatabaseAutoConfiguration
from app_framework.olap import ModelChange
from app_framework.olap.autoconfigure import OlapAutoConfiguration
from app_framework.security import Doors, Role
from app_framework.testing import Client, ContextRunner
from app_framework.web.autoconfigure import WebAutoConfiguration

TABLES = """\
management: {endpoints.web.exposure.include: [health, cubes]}
database: {tables: {sales: {columns: {item: text, n: int}}}}
"""
MODEL = """\
schemas:
  Shop:
    base: sales
    cubes:
      shop: {dimensions: {Item: [item]}, measures: {sold: {%s}}}
"""
QUERY = "/cubes/shop/query"
HEARD: list[ModelChange] = []


@component
class Listener:
    @on_event
    def changed(self, change: ModelChange) -> None:
        HEARD.append(change)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    HEARD.clear()
    file = tmp_path / "application.yml"
    file.write_text(TABLES + MODEL % 'count: "*"')
    return file


@pytest.fixture
def node(file: Path) -> Iterator[Client]:
    auto = [DatabaseAutoConfiguration, OlapAutoConfiguration, WebAutoConfiguration]
    runner = ContextRunner(auto=auto).sources(Listener).directory(file.parent).properties({"server.port": 0})
    with runner.run() as context, Client(context) as client:
        client.post("/database/tables/sales/rows", json=[{"item": "tea", "n": 3}, {"item": "cup", "n": 4}])
        yield client


def refresh(node: Client) -> Any:
    return node.post("/actuator/cubes").json()


def ask(node: Client, **headers: str) -> Any:
    return node.post(QUERY, json={"measures": ["sold"]}, headers=headers)


def test_a_file_that_was_changed_is_the_model_after_a_refresh(node: Client, file: Path) -> None:
    """Answers that clients and the node keep are those of the old model, and are not used any more."""
    before, models = ask(node), node.get("/actuator/cubes").json()
    assert ask(node, **{"If-None-Match": before.headers["ETag"]}).status_code == 304
    file.write_text(TABLES + MODEL % "sum: n")
    assert ask(node).json()["rows"] == [[2]]
    assert refresh(node) == {"added": [], "changed": ["shop"], "removed": []}
    after = ask(node, **{"If-None-Match": before.headers["ETag"]})
    assert (after.status_code, after.json()["rows"]) == (200, [[7]])
    described = node.get("/cubes/shop").json()["model"]
    assert {"cubes": {"shop": {"model": described}}} == node.get("/actuator/cubes").json() != models
    assert refresh(node) == {"added": [], "changed": [], "removed": []}
    assert [str(change) for change in HEARD] == ["changed: shop"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            TABLES + MODEL % "sum: nn" + "      bad: {measures: {x: {formula: y}}}\n",
            [
                "application.yml:7:65: table 'sales' reaches no column 'nn'",
                "application.yml:8:37: there is no measure 'y'",
            ],
        ),
        (TABLES + MODEL % "summ: n", ["application.yml:7:60: there is no aggregation 'summ'. Did you mean: sum"]),
        (TABLES + "schemas: [", ["application.yml:4:1: "]),
        (TABLES + "shemas: {}\n", ["application.yml:3:1: unknown section 'shemas'"]),
        (
            TABLES.replace("n: int}}", "n: bigint}}, new: {columns: {a: int}}") + "\n" + MODEL % "sum: n",
            [
                "application.yml:2:28: database.tables.sales changes with a restart only",
                "application.yml:2:69: database.tables.new changes with a restart only",
            ],
        ),
        (
            TABLES.replace("{tables:", "{path: x.duckdb, tables:") + MODEL % "sum: n",
            ["application.yml:2:18: database.path changes with a restart only"],
        ),
    ],
)
def test_what_cannot_be_is_refused_with_its_place_and_nothing_changes(
    text: str, told: list[str], node: Client, file: Path
) -> None:
    file.write_text(text)
    answer = node.post("/actuator/cubes")
    assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_MODEL"), answer.text
    details = [error["detail"] for error in answer.json()["errors"]]
    assert all(sentence in detail for sentence, detail in zip(told, details, strict=True)), details
    assert (ask(node).json()["rows"], HEARD) == ([[2]], [])


def test_a_refresh_is_for_administrators() -> None:
    assert Doors().needs("POST", "/actuator/cubes") is Role.ADMIN
