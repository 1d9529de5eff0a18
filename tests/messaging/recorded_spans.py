"""A tracer provider that remembers its spans, made of the abstract classes of OpenTelemetry's API."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.context import Context


class RecordedSpan(trace.Span):
    """A span that is looked at afterwards."""

    def __init__(self, name: str, kind: trace.SpanKind, at: trace.SpanContext, parent: trace.SpanContext) -> None:
        self.name = name
        self.kind = kind.name
        self.parent_id = parent.span_id if parent.is_valid else None
        self.attributes: dict[str, Any] = {}
        self.error: str | None = None
        self.ended = False
        self._at = at

    @property
    def id(self) -> int:
        return self._at.span_id

    @property
    def trace_id(self) -> str:
        return f"{self._at.trace_id:032x}"

    def get_span_context(self) -> trace.SpanContext:
        return self._at

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        self.attributes.update(attributes)

    def set_attribute(self, key: str, value: Any) -> None:
        self.attributes[key] = value

    def set_status(self, status: Any, description: str | None = None) -> None:
        if isinstance(status, trace.Status) and status.status_code is trace.StatusCode.ERROR:
            self.error = status.description

    def end(self, end_time: int | None = None) -> None:
        assert not self.ended
        self.ended = True

    def is_recording(self) -> bool:
        return not self.ended

    def add_event(self, *given: Any, **more: Any) -> None:
        pass

    def update_name(self, name: str) -> None:
        self.name = name

    def record_exception(self, *given: Any, **more: Any) -> None:
        raise AssertionError("a stack trace was recorded")


class RecordedSpans(trace.TracerProvider, trace.Tracer):
    """All spans, in the order of their beginnings; provider and tracer in one."""

    def __init__(self) -> None:
        self.spans: list[RecordedSpan] = []
        self.scopes: list[str] = []
        self._ids = count(1)

    def of_kind(self, kind: str) -> list[RecordedSpan]:
        return [span for span in self.spans if span.kind == kind]

    def get_tracer(self, instrumenting_module_name: str, *given: Any, **more: Any) -> trace.Tracer:
        self.scopes.append(instrumenting_module_name)
        return self

    def start_span(
        self,
        name: str,
        context: Context | None = None,
        kind: trace.SpanKind = trace.SpanKind.INTERNAL,
        attributes: Any = None,
        *given: Any,
        **more: Any,
    ) -> trace.Span:
        parent = trace.get_current_span(context).get_span_context()
        number = next(self._ids)
        trace_id = parent.trace_id if parent.is_valid else number << 64
        at = trace.SpanContext(trace_id, number, is_remote=False, trace_flags=trace.TraceFlags(1))
        span = RecordedSpan(name, kind, at, parent)
        span.attributes.update(attributes or {})
        self.spans.append(span)
        return span

    @contextmanager
    def start_as_current_span(self, *given: Any, **more: Any) -> Iterator[trace.Span]:  # type: ignore[override]
        with trace.use_span(self.start_span(*given, **more), end_on_exit=True) as span:
            yield span


def recorded_spans(monkeypatch: pytest.MonkeyPatch) -> RecordedSpans:
    """Return what remembers all spans of a test: a provider can be set once in a process only, so it is put there."""
    spans = RecordedSpans()
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: spans)
    return spans
