"""Time as a collaborator: whoever needs it takes a `Clock`, so that tests can hold it still."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Where a component reads the time."""

    def now(self) -> datetime:
        """Return the wall-clock time, always with a time zone."""

    def monotonic_s(self) -> float:
        """Return seconds on a scale that never goes back; only differences mean something."""


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """Return the wall-clock time in UTC."""
        return datetime.now(UTC)

    def monotonic_s(self) -> float:
        """Return seconds on the machine's monotonic scale."""
        return time.monotonic()

    def __repr__(self) -> str:
        return "<SystemClock>"
