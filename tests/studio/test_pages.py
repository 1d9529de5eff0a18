"""`/studio/cubes` without a browser: pages, twins, queries of a layout, and what the policy allows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app_framework.boot import ApplicationContext
from app_framework.testing import Client, ContextRunner
from app_framework.web.studio.autoconfigure import StudioAutoConfiguration
from tests.studio.shop import MODEL, ROWS
from tests.studio.test_socket import AUTO


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApplicationContext]:
    folder: Path = tmp_path_factory.mktemp("shop")
    (folder / "sales.csv").write_text(ROWS)
    (folder / "application.yml").write_text(MODEL)
    with ContextRunner(AUTO).directory(folder).properties({"server.enabled": False}).run() as context:
        yield context


@pytest.fixture(scope="module")
def client(node: ApplicationContext) -> Iterator[Client]:
    with Client(node, follow_redirects=True) as client:
        yield client


def test_the_start_page_leads_to_the_pivot_of_each_cube(client: Client) -> None:
    """And `/studio/cubes` to the first one."""
    assert 'href="/studio/cubes/sales"' in client.get("/studio").text
    assert client.get("/studio/cubes").url.path == "/studio/cubes/sales"
    assert client.get("/studio/cubes?format=json").json()["cubes"] == [
        {"name": "sales", "caption": "sales", "url": "/studio/cubes/sales"}
    ]


def test_without_the_starter_the_start_page_leads_to_the_description(tmp_path: Path) -> None:
    """The web alone has no pivot."""
    (tmp_path / "sales.csv").write_text(ROWS)
    (tmp_path / "application.yml").write_text(MODEL)
    auto = [each for each in AUTO if each is not StudioAutoConfiguration]
    runner = ContextRunner(auto).directory(tmp_path).properties({"server.enabled": False})
    with runner.run() as context, Client(context) as client:
        assert 'href="/cubes/sales"' in client.get("/studio").text
        assert client.get("/studio/cubes").status_code == 404


def test_a_node_without_cubes_says_how_to_get_one() -> None:
    """The page is there, and says what to write."""
    with ContextRunner(AUTO).properties({"server.enabled": False}).run() as context, Client(context) as client:
        assert "application.yml" in client.get("/studio/cubes").text
        assert client.get("/studio/cubes?format=json").json()["cubes"] == []
        assert client.get("/studio/cubes/sales").json()["code"] == "UNKNOWN_CUBE"


def test_the_twin_says_what_a_pivot_can_be_made_of(client: Client) -> None:
    """Columns with their types, the first layout, how measures are written, and the doors."""
    twin = client.get("/studio/cubes/sales?format=json").json()
    assert (twin["cube"], twin["socket"]) == ("sales", "/studio/cubes/sales/pivot")
    assert twin["layout"] == {
        "plugin": "Datagrid",
        "group_by": ["city"],
        "columns": ["lines", "items", "amount", "revenue"],
    }
    assert twin["formats"]["revenue"]["number_format"]["minimumFractionDigits"] == 2
    assert (twin["formats"]["amount"]["stack"], twin["formats"]["items"]["stack"]) == (True, False)
    assert "first_day" not in twin["formats"]
    assert [column["name"] for column in twin["columns"] if column["role"] == "measure"][-1] == "first_day"


def test_the_page_runs_nothing_that_is_not_ours(client: Client) -> None:
    """No script in the page itself, nothing from elsewhere, no evaluation of texts."""
    page = client.get("/studio/cubes/sales")
    rules: dict[str, list[str]] = {
        name: sources for name, *sources in map(str.split, page.headers["content-security-policy"].split(";"))
    }
    assert rules["default-src"] == ["'none'"]
    assert rules["script-src"] == ["'self'", "'wasm-unsafe-eval'", "blob:"]
    assert rules["style-src"] == ["'self'", "'unsafe-inline'"]
    assert rules["img-src"] == ["'self'", "data:"]
    assert rules["connect-src"] == ["'self'", "data:", "blob:"]
    assert "'unsafe-eval'" not in page.headers["content-security-policy"]
    links = re.findall(r'(?:src|href|data-perspective)="([^"]+)"', page.text)
    assert all(link.startswith("/") for link in links), links
    assert {link: client.get(link).status_code for link in links} == dict.fromkeys(links, 200)
    assert client.get("/studio").headers["content-security-policy"] != page.headers["content-security-policy"]


def test_what_runs_in_the_browser_is_asked_for_once(client: Client) -> None:
    """Its version is in its path."""
    (script,) = re.findall(r'data-perspective="([^"]+)"', client.get("/studio/cubes/sales").text)
    answer = client.get(script)
    assert "immutable" in answer.headers["cache-control"]
    assert answer.headers["content-type"].startswith("text/javascript")


@pytest.mark.parametrize(
    ("layout", "queries"),
    [
        (
            {"group_by": ["city"], "columns": ["items"], "sort": [["items", "desc"]]},
            [
                {
                    "measures": ["items"],
                    "levels": ["city"],
                    "order": [{"by": "items", "descending": True}],
                    "totals": "all",
                }
            ],
        ),
        (
            {"group_by": ["city"], "split_by": ["month"], "columns": ["items"], "split_rollup_mode": "rollup"},
            [
                {"measures": ["items"], "levels": ["month", "city"], "totals": "all"},
                {"measures": ["items"], "levels": ["city"], "totals": "all"},
            ],
        ),
        (
            {"columns": ["lines"], "filter": [["month", ">=", "2"]]},
            [{"measures": ["lines"], "levels": [], "where": {"month": {"from": 2}}}],
        ),
    ],
)
def test_a_layout_is_told_as_queries(client: Client, layout: dict[str, Any], queries: list[dict[str, Any]]) -> None:
    """Which a program can send as they are; the first has the cells, the others are totals of the split."""
    told = client.post("/studio/cubes/sales/queries", json=layout).json()["queries"]
    assert told == queries
    assert [client.post("/cubes/sales/query", json=query).status_code for query in told] == [200] * len(told)


def test_a_layout_with_a_mistake_is_a_problem(client: Client) -> None:
    """As everywhere."""
    answer = client.post("/studio/cubes/sales/queries", json={"columns": ["lins"]})
    assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_QUERY")
    assert "Did you mean: lines" in answer.json()["detail"]
    assert client.post("/studio/cubes/sales/queries", json=[1]).status_code == 400


def test_a_name_in_the_model_is_no_markup(tmp_path: Path) -> None:
    """A caption with a tag in it is text on the page."""
    (tmp_path / "sales.csv").write_text(ROWS)
    caption = "        caption: <b>&\"'\n"
    (tmp_path / "application.yml").write_text(MODEL.replace("        dimensions", caption + "        dimensions"))
    runner = ContextRunner(AUTO).directory(tmp_path).properties({"server.enabled": False})
    with runner.run() as context, Client(context) as client:
        page = client.get("/studio/cubes/sales").text
        assert "<b>" not in page
        assert "&lt;b&gt;" in page


def test_the_pivot_can_be_left_out(tmp_path: Path) -> None:
    """A node that has the starter and no Perspective starts without the page."""
    runner = ContextRunner(AUTO).without_modules("perspective").properties({"server.enabled": False})
    with runner.run() as context, Client(context) as client:
        assert client.get("/studio").status_code == 200
        assert client.get("/studio/cubes").status_code == 404
