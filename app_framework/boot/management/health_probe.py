"""One health indicator under guard: bounded in time, asked once at a time, its words masked."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import logging
import threading
import time
from collections.abc import Awaitable, Mapping

from app_framework.boot.management.health import Health, HealthIndicator
from app_framework.boot.management.redaction import Redactor

_log = logging.getLogger(__name__)


class HealthProbe:
    """One indicator with its time limit; callers that come while it is being asked share its answer."""

    def __init__(
        self, path: str, indicator: HealthIndicator, timeout_s: float, slow_s: float, redactor: Redactor
    ) -> None:
        self.path = path
        self._indicator = indicator
        self._timeout_s = timeout_s
        self._slow_s = slow_s
        self._redactor = redactor
        self._asking: asyncio.Task[Health] | None = None
        self._thread: _Call | None = None

    async def check(self) -> Health:
        """Return what the indicator says; an error, silence or nonsense is DOWN."""
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask(), name=f"health {self.path}")
        return await asyncio.shield(self._asking)

    async def close(self) -> None:
        """Cancel the question that is open."""
        if self._asking is not None and not self._asking.done():
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)

    async def _ask(self) -> Health:
        started_s = time.monotonic()
        try:
            async with asyncio.timeout(self._timeout_s):
                health = await self._call()
        except TimeoutError as error:
            late = time.monotonic() - started_s >= self._timeout_s
            health = Health.down(f"no answer within {self._timeout_s:g} s") if late else Health.down(error)
        except Exception as error:
            _log.debug("health indicator %s failed", self.path, exc_info=True)
            health = Health.down(error)
        elapsed_s = time.monotonic() - started_s
        if elapsed_s > self._slow_s:
            _log.warning("health indicator %s took %.1f s (slow from %g s)", self.path, elapsed_s, self._slow_s)
        return Health(health.status, _masked(health.details, self._redactor))

    async def _call(self) -> Health:
        if inspect.iscoroutinefunction(self._indicator.health):
            return _checked(self.path, await self._indicator.health())
        if self._thread is not None and self._thread.is_alive():
            # A blocked thread cannot be cancelled; a second one would only pile up behind the first.
            return Health.down(f"the check that began {self._thread.age_s:.0f} s ago has not returned")
        self._thread = _Call(self._indicator, f"health {self.path}")
        found = await self._thread.result()
        return _checked(self.path, await found if inspect.isawaitable(found) else found)


class _Call(threading.Thread):
    """A blocking indicator on a daemon thread: one that hangs neither stops the loop nor the exit."""

    def __init__(self, indicator: HealthIndicator, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self._indicator = indicator
        self._context = contextvars.copy_context()  # Its log records still say whose they are.
        self._loop = asyncio.get_running_loop()
        self._future: asyncio.Future[Health | Awaitable[Health]] = self._loop.create_future()
        self._started_s = time.monotonic()

    @property
    def age_s(self) -> float:
        return time.monotonic() - self._started_s

    async def result(self) -> Health | Awaitable[Health]:
        self.start()
        return await self._future

    def run(self) -> None:
        found: Health | Awaitable[Health] | None = None
        failure: Exception | None = None
        try:
            found = self._context.run(self._indicator.health)
        except Exception as error:
            failure = error
        try:
            self._loop.call_soon_threadsafe(self._settle, found, failure)
        except RuntimeError:  # The loop is closed: nobody waits for the answer any more.
            return

    def _settle(self, found: Health | Awaitable[Health] | None, failure: Exception | None) -> None:
        if self._future.done():
            return
        if isinstance(failure, StopIteration):  # A future refuses to carry this one.
            self._future.set_exception(RuntimeError("health() raised StopIteration"))
        elif failure is not None:
            self._future.set_exception(failure)
        elif found is not None:
            self._future.set_result(found)
        else:
            self._future.set_exception(TypeError("health() returned None"))


def _checked(path: str, found: object) -> Health:
    if not isinstance(found, Health):
        raise TypeError(f"the health indicator {path} returned {type(found).__name__}, not Health")
    return found


def _masked(details: Mapping[str, object], redactor: Redactor) -> Mapping[str, object]:
    masked = redactor.mask_value(dict(details))
    assert isinstance(masked, dict)
    return masked
