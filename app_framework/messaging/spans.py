"""Spans of OpenTelemetry, within the trace that messages carry; nothing where no tracer provider is configured.

>>> with Spans("shop").begin("count", "internal", {"shelf": 7}) as span:
...     span.note({"found": 12})
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Literal

from app_framework.messaging.trace import current_traceparent, is_traceparent, with_traceparent

if TYPE_CHECKING:
    from opentelemetry import trace
    from opentelemetry.context import Context

LIBRARY = "opentelemetry.trace"
"""Whoever configures a provider has imported it; nobody else needs to."""
REASON_CHARACTERS_MAX = 500

Kind = Literal["internal", "client", "server"]
Attributes = Mapping[str, str | int | float | bool]


class Span:
    """A piece of work that is being done; where nobody listens nothing is kept of it."""

    __slots__ = ("_span",)

    def __init__(self, span: trace.Span | None) -> None:
        self._span = span

    def note(self, attributes: Attributes) -> None:
        """Add what is known now."""
        if self._span is not None:
            self._span.set_attributes(attributes)

    def __repr__(self) -> str:
        return f"<Span {self._span}>"


_UNSEEN = nullcontext(Span(None))


class Spans:
    """Begins the spans of one part of the framework.

    Args:
        scope: names the part, as OpenTelemetry's instrumentation scope.
    """

    def __init__(self, scope: str) -> None:
        self._scope = scope
        self._made: tuple[trace.TracerProvider, trace.Tracer] | None = None

    def begin(
        self, name: str, kind: Kind, attributes: Attributes, *, caller: str | None = None
    ) -> AbstractContextManager[Span]:
        """Return a block that is a span; what is sent within belongs to it, and an error that leaves it is recorded.

        Args:
            name: few different ones: no member and no version.
            kind: a ``server`` span is the child of `caller`, any other one of the current span, or where there is none
                of the trace that the running code belongs to.
            attributes: what is known at its beginning.
            caller: the traceparent that a message brought.
        """
        tracer = self._tracer() if LIBRARY in sys.modules else None
        return _UNSEEN if tracer is None else _begun(tracer, name, kind, attributes, caller)

    def _tracer(self) -> trace.Tracer | None:
        from opentelemetry import trace

        provider = trace.get_tracer_provider()
        if isinstance(provider, (trace.ProxyTracerProvider, trace.NoOpTracerProvider)):
            return None  # the library's own answers while none is configured
        if self._made is None or self._made[0] is not provider:
            self._made = provider, provider.get_tracer(self._scope)
        return self._made[1]

    def __repr__(self) -> str:
        return f"<Spans of {self._scope}>"


@contextmanager
def _begun(tracer: trace.Tracer, name: str, kind: Kind, attributes: Attributes, caller: str | None) -> Iterator[Span]:
    from opentelemetry import trace

    parent = _parent(kind, caller)
    span = tracer.start_span(name, parent, trace.SpanKind[kind.upper()], attributes)
    # An error is recorded here, without the stack trace that the library would add to it.
    with trace.use_span(span, end_on_exit=True, record_exception=False, set_status_on_exception=False):
        try:
            with with_traceparent(_traceparent(span)):
                yield Span(span)
        except BaseException as error:
            span.set_attribute("error.type", type(error).__qualname__)
            span.set_status(trace.Status(trace.StatusCode.ERROR, str(error)[:REASON_CHARACTERS_MAX]))
            raise


def _parent(kind: Kind, caller: str | None) -> Context | None:
    """Return the context of a new span; None where it is the current one."""
    from opentelemetry import trace
    from opentelemetry.context import Context

    if kind == "server":
        return _remote(caller or "", Context())  # of the message, whatever the task that brought it belongs to
    if trace.get_current_span().get_span_context().is_valid:
        return None
    return _remote(current_traceparent(), None)


def _remote(traceparent: str, context: Context | None) -> Context | None:
    from opentelemetry import trace

    if not is_traceparent(traceparent):
        return context
    _, trace_id, span_id, flags = traceparent.split("-", 3)
    sampled = trace.TraceFlags(int(flags[:2], 16))
    parent = trace.SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=sampled)
    return trace.set_span_in_context(trace.NonRecordingSpan(parent), context)


def _traceparent(span: trace.Span) -> str:
    at = span.get_span_context()
    return f"00-{at.trace_id:032x}-{at.span_id:016x}-{at.trace_flags:02x}"
