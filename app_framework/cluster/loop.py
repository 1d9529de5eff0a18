"""An event loop on a thread of its own: what runs there is late for nobody, however busy the application's loop is."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

JOIN_TIMEOUT_S = 5.0


class OwnLoop:
    """A thread with an event loop, from `start` to `stop`.

    Args:
        name: of the thread.
    """

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    async def call(self, work: Callable[[], Awaitable[T]]) -> T:
        """Run something there and wait for it here; giving up here gives up there."""

        async def there() -> T:
            return await work()

        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(there(), self._loop))

    def stop(self) -> None:
        """End; what still runs there is cancelled."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(JOIN_TIMEOUT_S)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            left = asyncio.all_tasks(self._loop)
            for task in left:
                task.cancel()
            self._loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
            self._loop.close()


class SameLoop:
    """The loop of whoever calls: for nodes in memory, whose time may be virtual."""

    def start(self) -> None:
        """There is nothing to begin."""

    async def call(self, work: Callable[[], Awaitable[T]]) -> T:
        """Run it."""
        return await work()

    def stop(self) -> None:
        """There is nothing to end."""
