"""The store that rooms above use: it goes where the decisions of the node's cluster go."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from app_framework.cluster.agent import ClusterAgent
from app_framework.cluster.errors import NoQuorumError
from app_framework.cluster.node import ClusterNode
from app_framework.cluster.node_store import NodeConsensusStore
from app_framework.testing.virtual_time import run_virtually
from tests.cluster.nodes import World, refused, world


def store_of(agent: ClusterAgent) -> NodeConsensusStore:
    node = ClusterNode(lambda *_: agent, own_thread=False)
    node._agent = agent
    return NodeConsensusStore(node)


def run(folder: Path, scenario: object) -> None:
    async def within() -> None:
        async with world(folder) as nodes:
            await scenario(nodes)  # type: ignore[operator]

    run_virtually(within)


def test_a_watch_goes_on_where_the_decisions_move(tmp_path: Path) -> None:
    """From the founder's file to the store that three nodes keep; calls of every node go there."""

    async def scenario(nodes: World) -> None:
        seen = dict[str, bytes | None]()
        store = store_of(await nodes.start("a"))
        await store.create("cubes.x", b"1")

        async def follow() -> None:
            async for change in store.watch("cubes"):
                seen[change.key] = change.value

        following = asyncio.create_task(follow())
        await nodes.until(lambda: seen == {"cubes.x": b"1"})
        await nodes.start("b", "a")
        await nodes.start("c", "a")
        await nodes.until(lambda: nodes.agree(3) and nodes.agents["c"].view().place != "sqlite", "the move")
        other = store_of(nodes.agents["c"])
        entry = await other.get("cubes.x")
        assert entry is not None
        await other.update("cubes.x", b"2", entry.revision)
        await nodes.until(lambda: seen == {"cubes.x": b"2"}, "the second change")
        assert [entry.value for entry in await store.entries("cubes")] == [b"2"]
        await store.close()
        await following

    run(tmp_path, scenario)


def test_a_node_that_enters_another_cluster_reads_what_stands_there(tmp_path: Path) -> None:
    """What cubes said of themselves while they were alone does not keep their node from joining."""

    async def scenario(nodes: World) -> None:
        first = await nodes.start("a")
        await store_of(first).create("distribution.there", b"a")
        second = await nodes.start("b")
        store, seen = store_of(second), set[str]()
        for number in range(20):
            await store.create(f"distribution.n{number}", b"b")

        async def follow() -> None:
            async for change in store.watch("distribution"):
                seen.add(change.key)

        following = asyncio.create_task(follow())
        await nodes.until(lambda: len(seen) == 20)
        await first.register(nodes.url("b"))
        await nodes.until(lambda: "distribution.there" in seen, "what stands in the other cluster")
        assert [entry.key for entry in await store.entries("distribution")] == ["distribution.there"]
        await store.close()
        await following

    run(tmp_path, scenario)


def test_without_a_cluster_nothing_is_decided(tmp_path: Path) -> None:
    async def scenario(nodes: World) -> None:
        store = store_of(await nodes.start("a", bootstrap=False))
        error = await refused(store.get("x"))
        assert isinstance(error, NoQuorumError)
        await store.close()
        with pytest.raises(NoQuorumError, match="closed"):
            await store.barrier()

    run(tmp_path, scenario)
