"""What a client remembers of clusters between its runs."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from app_framework.client.topology import Topology, TopologyCache

KNOWN = Topology("Cluster", 7, ("http://a:1", "http://b:2"))


def test_a_cluster_is_found_again_by_any_of_its_nodes(tmp_path: Path) -> None:
    cache = TopologyCache(tmp_path / "clusters")
    cache.remember(KNOWN)
    assert TopologyCache(tmp_path / "clusters").find("http://b:2") == KNOWN
    assert cache.find("http://c:3") is None


def test_the_newest_view_counts(tmp_path: Path) -> None:
    cache = TopologyCache(tmp_path)
    cache.remember(KNOWN)
    newer = Topology("Cluster", 8, ("http://b:2",))
    cache.remember(newer)
    assert (cache.find("http://b:2"), cache.find("http://a:1")) == (newer, None)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"urls": 1}', '{"cluster_id": "x", "epoch": 1, "urls": ["::"]}']
)
def test_a_damaged_file_is_not_believed_and_is_replaced(tmp_path: Path, text: str) -> None:
    (tmp_path / "Cluster.json").write_text(text)
    cache = TopologyCache(tmp_path)
    assert cache.find("http://a:1") is None
    cache.remember(KNOWN)
    assert cache.find("http://a:1") == KNOWN


def test_only_its_user_can_read_it(tmp_path: Path) -> None:
    """And a cluster's name cannot lead out of the folder."""
    cache = TopologyCache(tmp_path / "clusters")
    cache.remember(Topology("../Clüster/1", 1, ("http://a:1",)))
    (file,) = (tmp_path / "clusters").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.name == "%2e%2e%2fCl%fcster%2f1.json"


def test_a_folder_that_cannot_be_written_costs_nothing_but_the_memory(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    cache = TopologyCache(tmp_path / "file" / "clusters")
    cache.remember(KNOWN)
    assert cache.find("http://a:1") is None


def test_a_view_becomes_a_topology_with_the_leader_first() -> None:
    """Nodes that are not active come last: they are asked when nobody else answers."""
    view = {
        "clusterId": "Cluster",
        "epoch": 3,
        "nodes": [
            {"url": "http://a:1", "role": "FOLLOWER", "status": "INACTIVE"},
            {"url": "http://b:2/", "role": "FOLLOWER", "status": "ACTIVE"},
            {"url": "http://c:3", "role": "LEADER", "status": "ACTIVE"},
        ],
    }
    assert Topology.of(view) == Topology("Cluster", 3, ("http://c:3", "http://b:2", "http://a:1"))
