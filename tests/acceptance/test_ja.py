"""Membership on real processes: JA1 to JA14, QA1, QA9, SA9. The first is part of the default suite."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path

import pytest

from tests.acceptance.cluster import DEADLINE_S, Cluster, ClusterNode, cluster, until
from tests.acceptance.processes import AF, af, clean_environ
from tests.acceptance.writer import KEY, CounterWriter, look

acceptance = pytest.mark.acceptance
# nats-py leaves a half-made connection to a server that is being killed to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

J6 = {
    "Host": "0.0.0.0",
    "Port": 0,
    "DataDir": "data",
    "distributed": True,
    "NodeID": "node1",
    "Bootstrap": True,
    "Peers": [],
}


def document_ids(node: ClusterNode) -> list[str]:
    """Return the ids of the collection as a node shows it."""
    rows = node.get("/tables/_system._clusternodes/entries").json()
    return sorted(each["key"] for each in rows)


def test_ja2_ja4_three_processes_a_dead_leader_and_its_return(tmp_path: Path) -> None:
    """The family's pass in the default suite: form, kill -9 the leader, no orphan, one new leader, come back."""
    with cluster(tmp_path) as nodes:
        nodes.trio()
        nodes.until_agreed(3, members=3)
        leader = nodes.leader()
        term = leader.view()["term"]
        servers = leader.servers()
        leader.kill()
        until(lambda: not any(map(is_running, servers)), "its servers end with it")
        nodes.until_agreed(2)
        assert nodes.leader().view()["term"] > term
        leader.start().ready()
        nodes.until_agreed(3)
        assert leader.view()["state"] == "FOLLOWER"


@acceptance
def test_ja1_the_config_json_of_the_tutorial_starts_a_leader(tmp_path: Path) -> None:
    """Host 0.0.0.0 without security binds loopback, and the node says so."""
    (tmp_path / "config.json").write_text(json.dumps(J6))
    ready = tmp_path / "ready.json"
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [str(AF), "node", "start", "--ready-file", str(ready)],
            cwd=tmp_path, env=clean_environ(), stdout=log, stderr=log,
        )  # fmt: skip
    try:
        until(ready.exists, "ready", (tmp_path / "log").read_text)
        facts = json.loads(ready.read_text())
        assert facts["node"] == "node1"
        node = ClusterNode(tmp_path, "elsewhere")
        node.port = int(facts["http"].rpartition(":")[2])
        view = node.view()
        assert (view["state"], view["term"] >= 1) == ("LEADER", True)
        assert [(each["_id"], each["role"], each["status"]) for each in view["nodes"]] == [
            ("node1", "LEADER", "ACTIVE")
        ]
        assert node.get("/tables/_system._clusternodes/entries/node1").json()["value"] == view["nodes"][0]
        assert "127.0.0.1" in facts["http"]
        assert "0.0.0.0" in (tmp_path / "log").read_text()
    finally:
        process.kill()
        process.wait()


@acceptance
def test_ja2_three_nodes_are_registered_with_curl_as_the_tutorial_writes_it(tmp_path: Path) -> None:
    """No content type, no credentials; the same three documents on every node and exactly one LEADER."""
    with cluster(tmp_path) as nodes:
        for name in ("node1", "node2", "node3"):
            nodes.start(name, *(() if name == "node1" else ("--cluster.bootstrap=false",)))
        for node in nodes.alive:
            node.ready()
        for name in ("node2", "node3"):
            answer = subprocess.run(
                ["curl", "-s", "-X", "POST", f"{nodes['node1'].url}/api/cluster/register",
                 "-d", json.dumps({"url": nodes[name].url})],
                capture_output=True, text=True, check=True, timeout=DEADLINE_S,
            )  # fmt: skip
            assert json.loads(answer.stdout)["node"]["_id"] == name
        nodes.until_agreed(3, members=3)
        assert [document_ids(node) for node in nodes.alive] == [["node1", "node2", "node3"]] * 3
        roles = [each["role"] for each in nodes["node3"].view()["nodes"]]
        assert roles.count("LEADER") == 1


