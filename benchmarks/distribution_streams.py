"""Large partial answers, as a query cube fetches them from a data cube, against the same bytes over bare TCP."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial

from app_framework.distribution.delivery import unpack
from app_framework.messaging.messenger import Messenger
from benchmarks.comparison import Case, Side, Target
from benchmarks.facts import Ground
from benchmarks.messaging import LoopThread, connect, nats_server, p50_ms, told
from benchmarks.processes import python
from benchmarks.subjects.streaming import HOST, MB, OURS

STREAMING = python("-m", "benchmarks.subjects.streaming")
BLOCKS = {1: 10, 8: 4, 32: 2}
"""Megabytes, and how many answers of them make a sample."""

TIMEOUT_S = 30.0
READ_BYTES = 1 << 18
BYTES_MAX = 1 << 30

Received = Callable[[], Awaitable[int]]


@contextlib.contextmanager
def large_partials(ground: Ground) -> Iterator[Sequence[Case]]:
    """The sender is a process of its own; each side opens a connection for each answer, and ours asks over NATS."""
    with contextlib.ExitStack() as stack:
        loop = stack.enter_context(contextlib.closing(LoopThread()))
        connection = stack.enter_context(nats_server(loop))
        port = int(stack.enter_context(told(STREAMING, connection)).until_ready())
        messenger = loop.run(connect(connection, "reading"))
        stack.callback(lambda: loop.run(messenger.close()))
        cases = [
            Case(
                f"partial-{size}",
                f"A partial answer of {size} MB from one process to another",
                _side(loop, partial(_ours, messenger, size), block),
                {"bare asyncio TCP, the same bytes": _side(loop, partial(_bare, port, size), block)},
                Target(2.0),
            )
            for size, block in BLOCKS.items()
        ]
        for case in cases:
            for side in (case.ours, *case.references.values()):
                side()  # the first ones pay for what is made once
        yield cases


async def _ours(messenger: Messenger, megabytes: int) -> int:
    reply = await messenger.request(OURS, b"%d" % megabytes, timeout_s=TIMEOUT_S)
    pieces = await unpack(messenger, reply.data, node="streaming", timeout_s=TIMEOUT_S, bytes_max=BYTES_MAX)
    return len(b"".join(pieces))


async def _bare(port: int, megabytes: int) -> int:
    reader, writer = await asyncio.open_connection(HOST, port, limit=4 * READ_BYTES)
    writer.write(b"%d\n" % megabytes)
    chunks = []
    while chunk := await reader.read(READ_BYTES):
        chunks.append(chunk)
    writer.close()
    await writer.wait_closed()
    return len(b"".join(chunks))


def _side(loop: LoopThread, received: Received, block: int) -> Side:
    async def all_of_it() -> None:
        size = await received()
        if size < MB:
            raise RuntimeError(f"{size:,} bytes are not all of a large answer")

    return lambda: loop.run(p50_ms(all_of_it, block))
