"""What benchmarks of messages stand on: an event loop of their own, a NATS server, processes that know it.

with closing(LoopThread()) as loop, nats_server(loop) as connection, told(ANSWERING, connection):
    messenger = loop.run(connect(connection, "caller"))
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from subprocess import PIPE, Popen
from tempfile import TemporaryDirectory
from typing import TypeVar

from app_framework.messaging.connection import NatsConnection
from app_framework.messaging.credentials import NatsCredentials
from app_framework.messaging.direct import DirectStreams
from app_framework.messaging.messenger import Messenger
from app_framework.messaging.nats_bus import NatsBus
from app_framework.messaging.server import NatsServer
from app_framework.messaging.server_binary import find_binary
from app_framework.messaging.server_config import NatsServerSettings
from benchmarks.processes import ROOT, environment

READY = "ready"

T = TypeVar("T")
Step = Callable[[], Awaitable[object]]


class LoopThread:
    """An event loop on a thread of its own, so that pings are answered while something else is measured."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[object, object, T]) -> T:
        """Run something there, and wait for it here."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def close(self) -> None:
        """End it."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@contextlib.contextmanager
def nats_server(loop: LoopThread) -> Iterator[NatsConnection]:
    """Start a server with a folder and a password of its own, and end it with the block."""
    with TemporaryDirectory(prefix="benchmark-nats-") as folder:
        settings = NatsServerSettings("benchmark", Path(folder), NatsCredentials.generate())
        server = NatsServer(settings, find_binary())
        loop.run(server.start())
        try:
            yield server.connection()
        finally:
            loop.run(server.stop())


async def connect(
    connection: NatsConnection, name: str, *, direct: bool = False, stamp: Mapping[str, str] | None = None
) -> Messenger:
    """Return a messenger.

    Args:
        connection: of the server.
        name: of this side.
        direct: whether it has a door for large payloads, as a node has.
        stamp: headers on everything that it sends.
    """
    bus = await NatsBus.connect(connection, name=name)
    return Messenger(bus, direct=DirectStreams() if direct else None, stamp=None if stamp is None else lambda: stamp)


class Told:
    """A process that was told where the server is; lines go in, and lines come back."""

    def __init__(self, command: Sequence[str], connection: NatsConnection) -> None:
        self._command = " ".join(command)
        self._process = Popen(
            command, cwd=ROOT, env=environment(), stdin=PIPE, stdout=PIPE, stderr=sys.stderr, text=True
        )
        self.tell(connection.servers[0], connection.user, connection.password)

    def tell(self, *lines: str) -> None:
        """Write lines to it; whatever is secret goes this way, not over the command line."""
        assert self._process.stdin is not None
        self._process.stdin.write("".join(f"{line}\n" for line in lines))
        self._process.stdin.flush()

    def heard(self) -> str:
        """Return the next line that it says.

        Raises:
            RuntimeError: it ended.
        """
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._command} ended")
        return line.rstrip("\n")

    def until_ready(self) -> str:
        """Wait until it is ready, and return what it says to that.

        Raises:
            RuntimeError: it is not.
        """
        word, _, rest = self.heard().partition(" ")
        if word != READY:
            raise RuntimeError(f"{self._command} did not become ready: {word} {rest}")
        return rest

    def end(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()


@contextlib.contextmanager
def told(command: Sequence[str], connection: NatsConnection) -> Iterator[Told]:
    """Start a process and end it with the block; credentials go through its standard input, whose end is its end."""
    process = Told(command, connection)
    try:
        yield process
    finally:
        process.end()


def read_connection() -> NatsConnection:
    """Return the server that the standard input of such a process names."""
    url, user, password = (sys.stdin.readline().strip() for _ in range(3))
    return NatsConnection((url,), user, password)


def say_ready(text: str = "") -> None:
    """Say so, as such a process."""
    print(f"{READY} {text}".strip(), flush=True)


async def p50_ms(step: Step, count: int) -> float:
    """Take a step so many times, one after the other, and return the median of its times."""
    taken = []
    for _ in range(count):
        started = time.perf_counter()
        await step()
        taken.append(time.perf_counter() - started)
    return median(taken) * 1000