@acceptance
def test_ja3_ja11_ja13_a_follower_forwards_or_names_the_leader_and_bad_bodies_are_refused(tmp_path: Path) -> None:
    """Registering twice is one document; what cannot be read is a 400 that says what is missing."""
    with cluster(tmp_path) as nodes:
        nodes.trio()
        follower = next(node for node in nodes.alive if node.view()["state"] == "FOLLOWER")
        fourth = nodes.start("node4", "--cluster.bootstrap=false").ready()
        refused = follower.post("/api/cluster/register", {"url": fourth.url}, headers={"X-No-Forward": "1"})
        assert (refused.status_code, refused.json()["code"]) == (503, "NOT_LEADER")
        assert refused.json()["leader"] == nodes.leader().url
        for _ in range(2):
            assert follower.post("/api/cluster/register", {"url": fourth.url}).json()["node"]["_id"] == "node4"
        nodes.until_agreed(4, members=4)
        missing = follower.post("/api/cluster/register", {})
        assert (missing.status_code, "Missing URL" in missing.json()["detail"]) == (400, True)
        nobody = follower.post("/api/cluster/register", {"url": "http://127.0.0.1:9"})
        assert nobody.status_code == 400
        assert "no node answers at http://127.0.0.1:9" in nobody.json()["detail"]


@acceptance
@pytest.mark.parametrize("death", ["node", "machine"])
def test_ja4_twenty_deaths_of_the_leader_lose_nothing_that_was_acknowledged(tmp_path: Path, death: str) -> None:
    """Ten of each kind: always one new leader in a later term, and every write that was acknowledged is there."""
    with cluster(tmp_path) as nodes:
        nodes.trio()
        data_dirs = tuple(node.folder / "data" for node in nodes.alive)
        with CounterWriter(*data_dirs) as counter:
            for number in range(10):
                before = counter.acknowledged
                until(lambda before=before: counter.acknowledged > before + 5, "the counter counts", nodes.describe)  # type: ignore[misc]
                leader_dies_and_comes_back(nodes, death, number)
        assert counter.errors == []
        entry = look(data_dirs, lambda store: store.get(KEY))
        assert int(entry.value) >= counter.acknowledged


def leader_dies_and_comes_back(nodes: Cluster, death: str, number: int) -> None:
    """One death of the leader: the next one is there within three times what is stated, in a later term."""
    leader = nodes.leader()
    term = leader.view()["term"]
    (leader.kill if death == "node" else leader.kill_machine)()
    took_s = until(
        lambda: any(node.view().get("state") == "LEADER" for node in nodes.alive), "a new leader", nodes.describe
    )
    assert took_s < 3 * 15
    nodes.until_agreed(2, members=3)
    assert nodes.leader().view()["term"] > term, f"death {number}"
    leader.start().ready()
    nodes.until_agreed(3, members=3)
    nodes.until_tolerates(1)


@acceptance
def test_ja5_without_a_majority_nothing_is_decided_and_it_goes_on_by_itself(tmp_path: Path) -> None:
    """503 NO_QUORUM quickly; the documents can still be read; one node back is enough."""
    with cluster(tmp_path) as nodes:
        nodes.trio()
        first, second, third = nodes.alive
        first.kill_machine()
        second.kill_machine()
        until(lambda: third.view().get("leaderId") is None, "no leader", nodes.describe)
        began = time.monotonic()
        answer = third.post("/api/cluster/deregister", {"url": first.url})
        assert (answer.status_code, answer.json()["code"]) == (503, "NO_QUORUM")
        assert time.monotonic() - began < 15
        assert document_ids(third) == ["node1", "node2", "node3"]
        assert third.view()["tolerates"] == 0
        second.start().ready()
        nodes.until_agreed(2, members=3)
        assert third.post("/api/cluster/stop", {"node": "node1"}).status_code == 200


@acceptance
def test_ja6_a_leader_that_is_paused_with_its_servers_decides_nothing_when_it_wakes_up(tmp_path: Path) -> None:
    """The others have gone on in a later term; it follows them."""
    with cluster(tmp_path) as nodes:
        nodes.trio()
        old = nodes.leader()
        term = old.view()["term"]
        old.pause()
        others = [node for node in nodes.alive if node is not old]
        until(
            lambda: any(node.view().get("state") == "LEADER" for node in others),
            "a new leader",
            lambda: others[0].log(),
        )
        new = next(node for node in others if node.view().get("state") == "LEADER")
        assert new.view()["term"] > term
        document = new.post("/api/cluster/stop", {"node": old.name}).json()
        assert document["node"]["status"] == "INACTIVE"
        old.resume()
        nodes_left = Cluster(tmp_path)
        nodes_left.nodes = {node.name: node for node in others}
        until(lambda: old.ended or old.view().get("state") == "FOLLOWER", "the old leader follows", old.log)
        nodes_left.until_agreed(2)


