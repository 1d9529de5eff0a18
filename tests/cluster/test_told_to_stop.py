"""J23: a node that is told to stop has left, whoever it is, until it is back."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.cluster.nodes import World
from tests.cluster.test_membership import run


def test_ja8_a_leader_that_is_told_to_stop_has_left(tmp_path: Path) -> None:
    """AA6: `stop` is a leave, of whoever leads as well: nobody waits for it, until it is back."""

    async def scenario(nodes: World) -> None:
        await nodes.trio()
        await nodes.agents["b"].stop_node("a")
        await nodes.until(lambda: "a" in nodes.stopped)
        clock = asyncio.get_running_loop()
        looked_s = clock.time() + 1.0  # of virtual time: it goes on leading, and looks at its members meanwhile
        await nodes.until(lambda: clock.time() >= looked_s)
        await nodes.stop("a")
        await nodes.until(lambda: nodes.agree(3, active=2))
        assert _stopped(nodes, "b") == {"a"}
        await nodes.start("a", "b")
        await nodes.until(lambda: nodes.agree(3) and _stopped(nodes, "b") == set())

    run(tmp_path, scenario)


def test_a_cluster_whose_last_node_was_told_to_stop_comes_back(tmp_path: Path) -> None:
    """Nobody else is left that could lead."""

    async def scenario(nodes: World) -> None:
        await nodes.start("a")
        await nodes.until(lambda: nodes.agree(1))
        await nodes.agents["a"].stop_node("a")
        await nodes.until(lambda: "a" in nodes.stopped)
        await nodes.stop("a")
        nodes.network.reconnect("a")
        await nodes.start("a")
        await nodes.until(lambda: nodes.agree(1))

    run(tmp_path, scenario)


def _stopped(nodes: World, seen_by: str) -> set[str]:
    session = nodes.agents[seen_by].session
    assert session is not None
    assert session.registry is not None
    return {each.id for each in session.registry.members if each.stopped}
