"""A pivot of a query cube, and where the Studio shows who answers for it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.asyncio.client import connect

from app_framework.boot import ApplicationContext
from app_framework.database import Database, Insert
from app_framework.distribution.autoconfigure import DistributionAutoConfiguration
from app_framework.messaging.autoconfigure import MessagingAutoConfiguration
from app_framework.olap import CubeQuery, Manager
from app_framework.testing import Client, ContextRunner
from app_framework.web.pivot.wire import read_envelope
from tests.studio.shop import MODEL, ROWS
from tests.studio.test_socket import AUTO, FEATURES, door

DISTRIBUTED = """
distribution:
  data-cubes: {sales: {application: shop}}
  query-cubes: {world: {applications: {shop: {distributing-levels: [city]}}}}
"""
MAKE_VIEW = b"\x08\x02\x12\x05world\x32\x10\x0a\x01v\x12\x0b\x1a\x09\x12\x07\x0a\x05lines"
"""Message 2: a view `v` of the table `world` with the column `lines`."""


@pytest.fixture
def node(tmp_path: Path) -> Iterator[ApplicationContext]:
    (tmp_path / "sales.csv").write_text(ROWS)
    (tmp_path / "application.yml").write_text(MODEL + DISTRIBUTED)
    runner = ContextRunner([*AUTO, MessagingAutoConfiguration, DistributionAutoConfiguration]).directory(tmp_path)
    with runner.properties({"server.port": 0, "app.data-dir": tmp_path}).run() as context:
        yield context


def test_a_query_cube_has_a_pivot_that_follows_commits(node: ApplicationContext) -> None:
    """As any cube has."""

    async def look() -> list[object]:
        async with connect(door(node, "world")) as socket:
            await socket.send(FEATURES)
            await socket.send(MAKE_VIEW)
            first, second, told = [await socket.recv() for _ in range(3)]
            assert isinstance(first, bytes)
            assert isinstance(second, bytes)
            assert [read_envelope(each).number for each in (first, second)] == [1, 2]
            row = {"city": "Oslo", "month": 3, "version": "fact", "item": "tea", "amount": 1, "price": 1}
            await asyncio.to_thread(node[Database].commit, [Insert("sales", [row])])
            return [json.loads(told)["version"], json.loads(await socket.recv())["version"]]

    before, after = asyncio.run(look())
    assert isinstance(before, int)
    assert isinstance(after, int)
    assert after > before
    answer = node[Manager].query_sync("world", CubeQuery(measures=["lines"]))
    assert answer.rows == [(7,)]


def test_the_start_page_shows_who_answers_for_a_query_cube(node: ApplicationContext) -> None:
    with Client(node) as client:
        page = client.get("/studio").text
        (cubes,) = [each for each in client.get("/studio?format=json").json()["sections"] if each["title"] == "Cubes"]
    world = next(item for item in cubes["items"] if item["name"] == "world")
    assert world["text"].endswith("query cube of shop, started")
    (told,) = world["parts"]["Data cubes"]
    assert told.startswith("test/sales: active, version ")
    assert told in page
    assert "data cube of shop, joined" in page


def test_a_page_is_there_while_nobody_answers(node: ApplicationContext) -> None:
    """A query cube that is stopped has nothing to show, and that is no failure of the page."""
    with Client(node) as client:
        assert client.post("/cubes/world/distribution/stop").status_code == 200
        for path in ("/studio/cubes/world", "/studio/cubes/world?format=json", "/studio/cubes?format=json", "/studio"):
            assert client.get(path).status_code == 200, path
