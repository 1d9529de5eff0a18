"""The trace that the running code belongs to, as W3C Trace Context writes it; messengers carry it from node to node.

>>> with with_traceparent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"):
...     current_trace_id()
'0af7651916cd43dd8448eb211c80319c'
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

TRACEPARENT = "traceparent"
"""The name of the header, here and in HTTP."""

_FORM = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?\Z")
_current: ContextVar[str] = ContextVar("traceparent", default="")


def current_traceparent() -> str:
    """Return the trace of the running code as a header's value; empty where there is none."""
    return _current.get()


def current_trace_id() -> str:
    """Return the 32 digits that name the whole trace; empty where there is none."""
    return _current.get()[3:35]


@contextmanager
def with_traceparent(value: str | None) -> Iterator[None]:
    """Run the block as part of a trace; a value that is none leaves the trace as it was, as the standard says."""
    if not value or not is_traceparent(value):
        yield
        return
    token = _current.set(value)
    try:
        yield
    finally:
        _current.reset(token)


def enter_traceparent(value: str) -> None:
    """Make the running task part of a trace until it ends; a value that is none changes nothing."""
    if is_traceparent(value):
        _current.set(value)


def is_traceparent(value: str) -> bool:
    """Whether a header's value is one; a later version than ours may have more after it."""
    return len(value) <= 512 and _FORM.match(value) is not None


def new_traceparent() -> str:
    """Return the beginning of a new trace, marked as sampled.

    >>> is_traceparent(new_traceparent())
    True
    """
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"
