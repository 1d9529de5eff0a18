"""Several questions in one request, and questions where there are too many already."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app_framework.boot import ApplicationContext
from app_framework.database import Database
from app_framework.database.autoconfigure import DatabaseAutoConfiguration
from app_framework.olap import CellSet, CubeQuery, Manager
from app_framework.olap.autoconfigure import OlapAutoConfiguration
from app_framework.olap.batch import ABREAST, answer_all
from app_framework.testing import Client, ContextRunner
from app_framework.web.answer_cache import AnswerCache
from app_framework.web.autoconfigure import WebAutoConfiguration
from app_framework.web.routes import cube_batch
from tests.web.test_cubes import ARROW, MODEL, QUERY, ROWS


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApplicationContext]:
    """A node that takes little: one query at a time and four that wait, five questions in a batch, six rows."""
    folder: Path = tmp_path_factory.mktemp("shop")
    (folder / "sales.csv").write_text(ROWS)
    (folder / "application.yml").write_text(MODEL)
    auto = [WebAutoConfiguration, OlapAutoConfiguration, DatabaseAutoConfiguration]
    little = {
        "server.enabled": False,
        "database.pool-size": 1,
        "database.queue-size": 4,
        "olap.max-batch": 5,
        "olap.max-rows": 6,
    }
    with ContextRunner(auto).directory(folder).properties(little).run() as context:
        yield context


@pytest.fixture(scope="module")
def client(context: ApplicationContext) -> Iterator[Client]:
    with Client(context) as client:
        yield client


@pytest.fixture
def busy(context: ApplicationContext) -> Iterator[None]:
    """As many queries as may run and wait."""
    go_on = threading.Event()
    tickets = [context[Database].submit_job(lambda _: go_on.wait(30)) for _ in range(5)]
    yield
    go_on.set()
    for ticket in tickets:
        ticket.result()


def test_each_question_is_answered_as_if_it_were_alone(client: Client) -> None:
    """In order; one that is wrong has its problem in its place and spoils nothing."""
    batch: list[Any] = [
        {"cube": "sales", **QUERY},
        {"cube": "sale", "measures": ["lines"]},
        {"cube": "sales", "measures": ["line"], "limit": -1},
        {"measures": ["lines"]},
        7,
    ]
    answer = client.post("/cubes/query", json=batch)
    first, unknown, wrong, nameless, shapeless = json.loads(answer.text, parse_float=str)
    alone = json.loads(client.post("/cubes/sales/query", json=QUERY).text, parse_float=str)
    assert {**first, "elapsed_ms": 0} == {**alone, "elapsed_ms": 0}
    assert (unknown["code"], unknown["status"], unknown["errors"][0]["near"]) == ("UNKNOWN_CUBE", 404, ["sales"])
    assert [error["field"] for error in wrong["errors"]] == ["limit", "measures[0]"]
    assert (nameless["code"], nameless["errors"][0]["field"]) == ("INVALID_REQUEST", "cube")
    assert shapeless["code"] == "INVALID_REQUEST"
    assert client.post("/cubes/query", json=[]).json() == []


def test_a_batch_is_a_list_of_bounded_length(client: Client) -> None:
    """What is too long is refused whole, and the bound is named."""
    for body in ({"cube": "sales"}, "x", None):
        assert client.post("/cubes/query", json=body).json()["code"] == "INVALID_REQUEST"
    refused = client.post("/cubes/query", json=[{"cube": "sales", **QUERY}] * 6)
    assert (refused.status_code, refused.json()["code"]) == (413, "TOO_LARGE")
    assert "at most 5 questions (`olap.max-batch`)" in refused.json()["detail"]


def test_the_answers_of_a_batch_have_no_more_rows_than_one_may_have(client: Client) -> None:
    """Four and four are more than six: one of them is refused."""
    told = client.post("/cubes/query", json=[{"cube": "sales", **QUERY}] * 2).json()
    assert sorted(each.get("code", "answer") for each in told) == ["TOO_LARGE", "answer"]


def test_a_long_batch_is_the_same_in_pieces(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = client.post("/cubes/query", json=[{"cube": "sales", **QUERY}]).json()
    monkeypatch.setattr(cube_batch, "CHUNK_ROWS", 1)
    answer = client.post("/cubes/query", json=[{"cube": "sales", **QUERY}])
    assert "content-length" not in answer.headers
    assert [{**each, "elapsed_ms": 0} for each in answer.json()] == [{**each, "elapsed_ms": 0} for each in whole]


@pytest.mark.parametrize("accept", ["application/json", "text/csv", ARROW])
def test_where_the_line_is_full_a_question_is_refused_with_when_to_come_back(
    client: Client, context: ApplicationContext, busy: None, accept: str
) -> None:
    """429 and `Retry-After`; the bound is named. What was answered before is still answered."""
    context[AnswerCache].clear()
    for door, body in (("query", QUERY), ("drillthrough", {}), ("explain", QUERY)):
        answer = client.post(f"/cubes/sales/{door}", json=body, headers={"Accept": accept})
        assert (answer.status_code, answer.json()["code"], answer.headers["retry-after"]) == (429, "OVERLOADED", "1")
        assert "database.queue-size" in answer.json()["detail"]


def test_a_batch_of_which_nothing_can_be_answered_is_refused_as_one_question(client: Client, busy: None) -> None:
    """Else those that were refused have their problem among the answers."""
    answer = client.post("/cubes/query", json=[{"cube": "sales", **QUERY}] * 2)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
    mixed = client.post("/cubes/query", json=[{"cube": "sales", **QUERY}, 7])
    assert (mixed.status_code, [each["code"] for each in mixed.json()]) == (200, ["OVERLOADED", "INVALID_REQUEST"])


def test_a_failure_of_the_node_is_one_problem_of_the_batch(
    client: Client, context: ApplicationContext, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It says nothing of the inside; the log does."""
    ask = Manager.query

    async def failing(manager: Manager, cube: str, query: CubeQuery) -> CellSet:
        if query.limit == 1:
            raise RuntimeError("inside")
        return await ask(manager, cube, query)

    monkeypatch.setattr(Manager, "query", failing)
    answer = client.post("/cubes/query", json=[{"cube": "sales", "measures": ["lines"], "limit": n} for n in (1, 2)])
    failed, fine = answer.json()
    assert (failed["code"], fine["rows"], "inside" in answer.text) == ("INTERNAL", [[3]], False)
    assert "a question of a batch failed" in caplog.text


def test_few_questions_of_a_batch_are_with_the_database_at_a_time() -> None:
    """Side by side, and leaving room for others."""
    asked: list[int] = []

    async def ask(_: str, __: CubeQuery) -> CellSet:
        asked.append(1)
        await asyncio.sleep(0)
        most.append(len(asked))
        asked.pop()
        return CellSet("c", [], rows=[()])

    most: list[int] = []
    answers = asyncio.run(answer_all([("c", CubeQuery(measures=["n"]))] * 20, ask, rows_max=100))
    assert (len(answers), max(most)) == (20, ABREAST)
    assert all(isinstance(each, CellSet) and len(each) == 1 for each in answers)
