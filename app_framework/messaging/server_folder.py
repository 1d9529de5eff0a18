"""The folder of one nats-server: its lock, its configuration, the ports and the errors that it tells."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path

if sys.platform != "win32":
    import fcntl

LOCK_WAIT_S = 5.0
"""A server whose parent was killed is about to end: its folder is waited for."""

_POLL_S = 0.005
_REASON_CHARS_MAX = 400
_TAIL_BYTES = 64 * 1024
_LOG_LINE = re.compile(r"^\[\d+\] \S+ \S+ \[(FTL|ERR)\] (.*)$", re.MULTILINE)


class FolderInUseError(Exception):
    """Another nats-server uses the folder.

    Attributes:
        owner: which process, as far as it is known.
    """

    def __init__(self, path: Path, owner: str) -> None:
        self.owner = owner
        super().__init__(
            f"its folder {path} is in use by {owner}. Stop that one, or give this node a data directory of its own"
        )


class ServerFolder:
    """What a server and the process that starts it tell each other through files.

    Args:
        path: of the folder; created when it is first locked.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.configuration = path / "nats.conf"
        self.errors = path / "nats.err"
        self._log = path / "nats.log"
        self._log_start = 0

    @contextlib.asynccontextmanager
    async def locked(self) -> AsyncIterator[tuple[int, ...]]:
        """Lock the folder; a child that inherits the descriptor keeps it locked as long as it lives.

        Raises:
            FolderInUseError: another server has it.
        """
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        if sys.platform == "win32":
            yield ()
            return
        lock = os.open(self.path / "LOCK", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            try:
                async with asyncio.timeout(LOCK_WAIT_S):
                    while not _taken(lock):  # noqa: ASYNC110 no event tells
                        await asyncio.sleep(_POLL_S)
            except TimeoutError:
                raise FolderInUseError(self.path, self._owner()) from None
            yield (lock,)
        finally:
            os.close(lock)

    def prepare(self, configuration: str) -> None:
        """Write the configuration, which holds passwords, and drop what an earlier server has left."""
        for stale in (*self.path.glob("*.ports"), self.errors):
            stale.unlink(missing_ok=True)
        written = self.configuration.with_suffix(".new")
        written.unlink(missing_ok=True)
        descriptor = os.open(written, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(configuration)
        written.replace(self.configuration)
        self._log_start = _size(self._log)

    def announces_ports(self, pid: int) -> bool:
        """Whether the server has told its ports, which is when it accepts clients."""
        return any(self.path.glob(f"*_{pid}.ports"))

    def complaint(self) -> str:
        """Return what the server has said last against its surroundings since it was started; mostly nothing."""
        size = _size(self._log)
        # A log that has become smaller was put aside, and this is a new one.
        start = max(self._log_start if size >= self._log_start else 0, size - _TAIL_BYTES)
        lines = _LOG_LINE.findall(_read(self._log, start))
        logged = [str(line) for level, line in lines if level == "FTL"] or [str(line) for _, line in lines]
        # What comes before the log is open, such as a mistake in the configuration, is a plain line.
        said = logged or [line for line in _read(self.errors, 0).splitlines() if line.strip()]
        return said[-1].removeprefix("nats-server: ")[:_REASON_CHARS_MAX] if said else ""

    def _owner(self) -> str:
        try:
            return f"process {int((self.path / 'nats.pid').read_text(encoding='ascii'))}"
        except (OSError, ValueError):
            return "another process"


def _taken(lock: int) -> bool:
    if sys.platform != "win32":
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _read(path: Path, start: int) -> str:
    try:
        with path.open("rb") as file:
            file.seek(start)
            return file.read(_TAIL_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""
