"""An event loop on a thread of its own: what runs there is late for nobody, however busy the application's loop is."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Collection
from typing import TypeVar

T = TypeVar("T")

JOIN_TIMEOUT_S = 5.0
TIDY_TIMEOUT_S = 3.0


class OwnLoop:
    """A thread with an event loop, from `start` to `stop`.

    Args:
        name: of the thread.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._running: tuple[asyncio.AbstractEventLoop, threading.Thread] | None = None

    def start(self) -> None:
        """Begin."""
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=_run, args=(loop,), name=self._name, daemon=True)
        self._running = loop, thread
        thread.start()

    async def call(self, work: Callable[[], Awaitable[T]]) -> T:
        """Run something there and wait for it here; giving up here gives up there."""

        async def there() -> T:
            return await work()

        assert self._running is not None, "the loop was not started"
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(there(), self._running[0]))

    def stop(self) -> None:
        """End; what still runs there is cancelled, and what is being cancelled may tidy up."""
        if self._running is not None and self._running[1].is_alive():
            loop, thread = self._running
            loop.call_soon_threadsafe(loop.stop)
            thread.join(JOIN_TIMEOUT_S)


def _run(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
    finally:
        left = asyncio.all_tasks(loop)
        for task in left:
            if not task.cancelling():  # a second time would cut short how it closes what it has opened
                task.cancel()
        loop.run_until_complete(_ended(left))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


async def _ended(tasks: Collection[asyncio.Task[object]]) -> None:
    if tasks:
        _, late = await asyncio.wait(tasks, timeout=TIDY_TIMEOUT_S)
        for task in late:
            task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


class SameLoop:
    """The loop of whoever calls: for nodes in memory, whose time may be virtual."""

    def start(self) -> None:
        """There is nothing to begin."""

    async def call(self, work: Callable[[], Awaitable[T]]) -> T:
        """Run it."""
        return await work()

    def stop(self) -> None:
        """There is nothing to end."""
