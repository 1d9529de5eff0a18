"""A data node: a database in a folder, its cube as a data cube, and a messenger to whoever asks.

python -m benchmarks.subjects.data_node FOLDER NAME      # server, user and password are lines of the standard input

It says that it is ready when its database is there. Every further line is an order, answered in the same way:
`open`, `start` and `stop` its distribution; the end of the input is its end.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from app_framework.cluster.remote_store import RemoteConsensusStore
from app_framework.distribution import Concealment
from app_framework.distribution.data_cube import DataCube
from benchmarks.facts import Model
from benchmarks.messaging import connect, read_connection, say_ready

APPLICATION = "facts"
CLUSTER = "benchmark"
HOLDER = "holder"
"""Who has the store."""
CONCEALED = ("Sale",)
"""A hierarchy with a member for each fact."""


async def main(folder: str, name: str) -> None:
    """Answer until the standard input ends."""
    connection = read_connection()
    model = Model.of(Path(folder))
    with model.open() as database:
        messenger = await connect(connection, name, direct=True)
        cube = DataCube(
            model.build(database)["facts"],
            database,
            node=name,
            cluster=CLUSTER,
            messenger=messenger,
            store=RemoteConsensusStore(messenger, HOLDER),
            application=APPLICATION,
            concealed=Concealment(CONCEALED),
        )
        orders = {"open": cube.open, "start": cube.start_distribution, "stop": cube.stop_distribution}
        say_ready()
        while order := (await asyncio.to_thread(sys.stdin.readline)).strip():
            await orders[order]()
            say_ready(order)
        await cube.close()
        await messenger.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
