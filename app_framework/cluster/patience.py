"""How long one call goes on trying."""

from __future__ import annotations

import asyncio
import secrets

FIRST_PAUSE_S = 0.002
LONGEST_PAUSE_S = 0.2


class Patience:
    """The time that a call has, and the growing pauses between its attempts.

    Args:
        timeout_s: for all attempts together.
        attempt_s: for one.
    """

    def __init__(self, timeout_s: float, attempt_s: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._timeout_s = timeout_s
        self._attempt_s = attempt_s
        self._began_s = self._loop.time()
        self._pause_s = FIRST_PAUSE_S

    @property
    def attempt_s(self) -> float:
        """How long the next attempt may take."""
        return min(self._attempt_s, max(0.001, self._began_s + self._timeout_s - self._loop.time()))

    async def pause(self, failure: Exception, limit_s: float | None = None) -> None:
        """Wait a little, longer each time.

        Args:
            failure: raised when the time is over.
            limit_s: a shorter time for failures that need no waiting for the whole of it.
        """
        wait_s = self._pause_s * (0.5 + secrets.randbelow(1000) / 1000)
        limit_s = self._timeout_s if limit_s is None else min(limit_s, self._timeout_s)
        if self._loop.time() + wait_s > self._began_s + limit_s:
            raise failure
        self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
        await asyncio.sleep(wait_s)

    def __repr__(self) -> str:
        return f"<Patience {self._loop.time() - self._began_s:.3f} of {self._timeout_s:g} s>"
