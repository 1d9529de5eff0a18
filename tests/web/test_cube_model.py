"""What a model says about levels, seen over HTTP: order, dates, what is derived, and how it is described."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app_framework.database.autoconfigure import DatabaseAutoConfiguration
from app_framework.olap.autoconfigure import OlapAutoConfiguration
from app_framework.testing import Client, ContextRunner
from app_framework.web.autoconfigure import WebAutoConfiguration

ROWS = """shipped,size,amount
2024-12-30,small,3
2024-02-29,large,5
2024-03-01,huge,7
,medium,2
"""
MODEL = """
database:
  tables:
    sales: {source: {csv: sales.csv}, columns: {shipped: date, amount: "decimal(9,2)"}}
schemas:
  Shop:
    base: sales
    cubes:
      sales:
        caption: Sales
        dimensions:
          Time: {date: shipped, levels: [year, month_name, {day: {part: date, format: "%d.%m.%Y"}}], caption: Shipping}
          Size:
            hierarchies:
              Size:
                levels:
                  size: {column: size, order: [small, medium, large], caption: How large, description: Of the box}
                folder: Goods
                visible: false
                slicing: true
                default: medium
        measures:
          amount: {sum: amount, format: "#,##0.00", folder: Money, caption: Turnover, description: Without tax}
      plain: auto
"""


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    folder: Path = tmp_path_factory.mktemp("shop")
    (folder / "sales.csv").write_text(ROWS)
    (folder / "application.yml").write_text(MODEL)
    auto = [WebAutoConfiguration, OlapAutoConfiguration, DatabaseAutoConfiguration]
    with (
        ContextRunner(auto).directory(folder).properties({"server.enabled": False}).run() as context,
        Client(context) as client,
    ):
        yield client


def test_members_and_rows_stand_in_the_order_of_the_model(client: Client) -> None:
    """What is listed first comes first; what is not listed follows, and nothing is last."""
    members = client.get("/cubes/sales/members", params={"level": "size"}).json()["members"]
    assert members == ["small", "medium", "large", "huge"]
    question = {"measures": ["amount"], "levels": ["size", "month_name"]}
    rows = client.post("/cubes/sales/query", json=question).json()["rows"]
    assert [row[:2] for row in rows] == [
        ["small", "December"],
        ["medium", None],
        ["large", "February"],
        ["huge", "March"],
    ]


def test_a_year_is_a_filter_and_a_day_a_date(client: Client) -> None:
    question = {"measures": ["amount"], "levels": ["day"], "where": {"year": 2024, "size": {"not": []}}}
    answer = client.post("/cubes/sales/query", json=question).json()
    assert [row[0] for row in answer["rows"]] == ["2024-02-29", "2024-03-01", "2024-12-30"]
    assert answer["columns"][0] == {"name": "day", "role": "level", "type": "date", "format": "%d.%m.%Y"}


def test_a_cube_of_one_line_answers(client: Client) -> None:
    """The default of the other cube's slicing hierarchy is not its own."""
    question = {"measures": ["count", "amount.avg"], "levels": ["size"], "where": {"shipped": {"from": "2024-03-01"}}}
    answer = client.post("/cubes/plain/query", json=question).json()
    assert answer["rows"] == [["huge", 1, 7.0], ["small", 1, 3.0]]


def test_discovery_tells_what_people_see(client: Client) -> None:
    """Captions, descriptions, folders, formats, what is hidden, and the order of members."""
    cube = client.get("/cubes/sales").json()
    time, size = cube["dimensions"]
    (hierarchy,) = size["hierarchies"]
    (level,) = hierarchy["levels"]
    assert (cube["caption"], time["caption"], time["hierarchies"][0]["caption"]) == ("Sales", "Shipping", "Shipping")
    told = {key: hierarchy[key] for key in ("folder", "visible", "slicing", "default")}
    assert told == {"folder": "Goods", "visible": False, "slicing": True, "default": "medium"}
    assert (level["caption"], level["description"], level["order"]) == ("How large", "Of the box", "as listed")
    (measure,) = cube["measures"]
    told = {key: measure[key] for key in ("caption", "description", "folder", "format")}
    assert told == {"caption": "Turnover", "description": "Without tax", "folder": "Money", "format": "#,##0.00"}


@pytest.mark.parametrize("path", ["/cubes", "/cubes/{cube}"])
def test_the_api_documentation_describes_all_of_it(client: Client, path: str) -> None:
    """Every field of a discovery document is in its schema, and every one that is always there in the document."""
    operation = client.get("/openapi.json").json()["paths"][path]["get"]
    schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
    check(client.get(path.format(cube="sales")).json(), schema, path)


def check(value: Any, schema: dict[str, Any], place: str) -> None:
    """Compare a document with its schema."""
    kinds = {"string": str, "boolean": bool, "object": dict, "array": list, "null": type(None)}
    allowed = schema.get("type", [*kinds])
    assert isinstance(value, tuple(kinds[kind] for kind in ([allowed] if isinstance(allowed, str) else allowed))), place
    if isinstance(value, dict) and "properties" in schema:
        always = set(schema.get("required", schema["properties"]))
        assert always <= set(value) <= set(schema["properties"]), place
        for key, part in value.items():
            check(part, schema["properties"][key], f"{place}.{key}")
    if isinstance(value, list) and "items" in schema:
        for position, item in enumerate(value):
            check(item, schema["items"], f"{place}[{position}]")
