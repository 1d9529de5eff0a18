"""Commits are told: whoever listens learns which version is there and which tables it changed.

with database.listen() as listener:
    news = listener.take(timeout_s=10)      # or: await listener.wait()

What was not taken yet is kept as one piece of news for each branch, so a slow listener sees the newest state and never
a queue; and nothing of a listener runs in the writer's thread, so the writer waits for none.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self


@dataclass(frozen=True, slots=True)
class CommitNews:
    """What one commit changed, or several one after the other.

    Args:
        branch: where.
        version: the newest version of it.
        tables: whose rows are others now; None where that may be any, because the branch itself was made or removed.
    """

    branch: str
    version: int
    tables: frozenset[str] | None = frozenset()

    def after(self, earlier: CommitNews | None) -> CommitNews:
        """Return what both together changed.

        >>> CommitNews("master", 8, frozenset({"b"})).after(CommitNews("master", 7, frozenset({"a"}))).version
        8
        """
        if earlier is None:
            return self
        known = None if self.tables is None or earlier.tables is None else self.tables | earlier.tables
        return replace(self, tables=known)


class CommitListener:
    """What one listener was not told yet; close it, or use it as a context manager.

    It may be waited for by one thread or by one task.

    Args:
        feed: tells it.
    """

    def __init__(self, feed: CommitFeed) -> None:
        self._feed = feed
        self._changed = threading.Condition()
        self._news: dict[str, CommitNews] = {}
        self._waiter: tuple[asyncio.AbstractEventLoop, asyncio.Event] | None = None
        self._closed = False

    def take(self, timeout_s: float | None = 0.0) -> tuple[CommitNews, ...]:
        """Return what was committed since the last time, a piece of news for each branch; nothing when closed.

        Args:
            timeout_s: how long to wait for the first; None for as long as it takes.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._news or self._closed, timeout_s)
            return self._taken()

    async def wait(self) -> tuple[CommitNews, ...]:
        """Return what was committed since the last time, once there is something; nothing when closed."""
        arrived = asyncio.Event()
        with self._changed:
            if self._news or self._closed:
                return self._taken()
            self._waiter = (asyncio.get_running_loop(), arrived)
        try:
            await arrived.wait()
        finally:
            with self._changed:
                self._waiter = None
        with self._changed:
            return self._taken()

    def tell(self, news: Iterable[CommitNews]) -> None:
        """Add news; called in the writer's thread, it only takes note and wakes."""
        with self._changed:
            for each in news:
                self._news[each.branch] = each.after(self._news.get(each.branch))
            self._wake()

    def close(self) -> None:
        """Listen no more; who waits gets nothing."""
        self._feed.leave(self)
        with self._changed:
            self._closed = True
            self._news.clear()
            self._wake()

    def _taken(self) -> tuple[CommitNews, ...]:
        taken = tuple(self._news.values())
        self._news.clear()
        return taken

    def _wake(self) -> None:
        self._changed.notify_all()
        if self._waiter is not None:
            loop, arrived = self._waiter
            with suppress(RuntimeError):  # the loop is closed: nobody waits there any more
                loop.call_soon_threadsafe(arrived.set)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<CommitListener {'closed' if self._closed else f'{len(self._news)} untold'}>"


class CommitFeed:
    """Tells every listener of a database."""

    def __init__(self) -> None:
        self._listeners: tuple[CommitListener, ...] = ()
        self._lock = threading.Lock()

    def listen(self) -> CommitListener:
        """Return a listener that is told from now on."""
        listener = CommitListener(self)
        with self._lock:
            self._listeners = (*self._listeners, listener)
        return listener

    def leave(self, listener: CommitListener) -> None:
        """Tell a listener no more."""
        with self._lock:
            self._listeners = tuple(each for each in self._listeners if each is not listener)

    def tell(self, news: Iterable[CommitNews]) -> None:
        """Tell everybody; called in the writer's thread when a commit is there to be read."""
        told = tuple(news)
        for listener in self._listeners:
            listener.tell(told)

    def close(self) -> None:
        """End all listening."""
        for listener in self._listeners:
            listener.close()

    def __repr__(self) -> str:
        return f"<CommitFeed {len(self._listeners)} listeners>"
