"""Requests that a real node refuses: where nothing is, what is no JSON, who may not, and from where."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.acceptance.cluster import ClusterNode, cluster, until
from tests.acceptance.processes import af
from tests.acceptance.trouble import dripping, remembered_ports, taken, web_server

acceptance = pytest.mark.acceptance

CHANGES = ("register", "deregister", "stop")
A_URL = "the URL of a node is a scheme, a host and a port"
DOORS = (*CHANGES, "peer/join", "peer/invite")
ANSWER_S = 8.0


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterNode]:
    """A node that leads itself; nothing that this module sends may change it."""
    with cluster(tmp_path_factory.mktemp("node")) as nodes:
        yield nodes.start("node1").ready()


@pytest.fixture(autouse=True)
def nothing_changes(node: ClusterNode) -> Iterator[None]:
    """Whatever is refused leaves the members and the log as they were, and no traceback."""
    before = node.view()["nodes"]
    yield
    assert node.view()["nodes"] == before
    assert "Traceback" not in node.log()


def problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """Return a refusal as it is sent, when it is the expected one."""
    content: dict[str, Any] = answer.json()
    assert (answer.status_code, content["code"]) == (status, code), content
    assert answer.headers["content-type"] == "application/problem+json"
    return content


# -- URLs that cannot be registered ------------------------------------------------------------------------------------


@acceptance
def test_a_url_that_is_no_node_is_refused_with_what_is_there_instead(node: ClusterNode) -> None:
    """Nothing, something silent or endless, a web server, a NATS server, another protocol, an unknown host."""

    def refused(url: str) -> str:
        began = time.monotonic()
        detail = str(problem(node.post("/api/cluster/register", {"url": url}), 400, "INVALID_REQUEST")["detail"])
        assert time.monotonic() - began < ANSWER_S
        assert detail.startswith(f"no node answers at {url}: ")
        return detail.removeprefix(f"no node answers at {url}: ")

    assert refused("http://127.0.0.1:1") == "nothing listens there. Start it first, then register its URL"
    assert refused("http://no-such-host.invalid:80").startswith("nobody knows its host. Correct the URL")
    assert refused(node.url.replace("http", "https")).startswith("it does not speak https. Correct the URL")
    nats = remembered_ports(node)["messenger.client"]
    assert refused(f"http://127.0.0.1:{nats}").startswith("what listens there is no node. Correct the URL")
    with web_server() as url:
        assert refused(url).startswith("something else answers there (200). Correct the URL")
    with taken(0) as (silent,):
        assert refused(f"http://127.0.0.1:{silent}").startswith("it does not answer in time. Check the URL")
    with dripping() as url:
        assert refused(url).startswith("it does not answer in time. Check the URL")


@acceptance
def test_through_a_follower_the_words_are_the_same(tmp_path: Path) -> None:
    """The leader's answer, also where it takes the leader seconds to know."""
    with taken(0) as (silent,), cluster(tmp_path) as nodes:
        first = nodes.start("a").ready()
        second = nodes.start("b", "--peer", first.url).ready()
        nodes.until_agreed(2)
        for port, words in ((1, "nothing listens there"), (silent, "it does not answer in time")):
            answer = problem(
                second.post("/api/cluster/register", {"url": f"http://127.0.0.1:{port}"}), 400, "INVALID_REQUEST"
            )
            assert f"no node answers at http://127.0.0.1:{port}: {words}" in str(answer["detail"])
        unknown = problem(second.post("/api/cluster/stop", {"node": "c"}), 404, "NOT_FOUND")
        assert unknown["detail"] == "the cluster has no node 'c'; its members are a, b"


def test_a_node_registers_itself_as_often_as_it_likes(node: ClusterNode) -> None:
    """It is a member already (JA11)."""
    for url in (node.url, node.url.replace("127.0.0.1", "localhost")):
        answer = node.post("/api/cluster/register", {"url": url})
        assert (answer.status_code, answer.json()["node"]["_id"]) == (200, "node1"), answer.text


@acceptance
def test_a_node_that_waits_to_be_registered_says_so(tmp_path: Path) -> None:
    """It cannot register others, and no door tells it to try again."""
    with cluster(tmp_path) as nodes:
        waiting = nodes.start("waiting", "--cluster.bootstrap=false").ready()
        words = "node 'waiting' is not a member of the cluster"
        for change in CHANGES:
            answer = problem(waiting.post(f"/api/cluster/{change}", {"url": "http://127.0.0.1:1"}), 503, "UNAVAILABLE")
            assert answer["detail"] == f"{words}; register it at one of the members"
            assert answer["retryable"] is False
        assert af(tmp_path, "cluster", "status", "--url", waiting.url).code == 1


