"""`/studio/cluster` shows the cluster in plain words, and its twin the same facts for programs."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from app_framework.testing import Client, ContextRunner
from app_framework.web.cluster_verdict import verdict
from app_framework.web.pages import CONTENT_SECURITY_POLICY
from tests.web.fake_cluster import FakeCluster
from tests.web.nodes_in_process import URLS, Node, running


@pytest.fixture
def cluster() -> FakeCluster:
    return FakeCluster()


@pytest.fixture
def three(cluster: FakeCluster) -> Iterator[list[Node]]:
    """Three members; they register over HTTP, as the page's own form does it."""
    with running(cluster) as nodes:
        for url in URLS[1:]:
            nodes[0].http.post("/api/cluster/register", json={"url": url})
        yield nodes


def shown(node: Node) -> dict[str, str]:
    """Return what the page says, by the name of each place."""
    html = node.http.get("/studio/cluster").text
    found = re.findall(r'data-testid="([\w-]+)"[^>]*>(.*?)</(?:p|dd|strong)>', html, re.DOTALL)
    return {name: " ".join(re.sub(r"<[^>]+>", "", text).split()) for name, text in found}


def test_the_page_shows_state_term_leader_and_members(three: list[Node]) -> None:
    """Every node shows the same members, and its own state (JA12, J27)."""
    facts = shown(three[1])
    assert (facts["state"], facts["leader"], facts["term"], facts["tolerates"]) == ("Follower", "node1", "1", "1")
    assert (
        facts["verdict"]
        == "All 3 nodes are active. node1 leads in term 1. It survives the death of one more voting node."
    )
    page = three[1].http.get("/studio/cluster")
    assert page.text.count('data-testid="peer"') == 3
    assert page.headers["content-security-policy"] == CONTENT_SECURITY_POLICY


def test_the_twin_has_the_same_facts(three: list[Node]) -> None:
    """As `GET /api/cluster`, with the decisions and who answers."""
    http = three[1].http
    twin = http.get("/studio/cluster?format=json").json()
    facts = http.get("/api/cluster").json()
    assert {key: twin[key] for key in facts} == facts
    assert twin["decisions"] == http.get("/api/cluster/decisions").json()
    assert twin["ready"] is True


def test_a_death_and_a_new_leader_are_seen(cluster: FakeCluster, three: list[Node]) -> None:
    cluster.kill("node1")
    facts = shown(three[2])
    assert (facts["leader"], facts["term"], facts["tolerates"]) == ("node2", "2", "0")
    assert facts["verdict"].startswith("node1 is not active. node2 leads in term 2. The death of one more")


def test_a_lost_majority_is_said_in_plain_words(cluster: FakeCluster, three: list[Node]) -> None:
    """What does not work, why, and that nobody has to do anything when the nodes come back."""
    for node in ("node2", "node3"):
        cluster.kill(node)
    facts = shown(three[0])
    assert (facts["state"], facts["leader"]) == ("Candidate", "none")
    assert "No node leads now, so nothing can be decided" in facts["verdict"]
    assert "node2 and node3 are not active" in facts["verdict"]
    assert "goes on by itself" in facts["verdict"]


def test_a_removed_node_says_how_to_come_back(three: list[Node]) -> None:
    three[0].http.post("/api/cluster/deregister", json={"url": URLS[2]})
    assert "node3 is no member of a cluster. Register its URL" in shown(three[2])["verdict"]


def test_a_node_without_a_cluster_says_how_to_get_one(web: ContextRunner) -> None:
    with web.run() as context, Client(context) as client:
        assert "af node start --name" in client.get("/studio/cluster").text
        assert client.get("/studio/cluster?format=json").json()["health"] == "none"


def test_the_start_page_leads_to_the_cluster(three: list[Node]) -> None:
    """With how it is."""
    page = three[0].http.get("/studio").text
    assert 'href="/studio/cluster"' in page
    assert "All 3 nodes are active" in page


def test_reasons_are_escaped(cluster: FakeCluster, three: list[Node]) -> None:
    cluster.decide("promote", "node2", "<script>alert(1)</script>")
    page = three[0].http.get("/studio/cluster").text
    assert "&lt;script&gt;" in page
    assert "<script>alert" not in page


def test_many_silent_nodes_are_counted(cluster: FakeCluster) -> None:
    """The sentence stays one that a person can read."""
    nodes = [cluster.node(f"n{number}", f"http://127.0.0.1:{9000 + number}") for number in range(13)]
    for node in nodes[1:]:
        cluster.change(cluster.document(node, "FOLLOWER"), "cluster_register", "…")
    for node in nodes[1:7]:
        cluster.kill(node.id)
    assert verdict(nodes[0].view()).summary.startswith("6 nodes are not active. n0 leads")
