"""The process that answers: one subject through our messenger, one with nats-py alone.

python -m benchmarks.subjects.answering       # server, user and password are lines of the standard input
"""

from __future__ import annotations

import asyncio
import sys

import nats
from nats.aio.msg import Msg

from app_framework.messaging.messenger import Call
from benchmarks.messaging import connect, read_connection, say_ready

OURS = "benchmark.ours"
BARE = "benchmark.bare"
STAMP = {"Af-Epoch": "17"}
"""What a node puts on every message."""


async def main() -> None:
    """Answer until the standard input ends."""
    connection = read_connection()
    messenger = await connect(connection, "answering", stamp=STAMP)
    await messenger.serve(OURS, echo)
    await messenger.flush()
    client = await nats.connect(connection.servers[0], user=connection.user, password=connection.password)

    async def answer(message: Msg) -> None:
        await client.publish(message.reply, message.data, headers=STAMP)

    await client.subscribe(BARE, cb=answer)
    await client.flush()
    say_ready()
    await asyncio.to_thread(sys.stdin.read)


async def echo(call: Call) -> bytes:
    """Answer what was asked."""
    return call.data


if __name__ == "__main__":
    asyncio.run(main())
