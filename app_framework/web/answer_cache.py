"""Encoded answers, kept while they are true: asked again, they cost a look into a dictionary.

cache = AnswerCache(bytes_max=64 << 20)
answer = await cache.get(key, make)     # the second time without `make`

A key holds everything that an answer depends on, the data's version included, so nothing has to be thrown away when
data changes: what is no longer asked for is the first to go. The same question asked several times at once is answered
once.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from app_framework.web.questions import Questions

if TYPE_CHECKING:
    from starlette.responses import Response

    from app_framework.olap import CellSet

SHARE_MAX = 8
"""An answer larger than this part of the cache would push out too many others, and is not kept."""


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """An encoded answer.

    Args:
        body: what is sent; empty where the answer is so large that each who asked encodes it piece by piece.
        media_type: its type.
        headers: what is sent beside it.
        key: what it turned out to be the answer to, where the data changed while it was made.
        cells: the answer itself, of one that is not encoded and not kept.
        response: the same, ready to be sent any number of times.
    """

    body: bytes
    media_type: str
    headers: Mapping[str, str] = field(default_factory=dict)
    key: str | None = None
    cells: CellSet | None = None
    response: Response | None = None

    @property
    def size_bytes(self) -> int:
        """What it takes of the cache, with about what Python needs around it."""
        return len(self.body) + 512


Make = Callable[[], Coroutine[Any, Any, Answer]]
Wait = Callable[["asyncio.Task[Answer]"], Awaitable[Answer]]


@dataclass(slots=True)
class _Flight:
    """An answer that is being made, and how many wait for it."""

    task: asyncio.Task[Answer]
    waiting: int = 0


class AnswerCache:
    """The answers that were asked for last, up to a number of bytes; used on one event loop.

    Args:
        bytes_max: how much is kept; with 0 only questions that are asked at the same time share their answer.

    Attributes:
        hits: how often an answer was there, or on its way.
        misses: how often it had to be made.
        evictions: how many had to go for others.
        size_bytes: what is kept now.
        questions: those that were read last.
    """

    def __init__(self, bytes_max: int) -> None:
        self.bytes_max = bytes_max
        self.hits = 0
        self.misses = 0
        self.evictions = 0
        self.size_bytes = 0
        self.questions = Questions()
        self._kept: OrderedDict[str, Answer] = OrderedDict()
        self._flights: dict[str, _Flight] = {}

    async def get(self, key: str, make: Make, wait: Wait = asyncio.shield) -> Answer:
        """Return the answer to a key; make it when it is not there.

        Who goes away does not end the work while somebody else waits for it; the last one to go does.

        Args:
            key: what it is the answer to.
            make: makes it.
            wait: waits for the task that makes it, without ending that when it is itself ended.

        Raises:
            Exception: what `make` raises, to everybody who waits for it; nothing is kept then.
        """
        kept = self.peek(key)
        if kept is not None:
            return kept
        flight = self._flights.get(key)
        if flight is None:
            self.misses += 1
            flight = self._flights[key] = _Flight(asyncio.ensure_future(make()))
            flight.task.add_done_callback(lambda task: self._land(key, task))
        else:
            self.hits += 1
        return await _share(flight, wait)

    def peek(self, key: str) -> Answer | None:
        """Return the answer to a key when it is there."""
        kept = self._kept.get(key)
        if kept is not None:
            self._kept.move_to_end(key)
            self.hits += 1
        return kept

    def clear(self) -> None:
        """Forget every answer."""
        self._kept.clear()
        self.size_bytes = 0

    def _land(self, key: str, task: asyncio.Task[Answer]) -> None:
        del self._flights[key]
        if not task.cancelled() and task.exception() is None:
            answer = task.result()
            self.keep(answer.key or key, answer)

    def keep(self, key: str, answer: Answer) -> None:
        """Keep an answer that was made without `get`."""
        if answer.cells is not None or answer.size_bytes * SHARE_MAX > self.bytes_max:
            return
        replaced = self._kept.pop(key, None)
        self.size_bytes -= replaced.size_bytes if replaced else 0
        self._kept[key] = answer
        self.size_bytes += answer.size_bytes
        while self.size_bytes > self.bytes_max:
            _, gone = self._kept.popitem(last=False)
            self.size_bytes -= gone.size_bytes
            self.evictions += 1

    def __len__(self) -> int:
        return len(self._kept)

    def __repr__(self) -> str:
        return f"<AnswerCache {len(self)} answers, {self.size_bytes:,} of {self.bytes_max:,} bytes>"


async def _share(flight: _Flight, wait: Wait) -> Answer:
    flight.waiting += 1
    try:
        return await wait(flight.task)
    finally:
        flight.waiting -= 1
        if not flight.waiting and not flight.task.done():
            flight.task.cancel()
