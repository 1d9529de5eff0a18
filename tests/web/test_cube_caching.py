"""Answers that are kept: the same as answers that are made, also while data changes, and made once for many who ask."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app_framework.boot import ApplicationContext
from app_framework.database import Database, Insert
from app_framework.database.autoconfigure import DatabaseAutoConfiguration
from app_framework.olap import CubeQuery, Manager
from app_framework.olap.autoconfigure import OlapAutoConfiguration
from app_framework.testing import AsyncClient, Client, ContextRunner
from app_framework.web.answer_cache import AnswerCache
from app_framework.web.autoconfigure import WebAutoConfiguration

MODEL = """
database:
  tables: {sales: {columns: {id: bigint, city: varchar, amount: bigint}, key: [id]}}
schemas:
  Shop:
    base: sales
    cubes:
      sales:
        dimensions: {Place: [city]}
        measures: {lines: {count: "*"}, amount: {sum: amount}}
"""
ARROW = "application/vnd.apache.arrow.stream"


@pytest.fixture
def context(tmp_path: Path) -> Iterator[ApplicationContext]:
    (tmp_path / "application.yml").write_text(MODEL)
    auto = [WebAutoConfiguration, OlapAutoConfiguration, DatabaseAutoConfiguration]
    with ContextRunner(auto).directory(tmp_path).properties({"server.enabled": False}).run() as context:
        yield context


QUESTIONS: list[dict[str, Any]] = [
    {"measures": ["lines"]},
    {"measures": ["amount", "lines"], "levels": ["city"], "totals": "grand"},
    {"measures": ["amount"], "levels": ["city"], "where": {"city": ["Oslo", None]}},
]
ROWS = st.fixed_dictionaries(
    {"id": st.integers(0, 5), "city": st.sampled_from(["Oslo", "Rome", None]), "amount": st.integers(-9, 9)}
)
STEPS = st.lists(st.one_of(st.integers(0, len(QUESTIONS) - 1), st.lists(ROWS, min_size=1, unique_by=lambda r: r["id"])))


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(STEPS)
def test_a_kept_answer_is_that_of_the_newest_data(context: ApplicationContext, steps: list[Any]) -> None:
    """Commits and questions in any order, against the cube itself, which keeps nothing."""
    database, manager = context[Database], context[Manager]
    with Client(context) as client:
        for step in steps:
            if isinstance(step, list):
                database.commit([Insert("sales", step)])
                continue
            made = manager.query_sync("sales", CubeQuery.parse(QUESTIONS[step]))
            for _ in range(2):
                answer = client.post("/cubes/sales/query", json=QUESTIONS[step]).json()
                assert [tuple(row) for row in answer["rows"]] == made.rows
                assert answer["versions"] == made.versions == {"test": database.version}


@pytest.mark.parametrize("accept", ["application/json", "text/csv", ARROW])
def test_the_second_answer_is_the_first_one_to_the_letter(context: ApplicationContext, accept: str) -> None:
    with Client(context) as client:
        first, second = (
            client.post("/cubes/sales/query", json=QUESTIONS[1], headers={"Accept": accept}) for _ in range(2)
        )
        assert first.content == second.content
        assert first.headers["etag"] == second.headers["etag"]
        assert (first.status_code, context[AnswerCache].misses <= 1, context[AnswerCache].hits) == (200, True, 1)


def test_a_question_asked_by_many_at_once_is_answered_once(context: ApplicationContext) -> None:
    async def ask() -> None:
        async with AsyncClient(context) as client:
            answers = await asyncio.gather(*(client.post("/cubes/sales/query", json=QUESTIONS[0]) for _ in range(20)))
            assert {answer.json()["rows"][0][0] for answer in answers} == {0}

    cache = context[AnswerCache]
    asyncio.run(ask())
    assert (cache.misses, cache.hits) == (1, 19)


def test_a_mistake_is_told_each_time(context: ApplicationContext) -> None:
    with Client(context) as client:
        told = [client.post("/cubes/sales/query", json={"measures": ["lnes"]}) for _ in range(2)]
        assert [each.status_code for each in told] == [400, 400]
        assert len(context[AnswerCache]) == 0
