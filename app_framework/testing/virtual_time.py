"""An event loop whose clock jumps to the next timer when nothing is left to do: hours of timeouts in milliseconds.

Only what happens in the loop is seen, so a program without threads and sockets does the same in every run.

>>> async def wait_an_hour() -> float:
...     await asyncio.sleep(3600)
...     return asyncio.get_running_loop().time()
>>> run_virtually(wait_an_hour)
3600.0
"""

from __future__ import annotations

import asyncio
import math
import selectors
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
"""What a `LoopClock` shows when its loop begins."""
STALLED_AFTER_S = 5.0
"""Real seconds that a loop without timers waits for other threads before it says that nothing can happen any more."""


class StalledError(Exception):
    """Nothing is due and no timer is set, so the program would wait for ever.

    Attributes:
        waiting: the names of the tasks that wait.
    """

    def __init__(self, waiting: tuple[str, ...]) -> None:
        self.waiting = waiting
        super().__init__(waiting)

    def __str__(self) -> str:
        return f"nothing can happen any more; these tasks wait: {', '.join(self.waiting) or 'none'}"


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop with a clock of its own, which stands still while anything is to be done."""

    def __init__(self) -> None:
        self._now_s = 0.0
        self._real_work = 0
        super().__init__(self._new_selector())
        self._clock_resolution = 1e-6  # a step that a float still takes after a century

    def time(self) -> float:
        """Return the virtual seconds since the loop began."""
        return self._now_s

    @contextmanager
    def real_work(self) -> Iterator[None]:
        """Hold the clock while another thread works, and wait for it: a query, a file, a process."""
        self._real_work += 1
        try:
            yield
        finally:
            self._real_work -= 1

    def run_in_executor(self, executor: Any, func: Callable[..., T], *args: Any) -> asyncio.Future[T]:  # type: ignore[override]
        """Run a function in a thread; the clock stands still until it returns."""
        future: asyncio.Future[T] = super().run_in_executor(executor, func, *args)
        self._real_work += 1
        future.add_done_callback(self._returned)
        return future

    def __repr__(self) -> str:
        return f"<VirtualLoop at {self._now_s:g} s>"

    def _returned(self, _: object) -> None:
        self._real_work -= 1

    def _new_selector(self) -> selectors.BaseSelector:
        return _JumpingSelector(self)

    def _jump(self, seconds: float) -> None:
        self._now_s = max(self._now_s + seconds, math.nextafter(self._now_s, math.inf))

    def _stalled(self) -> StalledError:
        return StalledError(tuple(sorted(task.get_name() for task in asyncio.all_tasks(self))))


class _JumpingSelector(selectors.SelectSelector):
    """Where a loop would sleep until its next timer, its clock jumps there instead."""

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if self._loop._real_work:
            return super().select(STALLED_AFTER_S)
        if timeout is not None:
            self._loop._jump(timeout)
            return ready
        ready = super().select(STALLED_AFTER_S)
        if not ready:
            raise self._loop._stalled()
        return ready


class LoopClock:
    """A `Clock` that reads the time of an event loop, so that components age with the loop's timers.

    Args:
        loop: the running one unless given.
        epoch: what `now` returns at the loop's time 0.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None, *, epoch: datetime = EPOCH) -> None:
        self._loop = loop or asyncio.get_running_loop()
        self._epoch = epoch

    def now(self) -> datetime:
        """Return the epoch and the loop's seconds since."""
        return self._epoch + timedelta(seconds=self._loop.time())

    def monotonic_s(self) -> float:
        """Return the loop's seconds."""
        return self._loop.time()

    def __repr__(self) -> str:
        return f"<LoopClock {self.now().isoformat()}>"


def run_virtually(function: Callable[P, Coroutine[Any, Any, T]], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a coroutine function in a fresh `VirtualLoop` until it returns, as `asyncio.run` does.

    Raises:
        StalledError: nothing can happen any more.
    """
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(function(*args, **kwargs))


async def until(condition: Callable[[], object | Awaitable[object]], *, timeout_s: float = 30.0) -> None:
    """Wait until a condition holds, in virtual or in real time.

    Args:
        condition: returns something true, or awaits it.
        timeout_s: on the loop's clock.

    Raises:
        TimeoutError: it did not hold in time.
    """
    async with asyncio.timeout(timeout_s):
        while True:
            holds = condition()
            if isinstance(holds, Awaitable):
                holds = await holds
            if holds:
                return
            await asyncio.sleep(0.01)
