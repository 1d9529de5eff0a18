"""`/api/cluster`: the membership, as curl, other nodes and old tools ask for it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from app_framework.testing import Client, ContextRunner
from app_framework.web.routes.cluster import PEER_BYTES_MAX
from tests.web.fake_cluster import FakeCluster
from tests.web.nodes_in_process import URLS, Node, running


@pytest.fixture
def cluster() -> FakeCluster:
    return FakeCluster()


@pytest.fixture
def nodes(cluster: FakeCluster) -> Iterator[list[Node]]:
    """Three running nodes; the first one founded the cluster."""
    with running(cluster) as found:
        yield found


@pytest.fixture
def three(cluster: FakeCluster, nodes: list[Node]) -> list[Node]:
    """Three members."""
    for url in URLS[1:]:
        asyncio.run(nodes[0].service.register(url))
    return nodes


def test_three_nodes_are_registered_as_curl_does_it(nodes: list[Node]) -> None:
    """The same documents on all nodes, also as a collection, and one leader (JA1, JA2)."""
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    for url in URLS[1:]:
        answer = nodes[0].http.post("/api/cluster/register", content=f'{{"url": "{url}"}}', headers=form)
        assert (answer.status_code, answer.json()["status"], answer.json()["node"]["url"]) == (200, "registered", url)
    views = [node.http.get("/api/cluster").json() for node in nodes]
    assert [view["state"] for view in views] == ["LEADER", "FOLLOWER", "FOLLOWER"]
    assert [node["_id"] for node in views[2]["nodes"]] == ["node1", "node2", "node3"]
    assert views[0]["nodes"] == views[1]["nodes"] == views[2]["nodes"]
    collection = nodes[1].http.get("/tables/_system._clusternodes/entries").json()
    assert [entry["value"] for entry in collection] == views[0]["nodes"]


def test_registering_twice_changes_nothing(three: list[Node]) -> None:
    """Whoever is unsure may repeat it (JA11)."""
    before = three[0].http.get("/api/cluster").json()
    assert three[0].http.post("/api/cluster/register", json={"url": "127.0.0.1:8081/"}).status_code == 200
    assert three[0].http.get("/api/cluster").json() == before


def test_a_follower_forwards_unless_it_is_told_not_to(three: list[Node]) -> None:
    """The refusal names the leader, the node and the epoch, and nothing was applied (JA3)."""
    refused = three[1].http.post("/api/cluster/deregister", json={"url": URLS[2]}, headers={"X-No-Forward": "1"})
    problem = refused.json()
    assert (refused.status_code, problem["code"], problem["leader"]) == (503, "NOT_LEADER", URLS[0])
    assert (problem["node"], problem["epoch"], problem["retryable"]) == ("node2", 3, True)
    assert len(three[0].http.get("/api/cluster").json()["nodes"]) == 3
    assert three[1].http.post("/api/cluster/deregister", json={"url": URLS[2]}).json()["status"] == "deregistered"
    assert three[2].http.get("/api/cluster").json()["state"] == "PASSIVE"


@pytest.mark.parametrize("node", ["node3", URLS[2], "127.0.0.1:8082"])
def test_a_node_is_stopped_by_id_and_by_url(three: list[Node], node: str) -> None:
    answer = three[1].http.post("/api/cluster/stop", json={"node": node}).json()
    assert (answer["status"], answer["node"]["_id"], answer["node"]["status"]) == ("stop_sent", "node3", "INACTIVE")


@pytest.mark.parametrize(
    ("door", "body", "status", "field", "detail"),
    [
        ("register", "{}", 400, "url", "Missing URL"),
        ("register", "", 400, "url", "Missing URL"),
        ("register", '{"ulr": "http://a:1"}', 400, "ulr", "Missing URL"),
        ("register", "{bad", 400, "body", "the body is not JSON: "),
        ("register", '["http://a:1"]', 400, "body", "the body is not a JSON object, such as "),
        ("register", '{"url": 8081}', 400, "url", "url is not text"),
        ("register", '{"url": "ftp://a:1"}', 400, "url", "'ftp://a:1' is no URL of a node"),
        ("register", '{"url": "http://a:1/x"}', 400, "url", "the URL of a node is a scheme, a host and a port"),
        ("register", '{"url": "http://127.0.0.1:9"}', 400, None, "no node answers at http://127.0.0.1:9: "),
        ("deregister", '{"url": "http://127.0.0.1:9"}', 404, None, "the cluster has no node 'http://127.0.0.1:9'"),
        ("stop", "{}", 400, "node", "Missing node"),
        ("stop", '{"node": "node9"}', 404, None, "the cluster has no node 'node9'; its members are node1"),
        ("register", " " * 20_000, 413, "body", "the request body is larger than 16384 bytes"),
    ],
)
def test_what_cannot_be_done_is_said(
    nodes: list[Node], door: str, body: str, status: int, field: str | None, detail: str
) -> None:
    """Where in the body, and what to do (JA13)."""
    answer = nodes[0].http.post(f"/api/cluster/{door}", content=body)
    problem = answer.json()
    assert (answer.status_code, problem["errors"][0]["field"]) == (status, field)
    assert problem["detail"].startswith(detail)
    assert answer.headers["content-type"] == "application/problem+json"


def test_without_a_majority_nothing_is_changed(cluster: FakeCluster, three: list[Node]) -> None:
    """The node says so at once, in its view and to who wants a change (JA5)."""
    cluster.kill("node2")
    cluster.kill("node3")
    view = three[0].http.get("/api/cluster").json()
    assert (view["state"], view["leaderId"], view["health"]) == ("CANDIDATE", None, "no-quorum")
    refused = three[0].http.post("/api/cluster/deregister", json={"url": URLS[2]})
    assert (refused.status_code, refused.json()["code"], refused.headers["retry-after"]) == (503, "NO_QUORUM", "1")


def test_a_membership_document_is_an_entry(three: list[Node]) -> None:
    """In the shape of keyed tables; the node that answers is named; what is not there is 404."""
    http = three[1].http
    entry = http.get("/tables/_system._clusternodes/entries/node3").json()
    assert (entry["key"], entry["value"]["tag"], entry["version"], entry["sourcenode"]) == ("node3", "C", 3, "node2")
    assert http.get("/tables/_system._clusternodes/entries/node9").status_code == 404
    assert http.put("/tables/_system._clusternodes/entries/node3", json={"value": {}}).status_code == 405


def test_decisions_have_reasons(three: list[Node]) -> None:
    """The newest first."""
    decisions = three[2].http.get("/api/cluster/decisions").json()
    assert [each["subject"] for each in decisions] == ["node3", "node2", "node1"]
    assert decisions[0]["reason"] == "node3 was registered"


def test_the_status_of_the_log_is_where_old_tools_look(nodes: list[Node]) -> None:
    """Everything else below /raft/rpc/ is refused, and says where the membership is."""
    http = nodes[0].http
    assert http.get("/raft/rpc/status").json()["term"] == 1
    for method, path in (("POST", "/raft/rpc/status"), ("POST", "/raft/rpc/append"), ("GET", "/raft/rpc/vote")):
        refused = http.request(method, path)
        assert (refused.status_code, refused.json()["code"]) == (405, "METHOD_NOT_ALLOWED")
        assert "/api/cluster" in refused.json()["detail"]
        assert "allow" in refused.headers


def test_nodes_call_each_other_through_a_bounded_door(nodes: list[Node]) -> None:
    """The service checks the proof; a body over the bound is not read to its end."""
    http = nodes[0].http
    assert http.post("/api/cluster/peer/join", json={"proof": "right"}).json() == {"door": "join", "welcome": True}
    assert http.post("/api/cluster/peer/join", json={"proof": "wrong"}).status_code == 403
    assert http.post("/api/cluster/peer/join", json={"proof": "x" * PEER_BYTES_MAX}).status_code == 413


def test_a_foreign_page_changes_nothing(nodes: list[Node]) -> None:
    refused = nodes[0].http.post(
        "/api/cluster/register", json={"url": URLS[1]}, headers={"Origin": "http://evil.example"}
    )
    assert (refused.status_code, refused.json()["code"]) == (403, "FORBIDDEN")


def test_a_node_without_a_cluster_says_so(web: ContextRunner) -> None:
    """200 and no members; a change is refused with what to do."""
    with web.run() as context, Client(context) as client:
        view = client.get("/api/cluster").json()
        assert (view["enabled"], view["state"], view["nodes"]) == (False, "PASSIVE", [])
        refused = client.post("/api/cluster/register", json={"url": URLS[1]})
        assert (refused.status_code, refused.json()["code"], refused.json()["retryable"]) == (503, "UNAVAILABLE", False)
        assert "af node start" in refused.json()["detail"]


def test_every_answer_tells_the_epoch(three: list[Node]) -> None:
    """So that a client knows when what it remembers is old."""
    assert three[0].http.get("/api/cluster").headers["x-cluster-epoch"] == "3"
