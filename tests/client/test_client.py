"""The Python client, against nodes that answer in this process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import httpx
import pytest
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from app_framework.client import (
    AddressError,
    Answer,
    AnswerLostError,
    Client,
    ProblemError,
    UnavailableProblemError,
    UnreachableError,
    connect,
)
from app_framework.client.address import Address, may_follow
from app_framework.client.topology import TopologyCache
from app_framework.errors import ServiceUnavailableError
from tests.web.fake_cluster import FakeCluster
from tests.web.nodes_in_process import URLS, Network, Node, running

router = APIRouter()


@router.get("/who")
async def who(request: Request) -> str | None:
    """Who asks, as the node sees it."""
    return request.headers.get("authorization")


@router.get("/cubes")
async def discovery() -> dict[str, object]:
    """One cube in two catalogs."""
    return {"catalogs": [{"name": "a", "cubes": [{"name": "sales"}]}, {"name": "b", "cubes": [{"name": "sales"}]}]}


@router.post("/cubes/sales/query")
async def query(request: Request) -> Response:
    """An answer with decimals that a float cannot hold."""
    await request.json()
    columns = '[{"name":"a","role":"level","type":"string"},{"name":"n","role":"measure","type":"int64","format":null},'
    columns += '{"name":"d","role":"measure","type":"decimal(38,2)","format":null},'
    columns += '{"name":"f","role":"measure","type":"double","format":null}]'
    rows = '[["x",3,12345678901234567890.10,0.5],[null,0,2,1.0]]'
    return Response(f'{{"cube":"sales","columns":{columns},"rows":{rows},"grouping":[0,0],"versions":{{"n":3}}}}')


@pytest.fixture
def cluster() -> FakeCluster:
    return FakeCluster()


@pytest.fixture
def nodes(cluster: FakeCluster) -> Iterator[list[Node]]:
    """A cluster of three."""
    with running(cluster, router) as found:
        for url in URLS[1:]:
            asyncio.run(found[0].service.register(url))
        yield found


@pytest.fixture
def network(nodes: list[Node]) -> Network:
    return Network(nodes)


Connect = Callable[..., Client]


@pytest.fixture
def client_of(network: Network, tmp_path: Path) -> Iterator[Connect]:
    """Connect as `connect` does, through the test's network and with a cache of the test."""
    opened: list[Client] = []

    def connected(url: str = URLS[0], **options: object) -> Client:
        client = Client(url, transport=network, cache=TopologyCache(tmp_path), **options)  # type: ignore[arg-type]
        opened.append(client)
        client.read_cluster()
        return client

    yield connected
    for client in opened:
        client.close()


def test_the_members_are_what_the_node_says(client_of: Connect, nodes: list[Node]) -> None:
    """`get_federated_nodes`, the view and the document of every node are one truth (JA12)."""
    expected = nodes[0].http.get("/api/cluster").json()["nodes"]
    for url in URLS:
        client = client_of(url)
        assert client.get_federated_nodes() == expected == client.cluster.status()["nodes"]


def test_members_are_changed_through_any_node(client_of: Connect, cluster: FakeCluster) -> None:
    client = client_of(URLS[2])
    assert client.cluster.deregister("node2")["_id"] == "node2"
    assert client.cluster.register(URLS[1])["tag"] == "B"
    assert client.cluster.stop(URLS[1])["status"] == "INACTIVE"
    assert [each["subject"] for each in client.cluster.decisions()][:3] == ["node2", "node2", "node2"]
    assert list(cluster.members) == ["node1", "node3", "node2"]


def test_a_refusal_is_a_problem_with_code_and_facts(client_of: Connect) -> None:
    with pytest.raises(ProblemError) as raised:
        client_of().cluster.stop("node9")
    assert (raised.value.status, raised.value.code) == (404, "NOT_FOUND")
    assert str(raised.value).startswith("the cluster has no node 'node9'")


def test_without_a_majority_a_change_is_unavailable(client_of: Connect, cluster: FakeCluster) -> None:
    """Asking another node would not help, so none is asked; the root of the error is the framework's own."""
    client = client_of()
    for node in ("node2", "node3"):
        cluster.kill(node)
    with pytest.raises(ServiceUnavailableError) as raised:
        client.cluster.deregister("node2")
    assert isinstance(raised.value, UnavailableProblemError)
    assert (raised.value.code, raised.value.facts["node"], raised.value.facts["retryable"]) == (
        "NO_QUORUM",
        "node1",
        True,
    )


def test_another_node_takes_over_when_one_is_gone(client_of: Connect, network: Network, cluster: FakeCluster) -> None:
    """And it is the one that is asked from then on."""
    client = client_of(URLS[0])
    network.dead.add(URLS[0])
    cluster.kill("node1")
    assert [node["status"] for node in client.get_federated_nodes()] == ["INACTIVE", "ACTIVE", "ACTIVE"]
    network.asked.clear()
    client.get_json("/who")
    assert (client.url, set(network.asked)) == (URLS[1], {URLS[1]})


def test_a_later_run_finds_the_cluster_though_its_first_node_is_gone(client_of: Connect, network: Network) -> None:
    """The members are remembered on disk."""
    client_of(URLS[0])
    network.dead.add(URLS[0])
    assert client_of(URLS[0]).url == URLS[1]


def test_a_question_is_asked_again_where_its_answer_was_lost(client_of: Connect, network: Network) -> None:
    client = client_of(URLS[0])
    network.silent.add(URLS[0])
    assert client.cubes["sales"].query(["n"]).rows[0][1] == 3


def test_a_change_whose_answer_was_lost_is_not_sent_again(
    client_of: Connect, network: Network, cluster: FakeCluster
) -> None:
    """It happened; a register would be repeated, because that changes nothing."""
    client = client_of(URLS[0])
    network.silent.add(URLS[0])
    with pytest.raises(AnswerLostError, match="look whether it happened"):
        client.cluster.stop("node3")
    assert cluster.members["node3"].status == "INACTIVE"
    assert client.cluster.register(URLS[2])["_id"] == "node3"


def test_a_client_that_may_not_fail_over_asks_its_node_only(client_of: Connect, network: Network) -> None:
    client = client_of(URLS[0], failover=False)
    network.dead.add(URLS[0])
    with pytest.raises(UnreachableError) as raised:
        client.get_federated_nodes()
    assert raised.value.tried == ((URLS[0], "nothing listens there"),)


def test_nobody_answers(client_of: Connect, network: Network) -> None:
    """Every node that was tried is named, with what happened there."""
    client = client_of()
    network.dead.update(URLS)
    with pytest.raises(
        UnreachableError, match=r"none of 3 nodes answers: http://127\.0\.0\.1:8080: nothing listens there; "
    ):
        client.get_federated_nodes()


def test_a_new_member_is_known_after_the_epoch_changed(client_of: Connect, nodes: list[Node]) -> None:
    """The answer to the change says the new epoch, so the members are read again."""
    client = client_of()
    asyncio.run(nodes[0].service.deregister("node3"))
    client.cluster.decisions()
    client.get_json("/who")
    assert URLS[2] not in client.nodes


def test_credentials_go_with_every_request(client_of: Connect) -> None:
    """From the arguments or from the URL; both at once are refused, and no repr shows them."""
    assert client_of(token="t0ken").get_json("/who") == "Bearer t0ken"
    basic = "Basic YW5hOnMzY3JldA=="
    assert client_of(auth=("ana", "s3cret")).get_json("/who") == basic
    client = client_of("http://ana:s3cret@127.0.0.1:8080")
    assert client.get_json("/who") == basic
    assert "s3cret" not in repr(client) + repr(Address.of("http://ana:s3cret@127.0.0.1:8080"))
    with pytest.raises(ValueError, match="not both"):
        Client(URLS[0], auth=("a", "b"), token="t")


def test_cubes_are_listed_once(client_of: Connect) -> None:
    assert list(client_of().cubes) == ["sales"]


def test_answers_keep_every_digit_of_a_decimal(client_of: Connect) -> None:
    answer = client_of().cubes["sales"].query(["n", "d", "f"], levels=["a"], limit=10)
    assert list(answer) == [("x", 3, Decimal("12345678901234567890.10"), 0.5), (None, 0, Decimal(2), 1.0)]
    assert isinstance(answer[0][3], float)
    assert answer.to_dicts()[1]["d"] == 2
    assert repr(answer).splitlines() == [
        "a    n                        d    f",
        "x    3  12345678901234567890.10  0.5",
        "N/A  0                        2  1.0",
    ]
    assert repr(Answer({"cube": "c", "columns": [], "rows": []})) == ""


@pytest.mark.parametrize("text", ["ftp://a", "http://", "http://a:x", "http://a/b", "a b", "", "http://u:pw@a/b"])
def test_what_is_no_address_is_refused_without_showing_a_password(text: str) -> None:
    with pytest.raises(AddressError) as raised:
        connect(text)
    assert "pw" not in str(raised.value)


@pytest.mark.parametrize(
    ("first", "other", "may"),
    [
        ("http://a", "http://b", True),
        ("https://a", "http://b", False),
        ("http://a", "http://127.0.0.1:8080", False),
        ("http://localhost:1", "http://127.0.0.2:8080", True),
        ("http://127.0.0.1", "http://b", True),
    ],
)
def test_credentials_follow_only_where_they_may(first: str, other: str, may: bool) -> None:
    """Never out of encryption, and a far node's loopback address is not this machine's."""
    assert may_follow(first, other) is may


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}"])
def test_what_is_no_node_is_said_to_be_none(tmp_path: Path, body: bytes) -> None:
    """Another program may listen there."""
    other = httpx.MockTransport(lambda request: httpx.Response(200, content=body))
    with Client("a:1", transport=other, cache=TopologyCache(tmp_path)) as client:
        with pytest.raises(ProblemError, match="is no node") as raised:
            client.get_federated_nodes()
        assert raised.value.code == "NOT_A_NODE"
