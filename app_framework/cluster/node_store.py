"""The decisions of whatever cluster a node is in, for the rooms above: usable from any event loop.

Where they are kept may change while a node runs: from the founder's SQLite to a replicated stream, and to another
cluster's store when the node enters one. Calls go to where they are now, and watches go on there.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from app_framework.cluster.errors import NoQuorumError, StoreMovedError
from app_framework.cluster.store import Change, ConsensusStore, Entry
from app_framework.errors import ServiceUnavailableError

if TYPE_CHECKING:
    from app_framework.cluster.node import ClusterNode

_logger = logging.getLogger(__name__)
T = TypeVar("T")

ATTEMPTS_MAX = 50
PAUSE_S = 0.1
"""A store that has moved is found again within five seconds, or the call is refused."""
CHANGES_AHEAD = 256


class NodeConsensusStore:
    """See `ConsensusStore`.

    Args:
        node: whose cluster keeps the decisions.
    """

    def __init__(self, node: ClusterNode) -> None:
        self._node = node
        self._closed = asyncio.Event()

    async def get(self, key: str) -> Entry | None:
        """See `ConsensusStore`."""
        return await self._with(lambda store: store.get(key))

    async def create(self, key: str, value: bytes, *, op_id: str = "") -> int:
        """See `ConsensusStore`."""
        return await self._with(lambda store: store.create(key, value, op_id=op_id))

    async def update(self, key: str, value: bytes, revision: int, *, op_id: str = "") -> int:
        """See `ConsensusStore`."""
        return await self._with(lambda store: store.update(key, value, revision, op_id=op_id))

    async def delete(self, key: str, revision: int, *, op_id: str = "") -> int:
        """See `ConsensusStore`."""
        return await self._with(lambda store: store.delete(key, revision, op_id=op_id))

    async def entries(self, prefix: str = "") -> tuple[Entry, ...]:
        """See `ConsensusStore`."""
        return await self._with(lambda store: store.entries(prefix))

    async def barrier(self) -> int:
        """See `ConsensusStore`."""
        return await self._with(lambda store: store.barrier())

    async def read(self, keys: Sequence[str]) -> tuple[Entry | None, ...]:
        """See `ConsensusStore`."""
        return await self._with(lambda store: store.read(keys))

    async def watch(self, prefix: str = "", *, after: int = 0) -> AsyncGenerator[Change, None]:
        """See `ConsensusStore`; in another cluster it begins anew, for revisions are another store's there."""
        cluster = self._node.cluster_uid
        while not self._closed.is_set():
            try:
                async for change in self._followed(prefix, after):
                    after = change.revision
                    yield change
            except ServiceUnavailableError as error:
                _logger.debug("watching the decisions begins again: %s", error)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._closed.wait(), PAUSE_S)
            if self._node.cluster_uid != cluster:
                cluster, after = self._node.cluster_uid, 0

    async def close(self) -> None:
        """End all watches; the cluster keeps its store."""
        self._closed.set()

    async def _with(self, work: Callable[[ConsensusStore], Awaitable[T]]) -> T:
        """Do something with the store as it is now; what has moved did not happen, and is done where it is."""
        for _ in range(ATTEMPTS_MAX):
            self._check_open()
            try:
                return await self._node.with_store(work)
            except StoreMovedError:
                await asyncio.sleep(PAUSE_S)
        raise NoQuorumError("the decisions move to another store")

    async def _followed(self, prefix: str, after: int) -> AsyncGenerator[Change, None]:
        """Watch on the cluster's own loop, and hand on what it tells to this one."""
        here, told = asyncio.get_running_loop(), asyncio.Queue[Change](CHANGES_AHEAD)

        async def follow(store: ConsensusStore) -> None:
            async for change in store.watch(prefix, after=after):
                await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(told.put(change), here))

        following = asyncio.ensure_future(self._node.with_store(follow))
        closing = asyncio.ensure_future(self._closed.wait())
        try:
            while not self._closed.is_set():
                getting = asyncio.ensure_future(told.get())
                await asyncio.wait((getting, following, closing), return_when=asyncio.FIRST_COMPLETED)
                if not getting.done():
                    getting.cancel()
                    if following.done():
                        following.result()
                    return
                yield getting.result()
        finally:
            for task in (following, closing):
                task.cancel()
            await asyncio.gather(following, closing, return_exceptions=True)

    def _check_open(self) -> None:
        if self._closed.is_set():
            raise NoQuorumError("this store is closed")

    def __repr__(self) -> str:
        return f"<NodeConsensusStore of {self._node!r}>"
