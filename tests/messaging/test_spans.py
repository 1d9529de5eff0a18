"""Spans within the trace that messages carry (A12)."""

from __future__ import annotations

import sys

import pytest
from opentelemetry import trace

from app_framework.messaging.spans import LIBRARY, REASON_CHARACTERS_MAX, Spans
from app_framework.messaging.trace import (
    current_trace_id,
    current_traceparent,
    is_traceparent,
    new_traceparent,
    with_traceparent,
)
from tests.messaging.recorded_spans import RecordedSpan, RecordedSpans, recorded_spans

SPANS = Spans("shop")


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> RecordedSpans:
    return recorded_spans(monkeypatch)


def test_nothing_is_begun_where_no_provider_is_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither beside the library nor without it; the trace that messages carry is as it was."""
    with with_traceparent(given := new_traceparent()):
        unseen = SPANS.begin("count", "internal", {})
        with unseen as span:
            span.note({"found": 1})
            assert current_traceparent() == given
    monkeypatch.delitem(sys.modules, LIBRARY)
    assert SPANS.begin("count", "client", {}) is unseen
    assert LIBRARY not in sys.modules


def test_what_is_sent_within_belongs_to_the_span(recorded: RecordedSpans) -> None:
    """A span within is its child; what is noted later is added; one tracer is made for all."""
    spans = Spans("shop")
    with spans.begin("outer", "internal", {"shelf": 7}) as span:
        outside = current_traceparent()
        with spans.begin("inner", "client", {}):
            inside = current_traceparent()
        span.note({"found": 12})
        assert current_traceparent() == outside
    outer, inner = recorded.spans
    assert (outer.attributes, outer.parent_id, inner.parent_id) == ({"shelf": 7, "found": 12}, None, outer.id)
    assert is_traceparent(inside)
    assert inside == f"00-{outer.trace_id}-{inner.id:016x}-01"
    assert (outer.ended, inner.ended, recorded.scopes, current_traceparent()) == (True, True, ["shop"], "")


def test_it_is_a_child_of_the_trace_that_the_code_belongs_to(recorded: RecordedSpans) -> None:
    """The trace that a request of HTTP or a message brought, which is not one of the library's spans here."""
    with with_traceparent(given := new_traceparent()), SPANS.begin("count", "internal", {}):
        assert current_trace_id() == given[3:35]
    assert parent_of(recorded.spans[0]) == given


def test_a_server_span_is_a_child_of_its_caller_only(recorded: RecordedSpans) -> None:
    """Whatever span the task belongs to that brought the message; without a caller it is the first of a trace."""
    given = new_traceparent()
    with SPANS.begin("other", "internal", {}):
        with SPANS.begin("answer", "server", {}, caller=given):
            pass
        with SPANS.begin("answer", "server", {}, caller="no trace"):
            pass
    other, answer, alone = recorded.spans
    assert parent_of(answer) == given
    assert (alone.parent_id, alone.trace_id == other.trace_id) == (None, False)


def test_an_error_that_leaves_it_is_recorded(recorded: RecordedSpans) -> None:
    """Its kind and its sentence, which is cut; no stack trace."""
    with pytest.raises(ValueError, match="wrong"), SPANS.begin("count", "internal", {}):
        raise ValueError("wrong " * REASON_CHARACTERS_MAX)
    (span,) = recorded.spans
    assert (span.attributes, span.ended) == ({"error.type": "ValueError"}, True)
    assert span.error == ("wrong " * REASON_CHARACTERS_MAX)[:REASON_CHARACTERS_MAX]


def test_a_provider_that_makes_none_leaves_the_trace_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a switched off SDK does."""

    class Switched(trace.TracerProvider):
        def get_tracer(self, *given: object, **more: object) -> trace.Tracer:
            return trace.NoOpTracer()

    monkeypatch.setattr(trace, "get_tracer_provider", Switched)
    with with_traceparent(given := new_traceparent()), SPANS.begin("count", "internal", {}) as span:
        span.note({"found": 1})
        assert current_traceparent() == given


def parent_of(span: RecordedSpan) -> str:
    return f"00-{span.trace_id}-{span.parent_id:016x}-01"
