"""Membership as its users meet it, on nodes in memory under virtual time; `tests/acceptance` has it on processes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from app_framework.cluster.errors import (
    AnsweredError,
    ClusterDataError,
    NodeRefusedError,
    NoQuorumError,
    NotLeaderError,
    NotMemberError,
)
from app_framework.cluster.leadership import Gone, Tick
from app_framework.cluster.session import Session
from app_framework.testing.virtual_time import run_virtually
from tests.cluster.nodes import World, refused, world

Scenario = Callable[[World], Awaitable[None]]


def run(folder: Path, scenario: Scenario, seed: int = 0) -> None:
    """Let a scenario happen in a world of its own."""

    async def within() -> None:
        async with world(folder, seed) as nodes:
            await scenario(nodes)

    run_virtually(within)


def kinds(session: Session) -> list[str]:
    """Return the kinds of the servers that vote."""
    return [each.kind for each in session.registry.servers] if session.registry else []


def test_ja1_a_node_without_peers_founds_its_cluster_and_leads_at_once(tmp_path: Path) -> None:
    """LEADER, term 1, one document, tag ? until the first operation (J9, J19, R12, R15)."""

    async def scenario(nodes: World) -> None:
        view = (await nodes.start("a")).view()
        assert (view.state, view.term, view.leader_id, view.tolerates) == ("LEADER", 1, "a", 0)
        assert [(each.id, each.role, each.status, each.tag, each.type) for each in view.nodes] == [
            ("a", "LEADER", "ACTIVE", "?", "voter")
        ]

    run(tmp_path, scenario)


def test_ja2_three_nodes_show_the_same_documents_and_one_leader(tmp_path: Path) -> None:
    """Joined by peers: the third machine moves the decisions to voters, and one of them may die (J20, J21)."""

    async def scenario(nodes: World) -> None:
        await nodes.trio()
        view = nodes.agents["c"].view()
        assert [(each.id, each.tag) for each in view.nodes] == [("a", "A"), ("b", "B"), ("c", "C")]
        assert [each.role for each in view.nodes].count("LEADER") == 1
        assert view.place == "memory"

    run(tmp_path, scenario)


def test_ja2_nodes_that_run_alone_are_registered_by_url(tmp_path: Path) -> None:
    """J17, J18: a node that founded a cluster of its own drops that to join, one that waits joins too."""

    async def scenario(nodes: World) -> None:
        await nodes.start("a")
        await nodes.start("b")
        await nodes.start("c", bootstrap=False)
        assert nodes.agents["c"].view().state == "PASSIVE"
        for node in ("b", "c"):
            document = await nodes.agents["a"].register(nodes.url(node))
            assert (document.id, document.status) == (node, "ACTIVE")
        await nodes.until(lambda: nodes.agree(3))

    run(tmp_path, scenario)


def test_ja3_a_follower_forwards_to_the_leader_or_names_it(tmp_path: Path) -> None:
    """J13: only the leader decides, any node can be asked."""

    async def scenario(nodes: World) -> None:
        await nodes.trio()
        await nodes.start("d", bootstrap=False)
        error = await refused(nodes.agents["b"].register(nodes.url("d"), forward=False))
        assert isinstance(error, NotLeaderError)
        assert error.leader == nodes.url("a")
        document = await nodes.agents["b"].register(nodes.url("d"))
        assert document.id == "d"
        await nodes.until(lambda: nodes.agree(4))

    run(tmp_path, scenario)


@pytest.mark.parametrize("seed", range(5))
def test_ja4_a_killed_leader_is_followed_by_exactly_one_in_a_later_term(tmp_path: Path, seed: int) -> None:
    """And comes back as a follower, with what was decided meanwhile (J15, J16)."""

    async def scenario(nodes: World) -> None:
        await nodes.trio()
        loop = asyncio.get_running_loop()
        killed_s = loop.time()
        await nodes.kill("a")
        await nodes.until(lambda: any(view.state == "LEADER" for view in nodes.views()))
        assert loop.time() - killed_s < 10
        await nodes.until(lambda: nodes.agree(3, active=2))
        assert nodes.views()[0].term == 2
        assert {node.id: node.status for node in nodes.views()[0].nodes}["a"] == "INACTIVE"
        await nodes.start("a")
        await nodes.until(lambda: nodes.agree(3))
        assert nodes.agents["a"].view().state == "FOLLOWER"

    run(tmp_path, scenario, seed)


def test_ja5_without_a_majority_nothing_is_decided_and_it_goes_on_by_itself(tmp_path: Path) -> None:
    """NO_QUORUM in words, and back when one node is back (R20, R23, R73)."""

    async def scenario(nodes: World) -> None:
        await nodes.trio()
        await nodes.kill("a")
        await nodes.kill("b")
        alone = nodes.agents["c"]
        await nodes.until(lambda: alone.view().leader_id is None)
        assert isinstance(await refused(alone.deregister("a")), NoQuorumError)
        assert (alone.view().state, alone.view().tolerates, len(alone.view().nodes)) == ("CANDIDATE", 0, 3)
        await nodes.start("a")
        await nodes.until(lambda: nodes.agree(3, active=2))
        assert (await alone.stop_node("b")).status == "INACTIVE"

    run(tmp_path, scenario)


def test_ja6_the_minority_side_with_the_old_leader_decides_nothing(tmp_path: Path) -> None:
    """After the split has healed all show the same, and nothing of the minority is there."""

    async def scenario(nodes: World) -> None:
        await nodes.trio()
        await nodes.start("d", bootstrap=False)
        nodes.network.split({"a", "d"}, {"b", "c"})
        error = await refused(nodes.agents["a"].register(nodes.url("d"), forward=False))
        assert isinstance(error, (NoQuorumError, NotLeaderError))
        await nodes.until(lambda: nodes.agents["b"].view().state == "LEADER")
        await nodes.until(lambda: nodes.agents["a"].view().state != "LEADER")
        nodes.network.heal()
        await nodes.kill("d")
        await nodes.until(lambda: nodes.agree(3))
        assert nodes.views()[0].term == 2

    run(tmp_path, scenario)


def test_ja7_a_deregistered_node_is_passive_and_the_others_go_on(tmp_path: Path) -> None:
    """J22: gone everywhere, its operations refused, and the rest keeps a witness beside the leader."""

    async def scenario(nodes: World) -> None:
        await nodes.trio()
        await nodes.agents["b"].deregister(nodes.url("c"))
        gone = nodes.agents.pop("c")
        await nodes.until(lambda: nodes.agree(2))
        await nodes.until(lambda: gone.view().state == "PASSIVE")
        assert isinstance(await refused(gone.register(nodes.url("b"))), NotMemberError)
        session = nodes.agents["a"].session
        assert session is not None
        await nodes.until(lambda: kinds(session) == ["voter", "voter", "witness"])
        assert nodes.agents["a"].view().tolerates == 0
        await nodes.kill("b")
        await nodes.until(lambda: nodes.agree(2, active=1))
        nodes.agents["c"] = gone

    run(tmp_path, scenario)


def test_ja7_the_leader_itself_can_be_deregistered(tmp_path: Path) -> None:
    """It gives the lead to another voter in the same write."""

    async def scenario(nodes: World) -> None:
        await nodes.trio()
        await nodes.agents["a"].deregister("a")
        gone = nodes.agents.pop("a")
        await nodes.until(lambda: nodes.agree(2))
        await nodes.until(lambda: gone.view().state == "PASSIVE")
        nodes.agents["a"] = gone

    run(tmp_path, scenario)


def test_ja7_a_deregistered_node_can_be_registered_again(tmp_path: Path) -> None:
    """With a new tag."""

    async def scenario(nodes: World) -> None:
        await nodes.trio()
        await nodes.agents["a"].deregister("c")
        await nodes.until(lambda: nodes.agents["c"].view().state == "PASSIVE")
        await nodes.agents["a"].register(nodes.url("c"))
        await nodes.until(lambda: nodes.agree(3))
        assert {each.id: each.tag for each in nodes.views()[0].nodes}["c"] == "D"

    run(tmp_path, scenario)


def test_ja8_a_node_is_stopped_by_url_and_by_id(tmp_path: Path) -> None:
    """J23: it gets the signal, it is INACTIVE everywhere, it stays a member; an unknown one is refused."""

    async def scenario(nodes: World) -> None:
        await nodes.trio()
        for node, name in (("b", nodes.url("b")), ("c", "c")):
            assert (await nodes.agents["a"].stop_node(name)).status == "INACTIVE"
            await nodes.until(lambda node=node: node in nodes.stopped)  # type: ignore[misc]
        error = await refused(nodes.agents["b"].stop_node("nobody"))
        assert isinstance(error, AnsweredError)
        assert (error.code, str(error)) == ("NOT_FOUND", "the cluster has no node 'nobody'; its members are a, b, c")

    run(tmp_path, scenario)


def test_ja9_all_are_killed_and_come_back_with_members_and_a_later_term(tmp_path: Path) -> None:
    """The voters' store is what the servers kept; here it is the process's."""

    async def scenario(nodes: World) -> None:
        await nodes.trio()
        for node in ("a", "b", "c"):
            await nodes.kill(node)
        await asyncio.gather(*(nodes.start(node) for node in ("c", "b", "a")))
        await nodes.until(lambda: nodes.agree(3))
        assert nodes.views()[0].term == 2

    run(tmp_path, scenario)


def test_ja9_a_lone_node_and_a_pair_come_back_from_their_folders(tmp_path: Path) -> None:
    """The founder's SQLite is the truth of two; the term never goes back."""

    async def scenario(nodes: World) -> None:
        await nodes.start("a")
        await nodes.kill("a")
        await nodes.start("a")
        assert (nodes.agents["a"].view().term, nodes.agents["a"].view().nodes[0].tag) == (2, "?")
        await nodes.start("b", "a")
        await nodes.kill("a")
        await nodes.until(lambda: nodes.agents["b"].view().leader_id is None)
        assert isinstance(await refused(nodes.agents["b"].stop_node("b")), NoQuorumError)
        await nodes.start("a")
        await nodes.until(lambda: nodes.agree(2))
        assert nodes.views()[0].term == 3

    run(tmp_path, scenario)