@acceptance
def test_a_node_without_a_cluster_says_how_it_gets_one(node: ClusterNode, tmp_path: Path) -> None:
    """At its own doors, and where its URL is registered."""
    with cluster(tmp_path) as nodes:
        lonely = nodes.start("lonely", "--cluster.enabled=false").ready()
        words = "node 'lonely' runs without a cluster"
        own = problem(lonely.post("/api/cluster/register", {"url": node.url}), 503, "UNAVAILABLE")
        assert str(own["detail"]).startswith(words)
        answer = node.post("/api/cluster/register", {"url": lonely.url})
        assert words in answer.json()["detail"], answer.text
        assert answer.status_code in (400, 503)


def test_the_last_node_cannot_be_removed_and_the_words_are_about_that(node: ClusterNode) -> None:
    """It is not told that it cannot join."""
    answer = problem(node.post("/api/cluster/deregister", {"node": "node1"}), 409, "CONFLICT")
    assert str(answer["detail"]).startswith("node 'node1' cannot be deregistered: ")


# -- bodies ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"{", "the body is not JSON: "),
        (b"\xff\xfe\x00", "the body is not JSON: "),
        (b"[" * 5000, "the body is not JSON: "),
        (b"[]", "the body is not a JSON object"),
        (b'"http://localhost:8081"', "the body is not a JSON object"),
    ],
    ids=["cut", "bytes", "deep", "list", "text"],
)
@pytest.mark.parametrize("door", DOORS)
def test_a_body_that_is_no_json_object_is_refused_at_every_door(
    door: str, body: bytes, words: str, node: ClusterNode
) -> None:
    """With what is wrong and where in it."""
    answer = problem(httpx.post(f"{node.url}/api/cluster/{door}", content=body), 400, "INVALID_REQUEST")
    assert str(answer["detail"]).startswith(words)
    assert answer["errors"][0]["field"] == "body"


@pytest.mark.parametrize("door", DOORS)
def test_a_body_that_is_too_large_is_refused_with_the_bound(door: str, node: ClusterNode) -> None:
    """It is not read to its end."""
    answer = httpx.post(f"{node.url}/api/cluster/{door}", content=b'{"url": "' + b"x" * (1 << 20) + b'"}')
    assert "the bound of this door" in str(problem(answer, 413, "TOO_LARGE")["detail"])


@pytest.mark.parametrize(
    ("door", "body", "field", "words"),
    [
        ("register", {}, "url", "Missing URL"),
        ("deregister", {}, "url", "Missing URL"),
        ("stop", {}, "node", "Missing node"),
        ("register", {"ulr": "http://localhost:8081"}, "ulr", "Missing URL"),
        ("register", {"url": 5}, "url", "url is not text"),
        ("stop", {"node": ["a"]}, "node", "node is not text"),
        ("register", {"url": "ftp://localhost"}, "url", "'ftp://localhost' is no URL of a node"),
        (
            "register",
            {"url": "http://localhost:8081/studio"},
            "url",
            A_URL,
        ),
        ("register", {"url": "http://ana:secret@localhost"}, "url", A_URL),
    ],
)
def test_a_body_of_the_wrong_shape_names_the_field(
    door: str, body: object, field: str, words: str, node: ClusterNode
) -> None:
    """A field that was probably meant is named; what it held is not shown where it may be a secret."""
    answer = problem(node.post(f"/api/cluster/{door}", body), 400, "INVALID_REQUEST")
    assert str(answer["detail"]).startswith(words)
    assert answer["errors"][0]["field"] == field
    assert "secret" not in json.dumps(answer)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "the call has no 'node'"),
        ({"node": "ghost"}, "the call has no 'nonce'"),
        ({"node": "ghost", "nonce": "1"}, "'uid'"),
        ({"node": "gh ost", "nonce": "1", "uid": "u"}, "'gh ost'"),
        ({"node": "ghost", "nonce": "1", "uid": "u", "url": "ghost"}, "'url'"),
        ({"node": "ghost", "nonce": "1", "uid": "u", "url": "http://g:1", "route": "", "wants": "king"}, "'king'"),
    ],
)
def test_a_call_of_a_node_that_is_none_makes_no_member(body: object, words: str, node: ClusterNode) -> None:
    """What is not said would be in the registry for good."""
    assert words in str(problem(node.post("/api/cluster/peer/join", body), 400, "INVALID_REQUEST")["detail"])


