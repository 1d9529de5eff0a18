"""`af` on a machine whose wall clock is wrong: python -m tests.acceptance.shifted_node SECONDS …"""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime, timedelta

from app_framework.cli import main
from app_framework.clock import SystemClock

_time = time.time
_time_ns = time.time_ns


def shift(seconds: int) -> None:
    """Let everything in this process that asks for the time of day be wrong by so much."""
    time.time = lambda: _time() + seconds
    time.time_ns = lambda: _time_ns() + seconds * 1_000_000_000
    SystemClock.now = lambda self: datetime.now(UTC) + timedelta(seconds=seconds)  # type: ignore[method-assign]


if __name__ == "__main__":
    shift(int(sys.argv.pop(1)))
    main()