def test_ja11_the_same_node_registered_twice_and_two_at_once(tmp_path: Path) -> None:
    """One document each."""

    async def scenario(nodes: World) -> None:
        await nodes.start("a")
        for node in ("b", "c"):
            await nodes.start(node, bootstrap=False)
        leader = nodes.agents["a"]
        await asyncio.gather(*(leader.register(nodes.url(node)) for node in ("b", "c", "b")))
        await nodes.until(lambda: nodes.agree(3))
        await leader.register(nodes.url("b"))
        assert [each.id for each in leader.view().nodes] == ["a", "b", "c"]

    run(tmp_path, scenario)


def test_j14_every_command_is_an_entry_and_every_node_reads_the_decisions(tmp_path: Path) -> None:
    """With type, who decided, in which term, and why."""

    async def scenario(nodes: World) -> None:
        await nodes.trio()
        await nodes.agents["c"].deregister("b")
        await nodes.until(lambda: any(each.command == "cluster_deregister" for each in nodes.agents["c"].decisions()))
        decision = next(each for each in nodes.agents["c"].decisions() if each.command == "cluster_deregister")
        assert (decision.subject, decision.node, decision.term, decision.reason) == ("b", "a", 1, "it was asked for")

    run(tmp_path, scenario)


def test_qa9_the_same_name_twice_is_refused_and_the_cluster_unchanged(tmp_path: Path) -> None:
    """The second one does not start."""

    async def scenario(nodes: World) -> None:
        await nodes.start("a")
        await nodes.start("b", "a")
        before = nodes.agents["a"].view().nodes
        impostor = World(tmp_path / "elsewhere")
        impostor.network, impostor.hub, impostor.agents, impostor.urls = (
            nodes.network, nodes.hub, dict(nodes.agents), dict(nodes.urls),
        )  # fmt: skip
        impostor.urls["b"] = "http://b:9999"
        with pytest.raises(NodeRefusedError, match=r"the name belongs to the member at http://b:8081"):
            await impostor.start("b", "a")
        assert nodes.agents["a"].view().nodes == before

    run(tmp_path, scenario)


