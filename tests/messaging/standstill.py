"""Processes that stand still, as on a machine that swaps: for certain, and not a moment later."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

PATIENCE_S = 30.0


def stand_still(pid: int) -> None:
    """Stop a process with SIGSTOP, and wait until every thread of it has stopped: the signal takes a while to."""
    os.kill(pid, signal.SIGSTOP)
    deadline_s = time.monotonic() + PATIENCE_S
    while not _stands(pid):
        assert time.monotonic() < deadline_s, f"process {pid} goes on"
        time.sleep(0.001)


def _stands(pid: int) -> bool:
    """Tell whether all threads of a process are stopped; where that cannot be seen, it is believed."""
    threads = Path(f"/proc/{pid}/task")
    return all(
        (thread / "stat").read_text().rpartition(")")[2].split()[0] in "TtZX"
        for thread in (threads.iterdir() if threads.exists() else ())
    )
