"""The move of the decisions from SQLite to voters: at whatever step the founder dies, nothing acknowledged is lost."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from app_framework.cluster.local_store import LocalConsensusStore
from app_framework.cluster.snapshot import read_snapshot
from app_framework.cluster.store import ConsensusStore
from tests.acceptance.cluster import Cluster, ClusterNode, cluster, until
from tests.acceptance.writer import KEY, CounterWriter, look

# nats-py leaves a half-made connection to a server that is being killed to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

ROWS = 300
MANY = 50_000
STEPS = ("begin", "leader", "midcopy", "copied", "compared", "flipped", "scaling", "evacuated", "removed")


def founded_with_rows(nodes: Cluster) -> ClusterNode:
    """Found a cluster and put rows into its store, as later rooms will."""
    founder = nodes.start("node1").ready()
    assert founder.stop() == 0

    async def fill() -> None:
        store = LocalConsensusStore(founder.folder / "data" / "cluster" / "store.db")
        for number in range(ROWS):
            await store.create(f"row.{number:04d}", b"%d" % number * 200)
        await store.close()

    asyncio.run(fill())
    return founder


def the_founder_dies(tmp_path: Path, step: str) -> None:
    """Grow from one node to three; the founder is killed at the step, started again, and everything must be there."""
    with cluster(tmp_path) as nodes:
        founder = founded_with_rows(nodes)
        founder._command = [sys.executable, "-m", "tests.acceptance.killed_node", step, *founder._command[1:]]
        founder.start().ready()
        data_dirs = tuple(tmp_path / name / "data" for name in ("node1", "node2", "node3"))
        with CounterWriter(*data_dirs) as counter:
            until(lambda: counter.acknowledged > 5, "the counter counts", founder.log)
            for name in ("node2", "node3"):
                nodes.start(name, "--peer", founder.url)
            until(lambda: founder.ended, f"the founder dies at {step}", nodes.describe)
            founder._command = ["af-again", *founder._command[4:]]
            founder._command[0:1] = [sys.executable, "-m", "app_framework"]
            founder.start().ready()
            for node in nodes.alive:
                node.ready()
            nodes.until_agreed(3, members=3)
            nodes.until_tolerates(1)
            before = counter.acknowledged
            until(lambda: counter.acknowledged > before + 5, "the counter goes on", nodes.describe)
        assert counter.errors == []
        entries = {entry.key: entry.value for entry in look(data_dirs, lambda store: store.entries())}
        rows = {key: value for key, value in entries.items() if key.startswith("row.")}
        assert rows == {f"row.{number:04d}": b"%d" % number * 200 for number in range(ROWS)}
        assert int(entries[KEY]) >= counter.acknowledged


def test_the_machine_of_the_founder_dies_right_after_the_flip(tmp_path: Path) -> None:
    """The family's pass in the default suite."""
    the_founder_dies(tmp_path, "flipped:machine")


@pytest.mark.acceptance
@pytest.mark.parametrize("kind", ["node", "machine"])
@pytest.mark.parametrize("step", STEPS)
def test_the_founder_dies_at_every_step(tmp_path: Path, step: str, kind: str) -> None:
    """Kill -9 of the node, or of the node and its servers at once."""
    the_founder_dies(tmp_path, step if kind == "node" else f"{step}:machine")


@pytest.mark.acceptance
def test_ja10_a_node_that_comes_late_has_all_fifty_thousand_entries(tmp_path: Path) -> None:
    """The same count and the same contents; the log holds the newest write of each entry and no more."""
    with cluster(tmp_path) as nodes:
        nodes.trio()
        data_dirs = tuple(tmp_path / name / "data" for name in ("node1", "node2", "node3"))
        look(data_dirs, put_many)
        late = nodes.start("node4", "--peer", nodes["node1"].url).ready()
        nodes.until_agreed(4, members=4)
        expected = {entry.key: entry.value for entry in look(data_dirs, lambda store: store.entries("row"))}
        assert len(expected) == MANY

        def copied() -> dict[str, bytes]:
            path = late.folder / "data" / "cluster" / "snapshot.json"
            entries = read_snapshot(path).entries if path.exists() else ()
            return {entry.key: entry.value for entry in entries if entry.key.startswith("row.")}

        until(lambda: len(copied()) == MANY, "the copy is complete", late.log)
        assert copied() == expected


async def put_many(store: ConsensusStore) -> None:
    """Write many entries, some of them twice."""
    gate = asyncio.Semaphore(64)

    async def put(number: int) -> None:
        async with gate:
            revision = await store.create(f"row.{number}", b"first")
            if number % 100 == 0:
                revision = await store.update(f"row.{number}", b"second", revision)

    for start in range(0, MANY, 1000):
        await asyncio.gather(*(put(number) for number in range(start, start + 1000)))
