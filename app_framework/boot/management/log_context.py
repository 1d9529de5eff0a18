"""Whose log record it is: the application and node it was written in, and the request it belongs to.

Both travel in context variables: tasks and `asyncio.to_thread` calls inherit them from whoever started them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar, Token
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, eq=False)
class LogOwner:
    """One running application, as its log records name it; compared by identity.

    Args:
        application: its name.
        node: its node's name, when that is another.
        version: its version, empty when it has none.
    """

    application: str
    node: str = ""
    version: str = ""

    def __str__(self) -> str:
        same = self.node in ("", self.application)
        return self.application if same else f"{self.application}/{self.node}"


_OWNER: ContextVar[LogOwner | None] = ContextVar("log_owner", default=None)
_REQUEST: ContextVar[Mapping[str, str] | None] = ContextVar("log_request", default=None)


def current_log_owner() -> LogOwner | None:
    """Return the application this code runs for, None where nobody said."""
    return _OWNER.get()


def set_log_owner(owner: LogOwner | None) -> None:
    """Say for which application this task, and every task it starts, runs from now on."""
    _OWNER.set(owner)


@contextmanager
def log_owner(owner: LogOwner | None) -> Iterator[None]:
    """Run what is inside the ``with`` for `owner`, or for nobody."""
    token = _OWNER.set(owner)
    try:
        yield
    finally:
        _OWNER.reset(token)


def request_log_context(
    *, request_id: str | None = None, trace_id: str | None = None, span_id: str | None = None
) -> Token[Mapping[str, str] | None]:
    """Say to which request the records of this task belong.

    Returns:
        what `reset_request_log_context` takes back.
    """
    given = {"request_id": request_id, "trace_id": trace_id, "span_id": span_id}
    return _REQUEST.set({name: value for name, value in given.items() if value})


def reset_request_log_context(token: Token[Mapping[str, str] | None]) -> None:
    """End what `request_log_context` began, in the same task."""
    _REQUEST.reset(token)


def current_request_fields() -> Mapping[str, str]:
    """Return ``request_id``, ``trace_id`` and ``span_id`` as far as they are known."""
    return _REQUEST.get() or {}
