"""The process that sends large partial answers: through our messenger, and over a bare TCP connection.

python -m benchmarks.subjects.streaming       # server, user and password are lines of the standard input
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from functools import cache

import pyarrow as pa

from app_framework.distribution.delivery import pack
from app_framework.messaging.messenger import Call
from app_framework.olap.partial import PartialAnswer
from benchmarks.messaging import connect, read_connection, say_ready

OURS = "benchmark.partial"
MB = 1_000_000
COLUMNS = 4
HOST = "127.0.0.1"


@cache
def partial(megabytes: int) -> Sequence[bytes]:
    """Return a partial answer of about so many megabytes, as it travels."""
    rows = megabytes * MB // 8 // COLUMNS
    columns = {f"column {at}": pa.array(range(at, at + rows), pa.float64()) for at in range(COLUMNS)}
    return tuple(PartialAnswer(1, (pa.table(columns),)).chunks())


async def main() -> None:
    """Answer until the standard input ends; the port of the bare connection stands beside the word that it is ready."""
    messenger = await connect(read_connection(), "streaming", direct=True)

    async def answer(call: Call) -> bytes:
        return await pack(messenger, partial(int(call.data)))

    await messenger.serve(OURS, answer)
    await messenger.flush()
    server = await asyncio.start_server(send, HOST)
    say_ready(str(server.sockets[0].getsockname()[1]))
    await asyncio.to_thread(sys.stdin.read)


async def send(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer a number of megabytes over a connection that ends with the answer."""
    for chunk in partial(int(await reader.readline())):
        writer.write(chunk)
        await writer.drain()
    writer.close()


if __name__ == "__main__":
    asyncio.run(main())
