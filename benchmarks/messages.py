"""What a request through our messenger costs: against a bare nats-py request with the same headers, and in memory."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Sequence

import nats

from app_framework.messaging.memory import MemoryNetwork
from app_framework.messaging.messenger import Messenger
from app_framework.messaging.trace import new_traceparent, with_traceparent
from benchmarks.comparison import Case, Target
from benchmarks.messaging import LoopThread, connect, nats_server, p50_ms, told
from benchmarks.processes import python
from benchmarks.subjects.answering import BARE, OURS, STAMP, echo

PAYLOAD = bytes(100)
TIMEOUT_S = 2.0
BLOCK = 500
ANSWERING = python("-m", "benchmarks.subjects.answering")


@contextlib.contextmanager
def messenger_request(block: int = BLOCK) -> Iterator[Sequence[Case]]:
    """Caller here, answerer in a process of its own, one server between them; both sides send the same headers."""
    trace = new_traceparent()
    headers = {"Af-Timeout": str(int(TIMEOUT_S * 1000)), "traceparent": trace, **STAMP}
    with contextlib.ExitStack() as stack:
        loop = stack.enter_context(contextlib.closing(LoopThread()))
        connection = stack.enter_context(nats_server(loop))
        stack.enter_context(told(ANSWERING, connection)).until_ready()
        messenger = loop.run(connect(connection, "caller", stamp=STAMP))
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


async def _memory_ms(block: int) -> float:
    network = MemoryNetwork()
    async with Messenger(network.bus("a")) as a, Messenger(network.bus("b")) as b:
        await b.serve(OURS, echo)
        return await p50_ms(lambda: a.request(OURS, PAYLOAD, timeout_s=TIMEOUT_S), block)
