"""Processes that the benchmarks start, and end, whatever happens in between."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from benchmarks.wire import KeepAlive

ROOT = Path(__file__).resolve().parents[1]
START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 10.0
LOOK_AGAIN_S = 0.001


@dataclass(frozen=True, slots=True)
class Served:
    """A server that has answered once.

    Args:
        port: where, on the loopback address.
        ready_ms: from the start of its process to its first answer 200.
        pid: of its process.
    """

    port: int
    ready_ms: float
    pid: int


def af(*arguments: str) -> list[str]:
    """Return the command line of our own program, as it is installed beside this Python."""
    return [str(Path(sys.executable).with_name("af")), *arguments]


def python(*arguments: str) -> list[str]:
    """Return the command line of a bare Python."""
    return [sys.executable, *arguments]


@contextlib.contextmanager
def served(command: Sequence[str], path: str) -> Iterator[Served]:
    """Start a server, wait until it answers, and end it.

    Args:
        command: the command line; ``{port}`` in it becomes a free port.
        path: what is asked until the answer is 200.

    Raises:
        RuntimeError: it ended or did not answer in time; with what it said.
    """
    port = free_port()
    with tempfile.TemporaryFile() as said:
        started = time.perf_counter()
        process = _start([each.format(port=port) for each in command], said)
        try:
            _wait_for_answer(process, port, path, said)
            yield Served(port, (time.perf_counter() - started) * 1000, process.pid)
        finally:
            _end(process)


def until_ready_ms(command: Sequence[str], ready: Path) -> float:
    """Start a node, wait for its ready file, end it, and return how long the start took.

    Raises:
        RuntimeError: it ended or was not ready in time; with what it said.
    """
    with tempfile.TemporaryFile() as said:
        started = time.perf_counter()
        process = _start(command, said)
        try:
            while not ready.exists():
                if process.poll() is not None or time.perf_counter() - started > START_TIMEOUT_S:
                    raise _not_up(process, said)
                time.sleep(LOOK_AGAIN_S)
            return (time.perf_counter() - started) * 1000
        finally:
            _end(process)


def run_ms(command: Sequence[str]) -> float:
    """Run a command to its end and return how long that took.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    started = time.perf_counter()
    subprocess.run(command, check=True, cwd=ROOT, env=environment(), stdout=subprocess.DEVNULL, timeout=START_TIMEOUT_S)
    return (time.perf_counter() - started) * 1000


def free_port() -> int:
    """Return a port of the loopback address that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _start(command: Sequence[str], said: IO[bytes]) -> subprocess.Popen[bytes]:
    """Start a process in a session of its own, so that ending it ends its children too."""
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=said,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def _wait_for_answer(process: subprocess.Popen[bytes], port: int, path: str, said: IO[bytes]) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError), KeepAlive(port) as connection:
            if connection.get(path).status == 200:
                return
        time.sleep(LOOK_AGAIN_S)
    raise _not_up(process, said)


def _not_up(process: subprocess.Popen[bytes], said: IO[bytes]) -> RuntimeError:
    said.seek(0)
    return RuntimeError(f"{' '.join(process.args)} did not answer:\n{said.read().decode(errors='replace')}")  # type: ignore[arg-type]


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def environment() -> Mapping[str, str]:
    """The environment of this process without what would configure a node, and with compiled modules, as installed."""
    dropped = ("APP_", "PYTHONDONTWRITEBYTECODE")
    return {name: value for name, value in os.environ.items() if not name.upper().startswith(dropped)}