def test_sa9_a_node_that_wants_another_cluster_is_refused(tmp_path: Path) -> None:
    """It is told both names and what to correct."""

    async def scenario(nodes: World) -> None:
        await nodes.start("a", cluster_id="Sales")
        with pytest.raises(NodeRefusedError, match=r"Correct cluster\.id"):
            await nodes.start("b", "a", cluster_id="Risk")

    run(tmp_path, scenario)


@pytest.mark.parametrize("secret", [None, "not the secret of that cluster"])
def test_a_node_without_the_clusters_secret_is_refused(tmp_path: Path, secret: str | None) -> None:
    """On both sides the words say what to give."""

    async def scenario(nodes: World) -> None:
        await nodes.start("a", secret="the secret of this cluster")
        with pytest.raises(NodeRefusedError, match=r"Give it the same cluster\.secret as the other nodes"):
            await nodes.start("b", "a", secret=secret)
        await nodes.start("c", "a", secret="the secret of this cluster")
        await nodes.until(lambda: nodes.agree(2))

    run(tmp_path, scenario)


def test_a_node_with_a_history_is_not_taken_over(tmp_path: Path) -> None:
    """A folder with content of another cluster is refused, when it is invited and when it names peers."""

    async def scenario(nodes: World) -> None:
        await nodes.start("a")
        await nodes.start("x")
        await nodes.start("y", "x")
        error = await refused(nodes.agents["a"].register(nodes.url("x")))
        assert "Deregister it there first, or start it with an empty folder" in str(error)
        await nodes.kill("x")
        with pytest.raises(ClusterDataError, match=r"it holds cluster 'Cluster', and cluster\.id says 'Other'"):
            await nodes.start("x", "a", cluster_id="Other")

    run(tmp_path, scenario)


