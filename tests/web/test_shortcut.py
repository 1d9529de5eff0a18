"""A question to a cube goes past FastAPI's routing, and nobody can tell but by the time it takes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from fastapi import APIRouter

from app_framework.boot import ApplicationContext, Metrics
from app_framework.database import Database
from app_framework.database.autoconfigure import DatabaseAutoConfiguration
from app_framework.olap.autoconfigure import OlapAutoConfiguration
from app_framework.testing import Client, ContextRunner
from app_framework.web import WebApp
from app_framework.web.answer_cache import AnswerCache
from app_framework.web.autoconfigure import WebAutoConfiguration
from app_framework.web.shortcut import Shortcut
from tests.web.test_cubes import ARROW, MODEL, QUERY, ROWS

own = APIRouter()


@own.get("/cubes/{cube}/owner")
async def read_owner(cube: str) -> str:
    """A route that could be meant where a question is: with it, FastAPI decides."""
    return f"who owns {cube}"


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ApplicationContext, ApplicationContext]]:
    """The same node with the short way, and with the long one."""
    folder: Path = tmp_path_factory.mktemp("shop")
    (folder / "sales.csv").write_text(ROWS)
    (folder / "application.yml").write_text(MODEL)
    runner = ContextRunner(auto=[DatabaseAutoConfiguration, OlapAutoConfiguration, WebAutoConfiguration])
    runner = runner.directory(folder).properties({"server.enabled": False})
    with ExitStack() as opened:
        yield opened.enter_context(runner.run()), opened.enter_context(runner.sources(own).run())


_ELAPSED = re.compile(rb'"?elapsed_ms"?[^,}]*')
PATH = "/cubes/sales/query"
REQUESTS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "a question": ("POST", PATH, {"json": QUERY}),
    "in other words": ("POST", PATH, {"content": json.dumps(QUERY, indent=2)}),
    "for CSV": ("POST", PATH, {"json": QUERY, "headers": {"Accept": "text/csv"}}),
    "for Arrow": ("POST", PATH, {"json": QUERY, "headers": {"Accept": ARROW}}),
    "for what is not offered": ("POST", PATH, {"json": QUERY, "headers": {"Accept": "image/png"}}),
    "an unknown cube": ("POST", "/cubes/sails/query", {"json": QUERY}),
    "an unknown measure": ("POST", PATH, {"json": {"measures": ["lnes"]}}),
    "a gone version": ("POST", PATH, {"json": {**QUERY, "version": 99}}),
    "no JSON": ("POST", PATH, {"content": b"{"}),
    "nothing": ("POST", PATH, {}),
    "too much": ("POST", PATH, {"content": b" " * 2_000_000}),
    "another method": ("GET", PATH, {}),
    "a slash too many": ("POST", PATH + "/", {"json": QUERY}),
    "no cube": ("POST", "/cubes//query", {"json": QUERY}),
    "a cube with a slash": ("POST", "/cubes/a%2Fb/query", {"json": QUERY}),
    "several cubes": ("POST", "/cubes/query", {"json": [{"cube": "sales", **QUERY}]}),
    "of a foreign page": ("POST", PATH, {"json": QUERY, "headers": {"Origin": "http://evil.example"}}),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_both_ways_answer_the_same(nodes: tuple[ApplicationContext, ApplicationContext], name: str) -> None:
    """Status, headers and body, the first time and the second."""
    method, path, options = REQUESTS[name]
    short, long = ([_told(context, method, path, options) for _ in range(2)] for context in nodes)
    assert short == long


def test_only_one_of_them_is_short(nodes: tuple[ApplicationContext, ApplicationContext]) -> None:
    found = [Shortcut in [each.cls for each in context[WebApp].api.user_middleware] for context in nodes]
    assert found == [True, False]


def test_both_ways_are_the_same_route_in_the_metrics(nodes: tuple[ApplicationContext, ApplicationContext]) -> None:
    for context in nodes:
        Client(context).post(PATH, json=QUERY)
        assert 'uri="/cubes/{cube}/query"' in context[Metrics].prometheus_text()[0]


def test_a_question_that_is_held_is_not_planned_again(nodes: tuple[ApplicationContext, ApplicationContext]) -> None:
    """Its tag is known by its bytes, and its answer by its tag."""
    context = nodes[0]
    client, cache = Client(context), context[AnswerCache]
    tag = client.post(PATH, json=QUERY).headers["etag"]
    read, misses = len(cache.questions), cache.misses
    assert client.post(PATH, json=QUERY, headers={"If-None-Match": tag}).status_code == 304
    assert (len(cache.questions), cache.misses) == (read, misses)


def _told(context: ApplicationContext, method: str, path: str, options: dict[str, Any]) -> tuple[object, ...]:
    """Return an answer without what differs from node to node: the number of the version, and the time it took."""
    answer = Client(context).request(method, path, **options)
    headers = dict(answer.headers)
    for name in ("x-request-id", "x-elapsed-ms", "content-length"):
        headers.pop(name, None)
    version = str(context[Database].version)
    headers = {name: "a tag" if name == "etag" else value.replace(version, "now") for name, value in headers.items()}
    if headers.get("content-type") == ARROW:
        return answer.status_code, headers, pa.ipc.open_stream(answer.content).read_all().to_pydict()
    body = _ELAPSED.sub(b"", answer.content.replace(version.encode(), b"now"))
    return answer.status_code, headers, body
