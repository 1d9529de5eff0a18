"""`af` that kills itself with -9 as soon as it reports a step: python -m tests.acceptance.killed_node STEP …

STEP may end with ``:machine``: then the NATS servers of the node are killed first, as a power cut would.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
from pathlib import Path

from app_framework.cli import main

LOGGERS = ("app_framework.cluster.move", "app_framework.cluster.supervision")


class KillAt(logging.Filter):
    """Ends the process in the middle of the line that reports a step."""

    def __init__(self, step: str) -> None:
        super().__init__()
        self._step, _, self._kind = step.partition(":")

    def filter(self, record: logging.LogRecord) -> bool:
        if record.getMessage().endswith(f": {self._step}"):
            if self._kind == "machine":
                for file in Path("data/cluster/nats").glob("*/nats.pid"):
                    with contextlib.suppress(OSError, ValueError):
                        os.kill(int(file.read_text()), signal.SIGKILL)
            os.kill(os.getpid(), signal.SIGKILL)
        return True


if __name__ == "__main__":
    kill = KillAt(sys.argv.pop(1))
    for name in LOGGERS:
        logging.getLogger(name).addFilter(kill)
    sys.exit(main())