def test_fields_that_are_not_known_are_left_alone(node: ClusterNode) -> None:
    """A newer client may say more; what it is about counts."""
    answer = node.post("/api/cluster/register", {"url": node.url, "comment": "from a newer client"})
    assert answer.status_code == 200, answer.text
    unknown = problem(node.post("/api/cluster/peer/dance", {}), 404, "NOT_FOUND")
    assert "no door 'dance'" in str(unknown["detail"])


# -- where from --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("door", DOORS)
def test_a_foreign_origin_and_an_unknown_host_are_refused_and_noted(door: str, node: ClusterNode) -> None:
    """A page of somebody else must not change the cluster; the audit has a line for each."""
    for header, value in (("Origin", "http://evil.example"), ("Host", "evil.example")):
        answer = node.post(f"/api/cluster/{door}", {"url": node.url}, headers={header: value})
        refused = problem(answer, 403, "FORBIDDEN")
        assert refused["detail"] == (
            f"{header} '{value}' is not from this node; if it should be allowed, add its name to server.allowed-hosts"
        )
        line = f'path=/api/cluster/{door} status=403 reason="{header} '
        until(lambda line=line: line in node.log(), line, node.log)  # type: ignore[misc]  # it is written after the answer


# -- who ---------------------------------------------------------------------------------------------------------------

USERS = """
security:
  users:
    ada: {password: "a password of ada", roles: [admin]}
    ron: {password: "a password of ron", roles: [reader]}
cluster: {secret: "the secret of this cluster"}
"""
ADA, RON = ("ada", "a password of ada"), ("ron", "a password of ron")


@acceptance
def test_with_security_three_nodes_form_a_cluster_and_only_an_admin_changes_it(tmp_path: Path) -> None:
    """401 without credentials and with wrong ones, 403 with too little, 200 with enough; calls of nodes need none."""
    with cluster(tmp_path) as nodes:
        for name in ("node1", "node2", "node3"):
            each = nodes.nodes[name] = ClusterNode(tmp_path, name)
            (each.folder / "application.yml").write_text(USERS)
            peers = [] if name == "node1" else ["--peer", nodes["node1"].url]
            each.start(*peers).ready()
        first = nodes["node1"]
        assert first.get("/api/cluster").status_code == 401

        def members() -> list[dict[str, Any]]:
            content = nodes["node3"].get("/api/cluster", auth=RON).json()["nodes"]
            assert isinstance(content, list)
            return content

        assert [(each["_id"], each["status"]) for each in members()] == [
            ("node1", "ACTIVE"), ("node2", "ACTIVE"), ("node3", "ACTIVE")
        ]  # fmt: skip
        body = {"node": "node3"}
        refused = nodes["node2"].post("/api/cluster/stop", body)
        problem(refused, 401, "UNAUTHENTICATED")
        assert refused.headers["www-authenticate"].startswith("Basic realm=")
        problem(nodes["node2"].post("/api/cluster/stop", body, auth=("ada", "guess")), 401, "UNAUTHENTICATED")
        denied = problem(nodes["node2"].post("/api/cluster/stop", body, auth=RON), 403, "FORBIDDEN")
        assert denied["needs"] == "admin"
        registered = nodes["node2"].post("/api/cluster/register", {"url": nodes["node3"].url}, auth=ADA)
        assert registered.status_code == 200, registered.text
        assert nodes["node2"].post("/api/cluster/stop", body, auth=ADA).status_code == 200
        assert nodes["node3"].wait() == 0
        log = nodes["node2"].log()
        assert "refused user=ron from=127.0.0.1 method=POST path=/api/cluster/stop status=403" in log
        assert "administered user=ada from=127.0.0.1 method=POST path=/api/cluster/stop status=200" in log
        logs = "".join(each.log() for each in nodes.nodes.values())
        assert not any(secret in logs for secret in ("a password of", "guess", "the secret of this cluster"))
        stranger = af(tmp_path, "cluster", "status", "--url", first.url)
        assert stranger.code != 0
        assert "Traceback" not in stranger.err