@acceptance
def test_ja7_a_deregistered_node_is_passive_and_two_go_on(tmp_path: Path) -> None:
    """Its document is gone everywhere, its own operations are refused, and the rest tolerates what it says."""
    with cluster(tmp_path) as nodes:
        nodes.trio()
        leader = nodes.leader()
        gone = next(node for node in nodes.alive if node is not leader)
        assert leader.post("/api/cluster/deregister", {"url": gone.url}).status_code == 200
        until(lambda: gone.view().get("state") == "PASSIVE", "PASSIVE", nodes.describe)
        assert gone.post("/api/cluster/register", {"url": leader.url}).status_code == 503
        del nodes.nodes[gone.name]
        try:
            nodes.until_agreed(2, members=2)
            other = next(node for node in nodes.alive if node is not leader)
            servers = lambda: leader.get("/raft/rpc/status").json()["servers"]  # noqa: E731
            until(lambda: sorted(each["kind"] for each in servers()) == ["voter", "voter", "witness"], "a witness")
            until(lambda: gone.name not in {each["node"] for each in servers()}, "its server is gone")
            other.kill_machine()
            until(lambda: nodes.agree(1, members=2), "one ACTIVE", nodes.describe)
        finally:
            nodes.nodes[gone.name] = gone


@acceptance
def test_ja8_stop_by_url_and_by_id_ends_the_process_with_zero(tmp_path: Path) -> None:
    """INACTIVE on all others; an unknown id is a 404."""
    with cluster(tmp_path) as nodes:
        nodes.trio()
        leader = nodes.leader()
        by_url, by_id = (node for node in nodes.alive if node is not leader)
        assert leader.post("/api/cluster/stop", {"node": by_url.url}).status_code == 200
        assert by_url.wait() == 0
        nodes.until_agreed(2, members=3)
        by_url.start().ready()
        nodes.until_agreed(3, members=3)
        nodes.until_tolerates(1)
        assert leader.post("/api/cluster/stop", {"node": by_id.name}).status_code == 200
        assert by_id.wait() == 0
        assert leader.post("/api/cluster/stop", {"node": "nobody"}).status_code == 404


@acceptance
def test_ja9_all_are_killed_and_come_back(tmp_path: Path) -> None:
    """Members and term survive; the term only grows."""
    with cluster(tmp_path) as nodes:
        nodes.trio()
        before = nodes.leader().view()
        for node in nodes.alive:
            node.kill_machine()
        for node in nodes.nodes.values():
            node.start()
        for node in nodes.nodes.values():
            node.ready()
        nodes.until_agreed(3, members=3)
        after = nodes.leader().view()
        assert after["term"] > before["term"]
        assert [each["_id"] for each in after["nodes"]] == [each["_id"] for each in before["nodes"]]


@acceptance
def test_ja12_shell_client_api_and_page_show_the_same(tmp_path: Path) -> None:
    """`connect` from any node; state, term and peers."""
    from app_framework.client import connect

    with cluster(tmp_path) as nodes:
        nodes.trio()
        node = nodes["node2"]
        shell = af(tmp_path, "shell", "-c", f"connect {node.url}", "-c", "federated nodes")
        assert shell.code == 0, shell.err
        assert f"Connected to {node.url}" in shell.out
        ids = [each["_id"] for each in node.view()["nodes"]]
        assert all(each in shell.out for each in ids)
        with connect(node.url) as client:
            assert client.get_federated_nodes() == node.view()["nodes"]
        twin = node.get("/studio/cluster?format=json").json()
        assert (twin["state"], twin["term"]) == (node.view()["state"], node.view()["term"])
        assert [each["_id"] for each in twin["nodes"]] == ids
        status = af(tmp_path, "cluster", "status", "--url", node.url)
        assert status.code == 0, status.err


@acceptance
def test_ja14_the_scripts_of_the_original(tmp_path: Path) -> None:
    """Start 3, register, a follower's own write is 503, a killed follower is INACTIVE within ten seconds."""
    with cluster(tmp_path) as nodes:
        nodes.trio()
        follower = next(node for node in nodes.alive if node.view()["state"] == "FOLLOWER")
        answer = follower.post("/api/cluster/stop", {"node": "node1"}, headers={"X-No-Forward": "1"})
        assert (answer.status_code, answer.json()["code"]) == (503, "NOT_LEADER")
        follower.kill()
        until(lambda: nodes.agree(2, members=3), "INACTIVE", nodes.describe)