def test_a_folder_is_one_nodes_and_one_processes(tmp_path: Path) -> None:
    """Another name and another process are refused in words."""

    async def scenario(nodes: World) -> None:
        await nodes.start("a")
        with pytest.raises(ClusterDataError, match="another node uses it"):
            await nodes.start("b", folder="a")
        await nodes.kill("a")
        with pytest.raises(ClusterDataError, match="it belongs to node 'a', not to 'b'"):
            await nodes.start("b", folder="a")

    run(tmp_path, scenario)


def test_registering_a_url_where_nothing_answers_is_refused(tmp_path: Path) -> None:
    """Nothing is added."""

    async def scenario(nodes: World) -> None:
        await nodes.start("a")
        error = await refused(nodes.agents["a"].register("http://nobody:1"))
        assert str(error) == "no node answers at http://nobody:1: no connection. Start it first, then register its URL"
        assert len(nodes.agents["a"].view().nodes) == 1

    run(tmp_path, scenario)


def test_a_peer_that_never_answers_does_not_hold_up_the_start_for_ever(tmp_path: Path) -> None:
    """After the join timeout the node serves what it can alone, says so, and joins as soon as it can."""

    async def scenario(nodes: World) -> None:
        loop = asyncio.get_running_loop()
        nodes.url("a")
        began_s = loop.time()
        agent = await nodes.start("b", "a")
        assert 9 < loop.time() - began_s < 12
        assert "no member could be reached to join" in str(agent.ready_reason())
        await nodes.start("a")
        await nodes.until(lambda: nodes.agree(2))
        assert agent.ready_reason() is None

    run(tmp_path, scenario)


