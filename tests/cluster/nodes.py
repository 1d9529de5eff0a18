"""Several nodes of one process on a network in memory, under virtual time: no ports, no waiting, seeds that repeat."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from app_framework.cluster.agent import ClusterAgent
from app_framework.cluster.errors import UnreachableNodeError
from app_framework.cluster.identity import NodeFolder
from app_framework.cluster.memory_ground import MemoryGround, MemoryHub
from app_framework.cluster.peers import PeerDoors
from app_framework.cluster.rules import ClusterRules
from app_framework.cluster.view import ClusterView
from app_framework.errors import FrameworkError, UserError
from app_framework.messaging.memory import MemoryNetwork
from app_framework.security.secret import ClusterSecret
from app_framework.testing.virtual_time import LoopClock

DEADLINE_S = 60.0


class MemoryPeers(PeerDoors):
    """HTTP between nodes of one process: JSON goes there and back, and a node that is cut off is not reached."""

    def __init__(self, world: World, node: str) -> None:
        self._world = world
        self._node = node

    async def call(self, url: str, door: str, body: Mapping[str, Any], *, timeout_s: float) -> Mapping[str, Any]:
        target = self._world.at(url)
        if target is None or not self._world.network.reaches(self._node, target.node_name):
            raise UnreachableNodeError(url, "no connection")
        await asyncio.sleep(0)
        answer: Mapping[str, Any] = json.loads(json.dumps(await target.peer_call(door, json.loads(json.dumps(body)))))
        return answer

    async def close(self) -> None:
        """Nothing is kept open."""


class World:
    """Nodes, their network, and what they share."""

    def __init__(self, folder: Path, seed: int = 0) -> None:
        self.folder = folder
        self.network = MemoryNetwork(seed=seed)
        self.hub = MemoryHub(self.network)
        self.agents: dict[str, ClusterAgent] = {}
        self.urls: dict[str, str] = {}
        self.stopped: set[str] = set()

    def url(self, node: str) -> str:
        """Return where a node is reached."""
        return self.urls.setdefault(node, f"http://{node}:{8080 + len(self.urls)}")

    def at(self, url: str) -> ClusterAgent | None:
        """Return the node at a URL."""
        return next((agent for node, agent in self.agents.items() if self.urls[node] == url.rstrip("/")), None)

    async def start(self, node: str, *peers: str, **options: Any) -> ClusterAgent:
        """Start a node; peers are given by name."""
        secret = options.pop("secret", None)
        folder = options.pop("folder", node)
        agent = ClusterAgent(
            NodeFolder(self.folder / folder),
            MemoryGround(self.hub, node),
            MemoryPeers(self, node),
            options.pop("clock", None) or LoopClock(),
            name=node,
            seeds=[self.url(peer) for peer in peers],
            secret=ClusterSecret(secret) if secret else None,
            rules=options.pop("rules", ClusterRules()),
            stop_node=lambda: self.stopped.add(node),
            **options,
        )
        self.agents[node] = agent
        try:
            await agent.open()
            await agent.join(self.url(node))
        except BaseException:
            await agent.close()
            del self.agents[node]
            raise
        return agent

    async def stop(self, node: str) -> None:
        """Stop a node gracefully."""
        agent = self.agents.pop(node)
        await agent.hand_over()
        await agent.close()

    async def kill(self, node: str) -> None:
        """Take a node away without a word."""
        self.network.disconnect(node)
        await self.agents.pop(node).close()

    async def until(self, condition: Callable[[], bool], what: str = "") -> None:
        """Wait for a condition."""
        loop = asyncio.get_running_loop()
        end = loop.time() + DEADLINE_S
        while not condition():
            if loop.time() > end:
                views = "\n".join(f"{node}: {agent.view()}" for node, agent in self.agents.items())
                raise AssertionError(f"{what or 'it'} did not happen within {DEADLINE_S:g} s:\n{views}")
            await asyncio.sleep(0.05)

    def views(self) -> list[ClusterView]:
        """Return what each node knows."""
        return [agent.view() for agent in self.agents.values()]

    def agree(self, nodes: int, active: int | None = None) -> bool:
        """Whether all nodes show the same members, so many of them ACTIVE, and exactly one leader."""
        views = self.views()
        documents = {json.dumps([node.as_json() for node in view.nodes]) for view in views}
        leaders = [view for view in views if view.state == "LEADER"]
        return (
            len(documents) == 1
            and len(views[0].nodes) == nodes
            and sum(node.status == "ACTIVE" for node in views[0].nodes) == (nodes if active is None else active)
            and len(leaders) == 1
            and all(view.leader_id == leaders[0].node_id and view.term == leaders[0].term for view in views)
        )

    def voting(self) -> int:
        """How many nodes vote, as all of them show it."""
        counts = {sum(node.type == "voter" for node in view.nodes) for view in self.views()}
        return counts.pop() if len(counts) == 1 else 0

    async def trio(self) -> None:
        """Start three nodes and wait until they vote."""
        await self.start("a")
        await self.start("b", "a")
        await self.start("c", "a")
        await self.until(
            lambda: self.agree(3) and self.voting() == 3 and self.views()[0].tolerates == 1, "a cluster of 3"
        )

    async def close(self) -> None:
        """Stop everything."""
        for node in tuple(self.agents):
            await self.kill(node)


@asynccontextmanager
async def world(folder: Path, seed: int = 0) -> AsyncIterator[World]:
    """A world for the length of a ``with``."""
    nodes = World(folder, seed)
    try:
        yield nodes
    finally:
        await nodes.close()


async def refused(work: Any) -> Exception:
    """Return the error with which something is refused."""
    try:
        await work
    except (UserError, FrameworkError) as error:
        return error
    raise AssertionError("it was not refused")
