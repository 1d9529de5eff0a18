"""What a request through our messenger costs: against a bare nats-py request with the same headers, and in memory."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from pathlib import Path
from statistics import median
from subprocess import PIPE, Popen
from tempfile import TemporaryDirectory
from typing import TypeVar

import nats

from app_framework.messaging.connection import NatsConnection
from app_framework.messaging.credentials import NatsCredentials
from app_framework.messaging.memory import MemoryNetwork
from app_framework.messaging.messenger import Messenger
from app_framework.messaging.nats_bus import NatsBus
from app_framework.messaging.server import NatsServer
from app_framework.messaging.server_binary import find_binary
from app_framework.messaging.server_config import NatsServerSettings
from app_framework.messaging.trace import new_traceparent, with_traceparent
from benchmarks.comparison import Case, Target
from benchmarks.processes import ROOT, environment, python
from benchmarks.subjects.answering import BARE, OURS, STAMP, echo

PAYLOAD = bytes(100)
TIMEOUT_S = 2.0
BLOCK = 500
ANSWERING = python("-m", "benchmarks.subjects.answering")

T = TypeVar("T")
Step = Callable[[], Awaitable[object]]


@contextlib.contextmanager
def messenger_request(block: int = BLOCK) -> Iterator[Sequence[Case]]:
    """Caller here, answerer in a process of its own, one server between them; both sides send the same headers."""
    trace = new_traceparent()
    headers = {"Af-Timeout": str(int(TIMEOUT_S * 1000)), "traceparent": trace, **STAMP}
    with contextlib.ExitStack() as stack:
        loop = stack.enter_context(contextlib.closing(_Loop()))
        connection = stack.enter_context(_server(loop))
        stack.enter_context(_answering(connection))
        messenger = loop.run(_messenger(connection))
        stack.callback(lambda: loop.run(messenger.close()))
        client = loop.run(nats.connect(connection.servers[0], user=connection.user, password=connection.password))
        stack.callback(lambda: loop.run(client.close()))

        async def ours() -> float:
            with with_traceparent(trace):
                return await p50_ms(lambda: messenger.request(OURS, PAYLOAD, timeout_s=TIMEOUT_S), block)

        async def bare() -> float:
            return await p50_ms(lambda: client.request(BARE, PAYLOAD, timeout=TIMEOUT_S, headers=headers), block)

        loop.run(ours())  # the first ones pay for what is made once
        loop.run(bare())
        yield [
            Case(
                "messenger",
                "Messenger request over NATS, p50 between two processes",
                lambda: loop.run(ours()),
                {"nats-py request, same headers": lambda: loop.run(bare())},
                Target(1.3),
            )
        ]


@contextlib.contextmanager
def memory_request(block: int = BLOCK) -> Iterator[Sequence[Case]]:
    """Both ends in this process, over the bus that tests use."""
    yield [
        Case(
            "memory",
            "Messenger request in memory, p50",
            lambda: asyncio.run(_memory_ms(block)),
            target=Target(0.12, of="ms"),
        )
    ]


async def p50_ms(step: Step, count: int) -> float:
    """Take a step so many times, one after the other, and return the median of its times."""
    taken = []
    for _ in range(count):
        started = time.perf_counter()
        await step()
        taken.append(time.perf_counter() - started)
    return median(taken) * 1000


async def _memory_ms(block: int) -> float:
    network = MemoryNetwork()
    async with Messenger(network.bus("a")) as a, Messenger(network.bus("b")) as b:
        await b.serve(OURS, echo)
        return await p50_ms(lambda: a.request(OURS, PAYLOAD, timeout_s=TIMEOUT_S), block)


async def _messenger(connection: NatsConnection) -> Messenger:
    return Messenger(await NatsBus.connect(connection, name="caller"), stamp=lambda: STAMP)


@contextlib.contextmanager
def _server(loop: _Loop) -> Iterator[NatsConnection]:
    with TemporaryDirectory(prefix="benchmark-nats-") as folder:
        settings = NatsServerSettings("benchmark", Path(folder), NatsCredentials.generate())
        server = NatsServer(settings, find_binary())
        loop.run(server.start())
        try:
            yield server.connection()
        finally:
            loop.run(server.stop())


@contextlib.contextmanager
def _answering(connection: NatsConnection) -> Iterator[None]:
    """The other process; credentials go through its standard input, whose end is its end."""
    process = Popen(ANSWERING, cwd=ROOT, env=environment(), stdin=PIPE, stdout=PIPE, stderr=sys.stderr, text=True)
    try:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{connection.servers[0]}\n{connection.user}\n{connection.password}\n")
        process.stdin.flush()
        if process.stdout.readline() != "ready\n":
            raise RuntimeError(f"{' '.join(ANSWERING)} did not become ready")
        yield
    finally:
        process.kill()
        process.communicate()


class _Loop:
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
