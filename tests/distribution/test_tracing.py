"""A12: the spans of a question to a query cube: one trace, one span for each data cube that is asked."""

from __future__ import annotations

from contextlib import AbstractContextManager

import pytest
from opentelemetry import trace

from app_framework.messaging.trace import new_traceparent, with_traceparent
from app_framework.olap import CubeQuery
from app_framework.testing import DataNode, DistributionTestHelper, QueryNode
from tests.messaging.recorded_spans import RecordedSpan, RecordedSpans, recorded_spans

OSLO: list[dict[str, object]] = [{"region": "Oslo", "revenue": 3}, {"region": "Turku", "revenue": 5}]
BARI: list[dict[str, object]] = [{"region": "Bari", "revenue": 7}]
DATABASE = {"db.system.name": "app-framework", "db.operation.name": "query"}


@pytest.fixture
def a(distribution: DistributionTestHelper) -> DataNode:
    return distribution.data_node("a", {"sales": OSLO})


@pytest.fixture
def world(distribution: DistributionTestHelper, a: DataNode) -> QueryNode:
    distribution.data_node("b", {"sales": BARI})
    return distribution.query_node("world", {"app": ["region"]})


@pytest.fixture
def recorded(world: QueryNode, monkeypatch: pytest.MonkeyPatch) -> RecordedSpans:
    """What remembers the spans from now on: nothing of joining."""
    return recorded_spans(monkeypatch)


def test_a_question_is_one_trace_with_a_span_for_each_data_cube(world: QueryNode, recorded: RecordedSpans) -> None:
    """The query cube's over those of the asked ones, and each of these over the data cube's own."""
    assert world.query(["revenue.sum"], ["region"]).rows == [("Bari", 7), ("Oslo", 3), ("Turku", 5)]
    question, *others = recorded.spans
    assert (question.name, question.kind, question.parent_id) == ("query world", "INTERNAL", None)
    assert question.attributes == {**DATABASE, "db.collection.name": "world"}
    assert {span.trace_id for span in others} == {question.trace_id}
    asked, answers = recorded.of_kind("CLIENT"), recorded.of_kind("SERVER")
    assert [span.attributes["app_framework.node"] for span in asked] == ["a", "b"]
    assert {span.parent_id for span in asked} == {question.id}
    assert [span.parent_id for span in answers] == [span.id for span in asked]
    assert all(span.ended and span.error is None for span in recorded.spans)
    assert len(recorded.spans) == 5


def test_a_span_tells_who_was_asked_and_what_came(world: QueryNode, recorded: RecordedSpans) -> None:
    """Names of OpenTelemetry's conventions for databases where there are some; no member of the question."""
    plan = world.plan(["revenue.sum"], ["region"], {"region": ["Oslo", "Turku"]})
    (asked,), (answer,) = recorded.of_kind("CLIENT"), recorded.of_kind("SERVER")
    assert asked.attributes.pop("app_framework.elapsed_ms") == answer.attributes.pop("app_framework.elapsed_ms")
    told = {**DATABASE, "db.collection.name": "sales", "app_framework.node": "a"}
    came = {"db.response.returned_rows": 2, "app_framework.version": plan.nodes["a"]["version"]}
    assert (answer.name, answer.attributes) == ("query sales", {**told, **came})
    assert (asked.name, asked.attributes) == (
        "query sales",
        {**told, **came, "app_framework.application": "app", "app_framework.bytes": plan.nodes["a"]["bytes"]},
    )


def test_who_dies_under_a_question_is_an_error_of_its_span(
    distribution: DistributionTestHelper, a: DataNode, world: QueryNode, recorded: RecordedSpans
) -> None:
    """And of the question's; the data cube that answered has none (AA6)."""
    distribution.hold(a)
    running = world.begin(["revenue.sum"])
    distribution.kill(a)
    refused = running.error()
    question, dead, alive = recorded.spans[0], *recorded.of_kind("CLIENT")
    assert (question.error, question.attributes["error.type"]) == (str(refused), "DataNodeUnavailableError")
    assert (dead.error, dead.attributes["app_framework.node"]) == (
        "Node 'a' did not answer: nothing is heard of it any more.",
        "a",
    )
    assert (alive.error, alive.attributes["app_framework.node"]) == (None, "b")
    assert all(span.ended for span in recorded.spans)


def test_nobody_is_asked_for_what_is_not_there(world: QueryNode, recorded: RecordedSpans) -> None:
    """A member that no data cube holds: the question has a span, and no other one is made."""
    assert world.query(["revenue.sum"], ["region"], {"region": "Rome"}).rows == []
    assert [span.name for span in recorded.spans] == ["query world"]


def test_the_rows_behind_a_cell_are_a_trace_too(world: QueryNode, recorded: RecordedSpans) -> None:
    """Of a drillthrough."""
    assert len(world.drillthrough({"region": "Oslo"}).rows) == 1
    names = [(span.kind, span.name, span.attributes.get("db.response.returned_rows")) for span in recorded.spans]
    assert names == [
        ("INTERNAL", "drillthrough world", None),
        ("CLIENT", "drillthrough sales", 1),
        ("SERVER", "drillthrough sales", 1),
    ]


def test_a_question_belongs_to_the_trace_of_its_caller(world: QueryNode, recorded: RecordedSpans) -> None:
    """The traceparent that a request brought; the current span of OpenTelemetry where there is one."""
    given, query = new_traceparent(), CubeQuery(["revenue.sum"])

    async def asked(within: AbstractContextManager[object]) -> RecordedSpan:
        recorded.spans.clear()
        with within:
            await world.cube.query(query)
        return recorded.spans[0]

    question = world._node.living.wait(asked(with_traceparent(given)))
    assert (question.trace_id, question.parent_id) == (given[3:35], int(given[36:52], 16))
    assert {span.trace_id for span in recorded.spans} == {given[3:35]}
    request = recorded.start_span("POST /cubes/{cube}/query")
    question = world._node.living.wait(asked(trace.use_span(request)))
    assert (question.name, question.parent_id) == ("query world", request.get_span_context().span_id)
