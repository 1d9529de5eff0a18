"""Three nodes of the sample with the profile `three-nodes`: what its README and that of the repository promise."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance.cluster import Cluster, ClusterNode, cluster, until
from tests.acceptance.processes import af

pytestmark = pytest.mark.acceptance

ROOT = Path(__file__).resolve().parents[2]
FLIGHTS = {"ewr": 120_835, "jfk": 111_279, "lga": 104_662}
ALL = [336_776, 4_043]
SAMPLE = ("sample_app.main:app", "--profile", "three-nodes")


def start(nodes: Cluster, name: str, *arguments: str) -> ClusterNode:
    """Start a node of the sample; its folder shows it the checkout's profiles, as the top of the checkout would."""
    folder = nodes.folder / name
    folder.mkdir()
    for shared in ("config", "sample_app"):
        (folder / shared).symlink_to(ROOT / shared)
    return nodes.start(name, *SAMPLE, *arguments, environ={"AIRPORT": name.upper()}).ready()


def ask(node: ClusterNode, cube: str, *measures: str, **more: object) -> dict[str, object]:
    """Return what a node answers."""
    answer = node.post(f"/cubes/{cube}/query", {"measures": [*measures], **more}).json()
    assert isinstance(answer, dict)
    return answer


def test_three_nodes_of_the_sample_answer_as_one_and_say_what_is_missing(tmp_path: Path) -> None:
    """AA6: every node answers for all airports; one that was killed is missed by name until it is back."""
    with cluster(tmp_path) as nodes:
        first = start(nodes, "ewr")
        for name in ("jfk", "lga"):
            start(nodes, name, "--peer", first.url)
        nodes.until_agreed(3, members=3)
        nodes.until_tolerates(1)
        assert {node.view()["clusterId"] for node in nodes.alive} == {"nyc-ops"}
        for node in nodes.alive:
            assert ask(node, "flights", "flights")["rows"] == [[FLIGHTS[node.name]]]
            until(lambda node=node: whole(node), f"{node.name} answers for all", nodes.describe)
        victim = nodes.alive[1]
        victim.kill_machine()
        others = nodes.alive
        for node in others:
            until(lambda node=node: ask(node, "nyc", "flights").get("code"), "it misses one", nodes.describe)
            problem = ask(node, "nyc", "flights")
            assert (problem["status"], problem["code"], problem["node"]) == (503, "SERVICE_UNAVAILABLE", victim.name)
            rest = ask(node, "nyc", "flights", levels=["origin"], unavailable="partial")
            assert rest["partial"] is True
            assert rest["rows"] == [[n.name.upper(), FLIGHTS[n.name]] for n in sorted(others, key=lambda n: n.name)]
            assert rest["missing"] == [{"node": victim.name, "members": {"origin": [victim.name.upper()]}}]
        asked = ("query", "nyc", "--measure", "flights", "--url", others[0].url)
        refused, part = af(tmp_path, *asked), af(tmp_path, *asked, "--partial")
        assert (refused.code, part.code) == (1, 0)
        assert "--partial leaves out what it has" in refused.err
        assert f"This is a part: node {victim.name} does not answer for origin {victim.name.upper()}" in part.err
        victim.start().ready()
        for node in nodes.alive:
            until(lambda node=node: whole(node), f"{node.name} answers for all again", nodes.describe)
        until(lambda: leader_of(victim) == nodes.leader().name, "health names the leader", nodes.describe)


def whole(node: ClusterNode) -> bool:
    """Return whether a node counts all flights, and the planes that flew from any airport once."""
    return ask(node, "nyc", "flights", "planes").get("rows") == [ALL]


def leader_of(node: ClusterNode) -> str:
    """Return whom a node's health names as the leader."""
    components = node.get("/actuator/health").json()["components"]
    return str(components["cluster"]["details"]["leader"])
