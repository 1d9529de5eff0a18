"""A12: a question over HTTP and what it asks of data cubes are one trace, that of the caller."""

from __future__ import annotations

from pathlib import Path

import pytest

from app_framework.messaging.trace import new_traceparent
from app_framework.testing import Client, ContextRunner
from tests.messaging.recorded_spans import RecordedSpans, recorded_spans
from tests.web.test_distribution_routes import AUTO, MODEL

CALLER = new_traceparent()


def asked_over_http(folder: Path, recorded: RecordedSpans, *, telemetry: bool) -> None:
    """Ask a query cube over two data cubes within the caller's trace."""
    (folder / "sales.csv").write_text("region,revenue\nnorth,1\n")
    (folder / "others.csv").write_text("region,revenue\neast,4\n")
    (folder / "application.yml").write_text(MODEL)
    properties = {"server.port": 0, "server.telemetry": telemetry, "app.data-dir": folder}
    with ContextRunner(auto=AUTO).directory(folder).properties(properties).run() as context, Client(context) as client:
        recorded.spans.clear()
        answer = client.post("/cubes/world/query", json={"measures": ["revenue"]}, headers={"traceparent": CALLER})
        assert answer.json()["rows"] == [[5]]
    assert {span.trace_id for span in recorded.spans} == {CALLER[3:35]}


def test_the_question_is_a_child_of_the_callers_span(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded = recorded_spans(monkeypatch)
    asked_over_http(tmp_path, recorded, telemetry=False)
    question = recorded.spans[0]
    assert (question.name, question.parent_id) == ("query world", int(CALLER[36:52], 16))
    assert [span.parent_id for span in recorded.of_kind("CLIENT")] == [question.id] * 2


def test_the_question_is_within_the_span_of_its_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where FastAPI reports its requests."""
    recorded = recorded_spans(monkeypatch)
    asked_over_http(tmp_path, recorded, telemetry=True)
    by_id = {span.id: span for span in recorded.spans}
    (question,) = (span for span in recorded.spans if span.name == "query world")
    above = question
    while above.parent_id in by_id:
        above = by_id[above.parent_id]
    assert (above.kind, above.parent_id) == ("SERVER", int(CALLER[36:52], 16))
    assert above.attributes["http.route"] == "/cubes/{cube}/query"
    assert [span.parent_id for span in recorded.of_kind("CLIENT")] == [question.id] * 2
