"""The membership service as a component: an agent on its own loop, and its face for everybody else."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from app_framework.cluster.errors import NoQuorumError
from app_framework.cluster.loop import OwnLoop, SameLoop
from app_framework.cluster.service import ClusterService
from app_framework.cluster.view import ClusterView, Decision, NodeDocument

if TYPE_CHECKING:
    from app_framework.cluster.agent import ClusterAgent
    from app_framework.cluster.store import ConsensusStore

T = TypeVar("T")

Listener = Callable[[ClusterView], None]
MakeAgent = Callable[[Callable[[ClusterView], None], Callable[[], Awaitable[None]]], "ClusterAgent"]


class ClusterNode(ClusterService):
    """This node in its cluster.

    Heartbeats and the lease live on a thread, a loop and a connection of their own: a long query or a handler that
    blocks the application's loop does not cost the lead.

    Args:
        make_agent: makes the agent; is given what to call with new views, and when the messenger has moved.
        own_thread: False for nodes in memory.
    """

    def __init__(self, make_agent: MakeAgent, *, own_thread: bool = True) -> None:
        self._make_agent = make_agent
        self._loop = OwnLoop("cluster") if own_thread else SameLoop()
        self._agent: ClusterAgent | None = None
        self._listeners: list[tuple[asyncio.AbstractEventLoop, Listener]] = []
        self._entered: list[tuple[asyncio.AbstractEventLoop, Callable[[], None]]] = []
        self._lock = threading.Lock()

    async def open(self) -> None:
        """Carry messages; lead, when the node founds a cluster of its own.

        Raises:
            ClusterDataError: the node's folder cannot be used.
            NatsServerError: a server does not start.
        """
        self._loop.start()

        async def made() -> ClusterAgent:
            agent = self._make_agent(self._tell_view, self._tell_entered)
            try:
                await agent.open()
            except BaseException:
                await agent.close()
                raise
            return agent

        try:
            self._agent = await self._loop.call(made)
        except BaseException:
            self._loop.stop()
            raise

    async def join(self, url: str) -> None:
        """Say where the node is reached, and wait until it is ACTIVE or cannot be for now."""
        await self._call(lambda agent: agent.join(url))

    async def hand_over(self) -> None:
        """Give the lead back and say good-bye."""
        await self._call(lambda agent: agent.hand_over())

    async def close(self) -> None:
        """End; servers are stopped."""
        if self._agent is not None:
            await self._call(lambda agent: agent.close())
            self._agent = None
        self._loop.stop()

    @property
    def agent(self) -> ClusterAgent:
        """What runs behind; to be touched on its own loop only, but for what only reads."""
        assert self._agent is not None, "the node was not opened"
        return self._agent

    @property
    def name(self) -> str:
        """The node's name."""
        return self.agent.node_name

    def ready_reason(self) -> str | None:
        """Return why the node is not ACTIVE in its cluster; None when it is."""
        return self.agent.ready_reason()

    @property
    def epoch(self) -> int:
        """The routing epoch that this node knows."""
        return self.agent.epoch

    def hear_epoch(self, epoch: int) -> None:
        """Note that another node knows an epoch."""
        self.agent.hear_epoch(epoch)

    def on_entered(self, listener: Callable[[], None]) -> None:
        """Call back on this loop when the messenger's servers or credentials may be others."""
        with self._lock:
            self._entered.append((asyncio.get_running_loop(), listener))

    @property
    def cluster_uid(self) -> str:
        """Which cluster the node belongs to; no other one ever has the same; empty while it has none."""
        return self.agent.identity.cluster_uid

    async def with_store(self, work: Callable[[ConsensusStore], Awaitable[T]]) -> T:
        """Do something with the decisions of the node's cluster, on the membership service's own loop.

        Raises:
            NoQuorumError: the node is in no cluster.
        """

        async def there(agent: ClusterAgent) -> T:
            if agent.session is None:
                raise NoQuorumError(str(agent.ready_reason()))
            return await work(agent.session.store)

        return await self._call(there)

    async def staying(self) -> frozenset[str]:
        """Return the members that were not told to stop, as they stand where decisions are made.

        Raises:
            NoQuorumError: the node is in no cluster, or nothing can be read there.
        """
        from app_framework.cluster.registry import KEY, Registry

        entry = await self.with_store(lambda store: store.get(KEY))
        if entry is None:
            raise NoQuorumError("there is no registry")
        return frozenset(each.id for each in Registry.from_bytes(entry.value).members if not each.stopped)

    # -- ClusterService ------------------------------------------------------------------------------------------

    def view(self) -> ClusterView:
        """See `ClusterService`."""
        return self.agent.view()

    def decisions(self) -> tuple[Decision, ...]:
        """See `ClusterService`."""
        return self.agent.decisions()

    def listen(self, listener: Listener) -> Callable[[], None]:
        """See `ClusterService`."""
        entry = (asyncio.get_running_loop(), listener)
        with self._lock:
            self._listeners.append(entry)

        def end() -> None:
            with self._lock:
                if entry in self._listeners:
                    self._listeners.remove(entry)

        return end

    async def register(self, url: str, *, forward: bool = True) -> NodeDocument:
        """See `ClusterService`."""
        return await self._call(lambda agent: agent.register(url, forward=forward))

    async def deregister(self, node: str, *, forward: bool = True) -> NodeDocument:
        """See `ClusterService`."""
        return await self._call(lambda agent: agent.deregister(node, forward=forward))

    async def stop_node(self, node: str, *, forward: bool = True) -> NodeDocument:
        """See `ClusterService`."""
        return await self._call(lambda agent: agent.stop_node(node, forward=forward))

    async def peer_call(self, door: str, body: Mapping[str, Any], *, near: bool = True) -> Mapping[str, Any]:
        """See `ClusterService`."""
        return await self._call(lambda agent: agent.peer_call(door, body, near=near))

    def status(self) -> Mapping[str, Any]:
        """See `ClusterService`."""
        return self.agent.status()

    async def _call(self, work: Callable[[ClusterAgent], Awaitable[T]]) -> T:
        agent = self.agent
        return await self._loop.call(lambda: work(agent))

    def _tell_view(self, view: ClusterView) -> None:
        with self._lock:
            listeners = tuple(self._listeners)
        for loop, listener in listeners:
            _tell(loop, listener, view)

    async def _tell_entered(self) -> None:
        with self._lock:
            listeners = tuple(self._entered)
        for loop, listener in listeners:
            _tell(loop, listener)

    def __repr__(self) -> str:
        if self._agent is None:
            return "<ClusterNode closed>"
        view = self.view()
        return (
            f"<ClusterNode {view.node_id!r} {view.state} term {view.term} of {len(view.nodes)} in {view.cluster_id!r}>"
        )


def _tell(loop: asyncio.AbstractEventLoop, listener: Callable[..., None], *args: object) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(listener, *args)