def test_watchers_never_vote_and_later_nodes_watch_until_they_are_needed(tmp_path: Path) -> None:
    """One, three or five vote; four nodes have three voters (R72, R74, R75)."""

    async def scenario(nodes: World) -> None:
        await nodes.trio()
        await nodes.start("w", "a", wants="watcher")
        await nodes.start("d", "b")
        await nodes.until(lambda: nodes.agree(5))
        assert nodes.voting() == 3
        await nodes.start("e", "c")
        await nodes.until(lambda: nodes.voting() == 5 and nodes.agents["w"].view().tolerates == 2)
        assert {each.id: each.type for each in nodes.views()[0].nodes}["w"] == "watcher"

    run(tmp_path, scenario)


def test_two_nodes_and_a_witness_survive_the_death_of_either(tmp_path: Path) -> None:
    """The witness votes and never leads."""

    async def scenario(nodes: World) -> None:
        await nodes.start("a")
        await nodes.start("b", "a")
        await nodes.start("w", "a", wants="witness")
        await nodes.until(lambda: nodes.agree(3) and nodes.agents["b"].view().tolerates == 1)
        await nodes.kill("a")
        await nodes.until(lambda: nodes.agree(3, active=2))
        assert nodes.agents["w"].view().leader_id == "b"

    run(tmp_path, scenario)


def test_a_graceful_stop_hands_over_without_a_pause(tmp_path: Path) -> None:
    """The successor is named in the write that gives the lead back."""

    async def scenario(nodes: World) -> None:
        await nodes.trio()
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        await nodes.stop("a")
        await nodes.until(lambda: any(view.state == "LEADER" for view in nodes.views()))
        assert loop.time() - began_s < 0.2
        await nodes.until(lambda: nodes.agree(3, active=2))

    run(tmp_path, scenario)


def test_of_two_voters_that_take_the_lead_at_once_the_second_follows_the_first(tmp_path: Path) -> None:
    """What it finds when it comes to write is not what it saw when it decided to."""

    async def scenario(nodes: World) -> None:
        await nodes.trio()
        b, c = nodes.agents["b"].session, nodes.agents["c"].session
        assert b is not None
        assert c is not None
        await nodes.kill("a")
        for session in (b, c):
            session.happen(Gone("a"))
            session.happen(Tick())
        await nodes.until(lambda: nodes.agree(3, active=2))
        assert nodes.views()[0].term == 2

    run(tmp_path, scenario)


@pytest.mark.parametrize("seed", range(8))
def test_lossy_links_and_late_messages_do_not_make_two_leaders_of_one_term(tmp_path: Path, seed: int) -> None:
    """Nor do they keep the cluster from agreeing when they are mended."""
    lossy(tmp_path, seed)


@pytest.mark.soak
def test_the_same_for_a_thousand_seeds(tmp_path: Path) -> None:
    """Where one fails, its seed is in the trace."""
    for seed in range(1000):
        lossy(tmp_path / str(seed), seed)


def lossy(folder: Path, seed: int) -> None:
    """Let three nodes live for a minute on bad links, then mend them."""

    async def scenario(nodes: World) -> None:
        await nodes.trio()
        nodes.network.faults("*", "*", drop=0.3, duplicate=0.2, delay_s=(0.0, 0.5), reorder=0.2)
        leaders: dict[int, set[str]] = {}
        loop = asyncio.get_running_loop()
        end_s = loop.time() + 60
        while loop.time() < end_s:
            for view in nodes.views():
                if view.state == "LEADER":
                    leaders.setdefault(view.term, set()).add(view.node_id)
            await asyncio.sleep(0.1)
        assert all(len(names) == 1 for names in leaders.values())
        nodes.network.faults("*", "*")
        await nodes.until(lambda: nodes.agree(3))

    run(folder, scenario, seed)


def test_without_a_secret_no_node_of_another_machine_is_let_in(tmp_path: Path) -> None:
    """Users on the doors do not make the nodes known to each other."""

    async def scenario(nodes: World) -> None:
        agent = await nodes.start("a")
        error = await refused(agent.peer_call("join", {"node": "stranger"}, near=False))
        assert str(error) == (
            "node 'stranger' cannot join: it calls from another machine, and this cluster has no secret. "
            "Set the same cluster.secret on all nodes"
        )

    run(tmp_path, scenario)
