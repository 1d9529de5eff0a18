"""Three nodes of the sample with the profile `three-nodes`: the cluster that its README promises."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance.cluster import Cluster, ClusterNode, cluster, until

pytestmark = pytest.mark.acceptance

ROOT = Path(__file__).resolve().parents[2]
FLIGHTS = 336_776
SAMPLE = ("sample_app.main:app", "--profile", "three-nodes")


def start(nodes: Cluster, name: str, *arguments: str) -> ClusterNode:
    """Start a node of the sample; its folder shows it the checkout's profiles, as the top of the checkout would."""
    folder = nodes.folder / name
    folder.mkdir()
    for shared in ("config", "sample_app"):
        (folder / shared).symlink_to(ROOT / shared)
    return nodes.start(name, *SAMPLE, *arguments).ready()


def flights(node: ClusterNode) -> int:
    """Return what a node counts."""
    answer = node.post("/cubes/flights/query", {"measures": ["flights"]})
    return int(answer.json()["rows"][0][0])


def test_three_nodes_of_the_sample_form_a_cluster_and_survive_the_death_of_its_leader(tmp_path: Path) -> None:
    """Every node answers for its cube before, while and after the leader is gone; health says who leads."""
    with cluster(tmp_path) as nodes:
        first = start(nodes, "node1")
        for name in ("node2", "node3"):
            start(nodes, name, "--peer", first.url)
        nodes.until_agreed(3, members=3)
        nodes.until_tolerates(1)
        assert {node.view()["clusterId"] for node in nodes.alive} == {"nyc-ops"}
        assert [flights(node) for node in nodes.alive] == [FLIGHTS] * 3
        leader = nodes.leader()
        leader.kill_machine()
        assert [flights(node) for node in nodes.alive] == [FLIGHTS] * 2
        nodes.until_agreed(2, members=3)
        leader.start().ready()
        nodes.until_agreed(3, members=3)
        assert flights(leader) == FLIGHTS
        until(lambda: leader_of(leader) == nodes.leader().name, "health names the leader", nodes.describe)


def leader_of(node: ClusterNode) -> str:
    """Return whom a node's health names as the leader."""
    components = node.get("/actuator/health").json()["components"]
    return str(components["cluster"]["details"]["leader"])
