"""Whatever is asked of the doors of a cube, they answer or say in words that help why not."""

from __future__ import annotations

import csv
import io
from typing import Any

import pyarrow as pa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app_framework.testing import Client
from app_framework.web import encoding
from tests.web.test_cubes import ARROW, DOCUMENTS, FILTERS, MEMBERS, NAMES, QUERIES, SCALARS, TIMEOUTS, client, context

__all__ = ["client", "context"]

COLUMNS = st.sampled_from(["city", "price", "at", "weight", "sales.day", "sale.day", '"at"', "", ".", "a.b", "c'ty\""])
DRILLTHROUGHS = st.fixed_dictionaries(
    {},
    optional={
        "coordinates": st.dictionaries(NAMES, MEMBERS | st.lists(MEMBERS, max_size=1), max_size=3),
        "columns": st.lists(COLUMNS, max_size=3),
        "where": st.dictionaries(NAMES, FILTERS, max_size=2),
        "limit": st.integers(-1, 3) | SCALARS,
        "branch": st.sampled_from(["master", "other"]),
        "version": SCALARS,
        "timeout": TIMEOUTS,
        "totals": st.just("none"),
    },
)
BATCHES = st.lists(
    QUERIES.map(lambda query: {"cube": "sales", **query}) | QUERIES | DOCUMENTS, max_size=3
)  # fmt: skip


@given(DRILLTHROUGHS | DOCUMENTS, st.sampled_from(["application/json", "text/csv", ARROW]))
@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow])
def test_no_drillthrough_makes_the_node_fail(client: Client, document: object, accept: str) -> None:
    """Rows in the form that was asked for, as many as the cell counts or the limit says; or a problem."""
    answer = client.post("/cubes/sales/drillthrough", content=encoding.dumps(document), headers={"Accept": accept})
    if answer.status_code == 200:
        assert isinstance(document, dict)
        limit = document.get("limit")
        count, read = rows_of(answer, accept)
        assert read == (count if limit is None else min(count, limit))
        return
    assert_problem(answer)


@given(BATCHES)
@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow])
def test_no_batch_makes_the_node_fail(client: Client, batch: list[object]) -> None:
    """Each question has the answer that it would have alone."""
    answer = client.post("/cubes/query", content=encoding.dumps(batch))
    assert answer.status_code == 200
    told = answer.json()
    assert len(told) == len(batch)
    for question, each in zip(batch, told, strict=True):
        if not (isinstance(question, dict) and question.get("cube") == "sales"):
            assert each["code"] == "INVALID_REQUEST"
            continue
        query = {key: value for key, value in question.items() if key != "cube"}
        alone = client.post("/cubes/sales/query", content=encoding.dumps(query)).json()
        assert {**each, "elapsed_ms": 0} == {**alone, "elapsed_ms": 0}


def rows_of(answer: Any, accept: str) -> tuple[int, int]:
    """Return how many rows the cell counts, and how many came."""
    if accept == ARROW:
        table = pa.ipc.open_stream(answer.content).read_all()
        return int(table.schema.metadata[b"count"]), table.num_rows
    if accept == "text/csv":
        return int(answer.headers["x-count"]), len(list(csv.reader(io.StringIO(answer.text)))) - 1
    return answer.json()["count"], len(answer.json()["rows"])


def assert_problem(answer: Any) -> None:
    """It is the client's mistake, told with its fields, and nothing of the inside is shown."""
    assert answer.status_code in (400, 410), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert all(error["code"] and error["detail"] for error in answer.json()["errors"])
    assert "duckdb" not in answer.text.lower()
