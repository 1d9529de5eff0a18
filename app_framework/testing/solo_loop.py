"""A virtual event loop for a program of one thread: no socket, no other thread, and steps that a test can count.

>>> loop = SoloLoop()
>>> task = loop.create_task(asyncio.sleep(60, "done"))
>>> loop.run_ready()
>>> task.done(), loop.time()
(False, 0.0)
>>> loop.run_until_complete(task), loop.time()
('done', 60.0)
>>> loop.close()
"""

from __future__ import annotations

import asyncio
import contextvars
import selectors
from collections.abc import Callable, Coroutine, Generator, Mapping
from typing import Any, TypeVar

from app_framework.testing.virtual_time import VirtualLoop

T = TypeVar("T")

OWNER: contextvars.ContextVar[str] = contextvars.ContextVar("owner", default="")
"""Whose work runs: tasks inherit it, so that all of a node's can be ended with it."""

FORGET_EVERY = 256
"""After so many tasks of an owner those that have ended are forgotten."""


class SoloLoop(VirtualLoop):
    """A virtual loop that runs what others would put into threads at once, and knows whose each task is."""

    def __init__(self) -> None:
        self._pausing = False
        self._tasks_of: dict[str, list[asyncio.Task[Any]]] = {}
        super().__init__()
        self.set_task_factory(self._new_task)

    def run_ready(self) -> None:
        """Run everything that can happen now; the clock stands still."""
        self._pausing = True
        try:
            self.run_forever()
        finally:
            self._pausing = False

    def run_once(self) -> None:
        """Run each callback that is due now once, and none that these bring about."""
        self.call_soon(self.stop)
        self.run_forever()

    def tasks_of(self, owner: str) -> tuple[asyncio.Task[Any], ...]:
        """Return the tasks that were begun in the name of an owner and have not ended."""
        return tuple(task for task in self._tasks_of.get(owner, ()) if not task.done())

    def forget(self, owner: str) -> None:
        """Let go of what is known of an owner."""
        self._tasks_of.pop(owner, None)

    def run_in_executor(self, executor: Any, func: Callable[..., T], *args: Any) -> asyncio.Future[T]:  # type: ignore[override]
        """Run a function now."""
        future: asyncio.Future[T] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:
            future.set_exception(error)
        return future

    def close(self) -> None:
        """End all tasks, then the loop."""
        if not self.is_closed():
            tasks = asyncio.all_tasks(self)
            for task in tasks:
                task.cancel()
            if tasks:
                self.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
            self.run_until_complete(self.shutdown_asyncgens())
        super().close()

    def _new_task(
        self,
        loop: asyncio.AbstractEventLoop,
        coroutine: Coroutine[Any, Any, T] | Generator[Any, None, T],
        context: contextvars.Context | None = None,
        **options: Any,
    ) -> asyncio.Task[T]:
        task: asyncio.Task[T] = asyncio.Task(coroutine, loop=loop, context=context, **options)
        owner = OWNER.get() if context is None else context.get(OWNER, "")
        if owner:
            mine = self._tasks_of.setdefault(owner, [])
            if len(mine) >= FORGET_EVERY:
                mine[:] = [each for each in mine if not each.done()]
            mine.append(task)
        return task

    def _new_selector(self) -> selectors.BaseSelector:
        return _Clockwork(self)

    # A loop wakes itself through a pair of sockets when another thread calls; here none does.

    def _make_self_pipe(self) -> None: ...

    def _close_self_pipe(self) -> None: ...

    def _write_to_self(self) -> None: ...


class _Clockwork(selectors.BaseSelector):
    """Has nothing to wait for but the next timer."""

    def __init__(self, loop: SoloLoop) -> None:
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is not None and timeout <= 0:
            return []
        if self._loop._pausing:
            self._loop.stop()
        elif timeout is None:
            raise self._loop._stalled()
        else:
            self._loop._jump(timeout)
        return []

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        raise NotImplementedError("a loop of one thread has no sockets")

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        raise KeyError(fileobj)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return {}
