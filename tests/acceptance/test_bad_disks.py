"""Disks that are full: nothing is acknowledged that was not written, the node says so, and goes on with room again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app_framework.cluster.snapshot import read_snapshot
from tests.acceptance.cluster import Cluster, ClusterNode, cluster, until
from tests.acceptance.processes import af
from tests.acceptance.trouble import SmallDisk

pytestmark = pytest.mark.acceptance

HEALTH = "--management.endpoint.health.show-details=always"


def member_ids(node: ClusterNode) -> list[str]:
    """Return the members as a node shows them."""
    return [each["_id"] for each in node.view().get("nodes", [])]


def health_of(node: ClusterNode) -> dict[str, Any]:
    """Return what the node's health says of its cluster."""
    found: dict[str, Any] = node.get("/actuator/health").json()["components"]["cluster"]
    return found


def started_on_small_disk(nodes: Cluster, name: str, *arguments: str) -> SmallDisk:
    """Start a node whose data is on a disk of its own."""
    node = nodes.nodes[name] = ClusterNode(nodes.folder, name, *arguments)
    disk = SmallDisk(node, "160m")
    node.start().ready()
    return disk


def test_a_lone_node_with_a_full_disk_refuses_says_why_and_goes_on_with_room(tmp_path: Path) -> None:
    """The change is not acknowledged and not there; within the lease the node has no lead; then all comes back."""
    with cluster(tmp_path) as nodes:
        disk = started_on_small_disk(nodes, "a", HEALTH)
        node = nodes["a"]
        waiting = nodes.start("w", "--cluster.bootstrap=false").ready()
        disk.fill()
        answer = node.post("/api/cluster/register", {"url": waiting.url})
        problem = answer.json()
        assert (answer.status_code, problem["retryable"]) == (503, True), problem
        assert "cannot be written" in problem["detail"]
        assert "nothing was acknowledged" in problem["detail"]
        assert (member_ids(node), waiting.view()["state"]) == (["a"], "PASSIVE")
        until(lambda: node.view()["leaderId"] is None, "it does not lead on what it cannot write", node.log)
        assert health_of(node)["status"] == "UNKNOWN"
        assert "cannot be written" in health_of(node)["details"]["reason"]
        later = node.post("/api/cluster/register", {"url": waiting.url}).json()
        assert (later["code"], "cannot be written" in later["detail"]) == ("NO_QUORUM", True), later
        status = af(tmp_path, "cluster", "status", "--url", node.url)
        assert (status.code, "Make room" in status.out) == (2, True), status.out
        assert "cannot be written" in node.log()
        disk.clear()
        until(lambda: node.view()["state"] == "LEADER", "it leads again", node.log)
        assert node.post("/api/cluster/register", {"url": waiting.url}).status_code == 200
        assert "Traceback" not in node.log()


@pytest.mark.parametrize("full", ["node1", "node3"], ids=["leader", "follower"])
def test_one_of_three_with_a_full_disk_does_not_stop_the_others_and_comes_back(full: str, tmp_path: Path) -> None:
    """Two decide, the third says what it lacks; with room again it knows everything and votes."""
    with cluster(tmp_path) as nodes:
        disk = None
        for name in ("node1", "node2", "node3"):
            peers = [] if name == "node1" else ["--peer", nodes["node1"].url]
            if name == full:
                disk = started_on_small_disk(nodes, name, *peers)
            else:
                nodes.start(name, *peers).ready()
        assert disk is not None
        nodes.until_tolerates(1)
        disk.fill()
        watcher = nodes.start("w", "--peer", nodes["node2"].url, "--cluster.node.type=watcher").ready()
        nodes.until_agreed(4, members=4)
        until(lambda: "No space left on device" in nodes[full].log(), "it says so", nodes[full].log)
        until(lambda: nodes["node2"].view()["tolerates"] == 0, "it does not count as a voter", nodes.describe)
        assert nodes["node2"].post("/api/cluster/deregister", {"node": "w"}).status_code == 200
        del nodes.nodes["w"]
        disk.clear()
        try:
            nodes.until_agreed(3, members=3)
            nodes.until_tolerates(1)
            assert "Traceback" not in nodes[full].log()
            assert nodes[full].log().count("No space left on device") < 10, "it is said, not repeated"
        finally:
            nodes.nodes["w"] = watcher


def test_the_copy_of_the_decisions_is_written_again_when_there_is_room(tmp_path: Path) -> None:
    """A lost cluster is rebuilt from it, so it must not stay behind for good."""
    with cluster(tmp_path) as nodes:
        founder = nodes.start("a").ready()
        disk = started_on_small_disk(nodes, "b", "--peer", founder.url)
        nodes.until_agreed(2)
        disk.fill()
        waiting = nodes.start("w", "--peer", founder.url, "--cluster.node.type=watcher").ready()
        until(lambda: "No space left on device" in nodes["b"].log(), "it says so", nodes["b"].log)
        disk.clear()
        snapshot = disk.path / "cluster/snapshot.json"
        until(lambda: waiting.name in names_in(snapshot), "the copy is whole again", nodes.describe)


def names_in(snapshot: Path) -> str:
    """Return the registry of a snapshot as text."""
    entry = read_snapshot(snapshot).entry("registry")
    return entry.value.decode() if entry is not None else ""