@acceptance
def test_qa1_three_daemons_with_the_flags_of_the_original_are_a_stable_cluster(tmp_path: Path) -> None:
    """`-a`, `-l`, `--root`, `--peer`, `--license-file`, as the tutorial writes them."""
    with cluster(tmp_path) as nodes:
        processes = []
        ports = free_ports(3)
        try:
            for number, port in enumerate(ports, 1):
                peer = [] if number == 1 else [f"--peer=127.0.0.1:{ports[0]}"]
                processes.append(
                    subprocess.Popen(
                        [str(AF), "node", "start", "-a", f"127.0.0.1:{port}", *peer, "-l", f"qdbd{number}.log",
                         f"--root=./instance{number}", "--license-file", "none.txt"],
                        cwd=tmp_path, env=clean_environ(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                    )
                )  # fmt: skip
                node = nodes.nodes[f"daemon{number}"] = ClusterNode(tmp_path, f"daemon{number}")
                node.port, node.process = port, processes[-1]
            until(lambda: nodes.agree(3, members=3), "a stable cluster", nodes.describe)
            for process in processes:
                process.terminate()
            assert [process.wait(DEADLINE_S) for process in processes] == [0, 0, 0]
        finally:
            for process in processes:
                process.kill()
                process.wait()


@acceptance
def test_qa9_the_same_node_id_twice_ends_the_second_and_leaves_the_cluster(tmp_path: Path) -> None:
    """Its words name the member that has the name."""
    with cluster(tmp_path) as nodes:
        first = nodes.start("node1").ready()
        nodes.start("node2", "--peer", first.url).ready()
        nodes.until_agreed(2)
        before = first.view()["nodes"]
        twin = ClusterNode(tmp_path / "twin", "node2", "--peer", first.url).start()
        assert twin.wait() != 0
        assert "the name belongs to the member at" in twin.log()
        assert "Traceback" not in twin.log()
        assert first.view()["nodes"] == before


@acceptance
def test_sa9_a_node_that_knows_one_address_sees_all_and_a_wrong_cluster_is_refused(tmp_path: Path) -> None:
    """No multicast: one host and port are enough."""
    with cluster(tmp_path) as nodes:
        first = nodes.start("a", "--cluster.id=Sales").ready()
        second = nodes.start("b", "--peer", first.url.removeprefix("http://")).ready()
        nodes.until_agreed(2)
        assert [each["_id"] for each in second.view()["nodes"]] == ["a", "b"]
        stranger = ClusterNode(tmp_path, "c", "--peer", second.url, "--cluster.id=Risk").start()
        assert stranger.wait() != 0
        assert "this is cluster 'Sales', the node belongs to 'Risk'" in stranger.log()


@acceptance
def test_two_nodes_and_a_witness_survive_the_death_of_either(tmp_path: Path) -> None:
    """`af witness`: a third vote without data."""
    with cluster(tmp_path) as nodes:
        first = nodes.start("node1").ready()
        nodes.start("node2", "--peer", first.url).ready()
        nodes.start("witness", "--peer", first.url, command=("witness",)).ready()
        nodes.until_tolerates(1)
        assert {each["_id"]: each["type"] for each in first.view()["nodes"]}["witness"] == "witness"
        first.kill_machine()
        nodes.until_agreed(2, members=3)
        assert nodes.leader().name == "node2"


@acceptance
def test_recover_rebuilds_the_cluster_on_one_node_when_the_majority_is_gone(tmp_path: Path) -> None:
    """It asks for the cluster's id; the term goes on; the lost members are struck."""
    with cluster(tmp_path) as nodes:
        nodes.trio()
        term = nodes.leader().view()["term"]
        for node in nodes.alive:
            node.kill_machine()
        survivor = nodes["node3"]
        wrong = af(survivor.folder, "cluster", "recover", "--data-dir", "data", "--yes-the-cluster-is=Other")
        assert wrong.code != 0
        done = af(survivor.folder, "cluster", "recover", "--data-dir", "data", "--yes-the-cluster-is=Cluster")
        assert done.code == 0, done.err
        survivor.start().ready()
        view = survivor.view()
        assert (view["state"], [each["_id"] for each in view["nodes"]]) == ("LEADER", ["node3"])
        assert view["term"] > term


def is_running(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def free_ports(count: int) -> list[int]:
    """Return ports that are free now."""
    import socket

    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports
