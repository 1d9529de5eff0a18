"""A terminal in which something runs until Ctrl-C: a node, started as the page writes it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

LOOK_AGAIN_S = 0.05
STOPPING = re.compile(r"(?<!: it) is stopping")
"""What a node says of itself, not of another one of its cluster."""

_GUARD = """
import ctypes, os, signal, sys
parent, *command = sys.argv[1:]
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)
if os.getppid() != int(parent):
    os._exit(1)
os.execvp(command[0], command)
"""
"""Becomes the command after asking Linux to kill it when the suite is gone, however it went (1 is PR_SET_PDEATHSIG)."""


def guarded(command: str) -> list[str]:
    """Return the arguments of a shell command that ends with this process."""
    return [sys.executable, "-I", "-S", "-c", _GUARD, str(os.getpid()), "bash", "--noprofile", "--norc", "-c", command]


class Foreground:
    """A command that runs in a terminal of its own.

    Args:
        command: as the page shows it.
        folder: where it starts.
        environ: its environment variables.
        log: the file that takes what it prints.
    """

    def __init__(self, command: str, folder: Path, environ: Mapping[str, str], log: Path) -> None:
        self.command = command
        self._log = log
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                guarded(command),
                cwd=folder,
                env=dict(environ),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    @property
    def code(self) -> int | None:
        """Its exit code, minus the signal that ended it; None while it runs."""
        return self._process.poll()

    @property
    def printed(self) -> str:
        """What it has printed so far."""
        return self._log.read_text(errors="replace")

    def ended_within(self, timeout_s: float) -> bool:
        """Wait for its end."""
        deadline_s = time.monotonic() + timeout_s
        while self.code is None and time.monotonic() < deadline_s:
            time.sleep(LOOK_AGAIN_S)
        return self.code is not None

    def interrupt(self) -> None:
        """Press Ctrl-C, unless it stops already: a second signal would end it at once."""
        if self.code is None and not STOPPING.search(self.printed):
            os.killpg(self._process.pid, signal.SIGINT)

    def kill(self) -> None:
        """End it and everything that it started."""
        if self.code is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
