"""A node of a test: what a process has, and loses when it is killed, while its data and its place in the world stay."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Sequence
from typing import Any, TypeVar

from app_framework.cluster.errors import NoQuorumError
from app_framework.cluster.store import Change, ConsensusStore, Entry
from app_framework.database.spare import SPARE, SpareEngines
from app_framework.errors import FrameworkError
from app_framework.messaging import MemoryNetwork, Messenger
from app_framework.testing.solo_loop import OWNER, SoloLoop

T = TypeVar("T")
CANCELLATIONS_MAX = 10


class NodeIsDownError(FrameworkError):
    """A test asks a node that it killed.

    Attributes:
        node: its name.
    """

    def __init__(self, node: str) -> None:
        super().__init__(node)
        self.node = node

    def __str__(self) -> str:
        return f"node {self.node!r} was killed; `restart` it first"


class SimulatedNode:
    """One process of a simulated network.

    Args:
        name: of the node.
        loop: on which all nodes run.
        network: between them.
        store: that all of them decide in.
        engines: of the databases that it opens.
    """

    def __init__(
        self, name: str, loop: SoloLoop, network: MemoryNetwork, store: ConsensusStore, engines: SpareEngines
    ) -> None:
        self.name = name
        self._loop = loop
        self._network = network
        self._store = store
        self._engines = engines
        self._lives = 0
        self.process: Process | None = None

    @property
    def alive(self) -> bool:
        """Whether its process runs."""
        return self.process is not None

    @property
    def living(self) -> Process:
        """Its process.

        Raises:
            NodeIsDownError: it was killed.
        """
        if self.process is None:
            raise NodeIsDownError(self.name)
        return self.process

    def start(self) -> Process:
        """Begin a process."""
        self._lives += 1
        owner = f"{self.name}#{self._lives}"
        context = contextvars.copy_context()
        context.run(OWNER.set, owner)
        context.run(SPARE.set, self._engines)
        store = MortalStore(self._store)
        messenger = context.run(lambda: Messenger(self._network.bus(self.name)))
        self.process = Process(owner, self._loop, context, messenger, store)
        return self.process

    def kill(self) -> None:
        """End the process as a power cut does: nothing that it still tries gets out."""
        process, self.process = self.living, None
        process.store.dead = True
        self._network.forget(self.name)
        self._loop.run_until_complete(process.messenger.bus.close())
        process.end()

    def __repr__(self) -> str:
        return f"<SimulatedNode {self.name!r} {'up' if self.alive else 'down'}>"


class Process:
    """What lives as long as a process of a node does.

    Args:
        owner: of its tasks.
        loop: where they run.
        context: of its work.
        messenger: its own.
        store: the way of this process to what is decided.
    """

    def __init__(
        self,
        owner: str,
        loop: SoloLoop,
        context: contextvars.Context,
        messenger: Messenger,
        store: MortalStore,
    ) -> None:
        self.messenger = messenger
        self.store = store
        self._owner = owner
        self._loop = loop
        self._context = context

    def begin(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Begin something in the name of the process: it ends with it."""
        return self._loop.create_task(work, context=self._context)

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """Do something in the name of the process, to its end."""
        return self._loop.run_until_complete(self.begin(work))

    def call(self, function: Callable[[], T]) -> T:
        """Call a function in the name of the process."""
        return self._context.run(function)

    def end(self) -> None:
        """Cancel whatever runs, until nothing does; the clock stands still.

        Raises:
            RuntimeError: something of it cannot be ended.
        """
        for _ in range(CANCELLATIONS_MAX):
            tasks = self._loop.tasks_of(self._owner)
            if not tasks:
                self._loop.forget(self._owner)
                return
            for task in tasks:
                task.cancel()
            self._loop.run_ready()
        raise RuntimeError(f"these tasks of {self._owner} do not end: {', '.join(task.get_name() for task in tasks)}")


class MortalStore:
    """The consensus store as one process sees it: with the process it is gone.

    Args:
        store: that everybody shares.
    """

    def __init__(self, store: ConsensusStore) -> None:
        self.dead = False
        self._store = store

    async def get(self, key: str) -> Entry | None:
        """See `ConsensusStore`."""
        return await self._alive(self._store.get)(key)

    async def create(self, key: str, value: bytes, *, op_id: str = "") -> int:
        """See `ConsensusStore`."""
        return await self._alive(self._store.create)(key, value, op_id=op_id)

    async def update(self, key: str, value: bytes, revision: int, *, op_id: str = "") -> int:
        """See `ConsensusStore`."""
        return await self._alive(self._store.update)(key, value, revision, op_id=op_id)

    async def delete(self, key: str, revision: int, *, op_id: str = "") -> int:
        """See `ConsensusStore`."""
        return await self._alive(self._store.delete)(key, revision, op_id=op_id)

    async def entries(self, prefix: str = "") -> tuple[Entry, ...]:
        """See `ConsensusStore`."""
        return await self._alive(self._store.entries)(prefix)

    async def watch(self, prefix: str = "", *, after: int = 0) -> AsyncGenerator[Change, None]:
        """See `ConsensusStore`."""
        async for change in self._store.watch(prefix, after=after):
            yield change

    async def barrier(self) -> int:
        """See `ConsensusStore`."""
        return await self._alive(self._store.barrier)()

    async def read(self, keys: Sequence[str]) -> tuple[Entry | None, ...]:
        """See `ConsensusStore`."""
        return await self._alive(self._store.read)(keys)

    async def close(self) -> None:
        """Leave the shared store to the others."""

    def _alive(self, call: Callable[..., Awaitable[T]]) -> Callable[..., Awaitable[T]]:
        if self.dead:
            raise NoQuorumError("the process was killed")
        return call
