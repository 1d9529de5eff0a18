"""Data nodes that each hold some of the facts, a query cube over them, and one node with all of them.

with Distributed(ground) as cubes:
    cubes.world.query_sync(CubeQuery(measures=["lines"]))     # asks two processes over NATS
    cubes.whole.query_sync(CubeQuery(measures=["lines"]))     # a cube of this process
"""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from types import TracebackType

import duckdb

from app_framework.cluster.local_store import LocalConsensusStore
from app_framework.cluster.remote_store import serve_store
from app_framework.distribution.query_cube import QueryCube
from app_framework.messaging.connection import NatsConnection
from app_framework.messaging.messenger import Messenger
from app_framework.olap import Cube
from benchmarks.facts import CUBE, TABLES, Ground, Model
from benchmarks.messaging import LoopThread, Told, connect, nats_server, told
from benchmarks.processes import python
from benchmarks.subjects.data_node import APPLICATION, CLUSTER, HOLDER

HALVES = {"node-a": ("web", "shop"), "node-b": ("phone", "partner")}
"""Which channels each data node has."""
DISTRIBUTING = "channel"
ENGINE_THREADS = 2
"""Of one node with all facts; data nodes have their share of them."""
DEADLINE_S = 60.0
LOOK_AGAIN_S = 0.002

MODEL = """\
app: {{name: bench}}
database:
  path: facts.duckdb
  threads: {threads}
  tables:
    sales: {{source: {{parquet: sales.parquet}}}}
    products: {{source: {{parquet: products.parquet}}, key: product}}
    stores: {{source: {{parquet: stores.parquet}}, key: store}}
  references:
    - sales.product -> products.product
    - sales.store -> stores.store
schemas:
  Bench:
    base: sales
    cubes:
      facts:
        aggregates: none
{cube}\
          buyers: {{count_distinct: buyer}}
          price_spread: {{stddev: price}}
"""
FACTS = "SELECT *, printf('buyer %06d', customer) AS buyer FROM read_parquet('{file}') WHERE channel IN {channels}"


def folder_of(ground: Ground, folder: Path, channels: Sequence[str], threads: int) -> Path:
    """Make a folder that is an application with the facts of some channels."""
    folder.mkdir()
    (folder / "application.yml").write_text(MODEL.format(threads=threads, cube=CUBE), encoding="utf-8")
    for name in TABLES[1:]:
        (folder / f"{name}.parquet").symlink_to(ground.files / f"{name}.parquet")
    facts = FACTS.format(file=ground.files / "sales.parquet", channels=tuple(channels))
    with duckdb.connect() as connection:
        connection.execute(f"COPY ({facts} ORDER BY sale) TO '{folder}/sales.parquet' (FORMAT parquet)")
    Model.of(folder).open().close()
    (folder / "sales.parquet").unlink()
    return folder


class Distributed:
    """The same facts at one node and at two; what is not asked for is not made, and all of it ends with the block.

    Args:
        ground: has the facts.
    """

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._stack = contextlib.ExitStack()

    @cached_property
    def whole(self) -> Cube:
        """A cube of this process with all facts."""
        channels = [channel for half in HALVES.values() for channel in half]
        folder = folder_of(self._ground, self._folder / "whole", channels, ENGINE_THREADS)
        model = Model.of(folder)
        return model.build(self._stack.enter_context(model.open()))["facts"]

    @cached_property
    def world(self) -> QueryCube:
        """A query cube of this process over the data nodes, which knows all of them."""
        world = QueryCube(
            "world",
            node=HOLDER,
            cluster=CLUSTER,
            messenger=self.messenger,
            store=self._store,
            applications={APPLICATION: [DISTRIBUTING]},
        )
        self.loop.run(world.open())
        self._stack.callback(lambda: self.loop.run(world.close()))
        for node in HALVES:
            self.node(node)
        until(lambda: sum(each.state == "active" for each in world.nodes) == len(HALVES), "two active data nodes")
        return world

    @property
    def lines(self) -> list[tuple[int, ...]]:
        """The number of all facts, as a cube answers it."""
        return [(self._ground.rows,)]

    def node(self, name: str) -> Told:
        """Return a data node that takes part."""
        if name not in self._nodes:
            process = self.starting(name)
            process.tell("open")
            process.until_ready()
        return self._nodes[name]

    def starting(self, name: str) -> Told:
        """Start a data node that has opened its database and does not take part yet."""
        folder = self._folder / name
        if not folder.exists():
            folder_of(self._ground, folder, HALVES[name], ENGINE_THREADS // len(HALVES))
        command = python("-m", "benchmarks.subjects.data_node", str(folder), name)
        process = self._nodes[name] = self._stack.enter_context(told(command, self._connection))
        process.until_ready()
        return process

    def kill(self, name: str) -> None:
        """End a data node with -9."""
        self._nodes.pop(name).end()

    @cached_property
    def loop(self) -> LoopThread:
        """Where the query cube lives."""
        return self._stack.enter_context(contextlib.closing(LoopThread()))

    @cached_property
    def messenger(self) -> Messenger:
        """That of the query cube; the store is reached through it."""
        messenger = self.loop.run(connect(self._connection, HOLDER, direct=True))
        self._stack.callback(lambda: self.loop.run(messenger.close()))
        self.loop.run(serve_store(self._store, messenger, HOLDER))
        return messenger

    @cached_property
    def _store(self) -> LocalConsensusStore:
        return LocalConsensusStore(None)

    @cached_property
    def _connection(self) -> NatsConnection:
        return self._stack.enter_context(nats_server(self.loop))

    @cached_property
    def _nodes(self) -> dict[str, Told]:
        return {}

    @cached_property
    def _folder(self) -> Path:
        return Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="benchmark-distributed-")))

    def __enter__(self) -> Distributed:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for something.

    Raises:
        RuntimeError: it did not come.
    """
    deadline_s = time.monotonic() + DEADLINE_S
    while not condition():
        if time.monotonic() > deadline_s:
            raise RuntimeError(f"{what} did not come within {DEADLINE_S:g} s")
        time.sleep(LOOK_AGAIN_S)
