"""Which servers vote: the planner's steps, one by one and until it is settled, whatever comes and goes."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from app_framework.cluster.registry import Command, Member, Registry, VoteServer
from app_framework.cluster.voters import (
    Add,
    Evacuate,
    Forget,
    Observation,
    Remove,
    Scale,
    Settled,
    Start,
    Step,
    Wait,
    next_step,
    tolerates,
    wanted_voters,
)


def cluster(*names: str, inactive: str = "", watchers: str = "", witnesses: str = "") -> Registry:
    """A cluster whose first node has moved the decisions to its voter and its witness."""
    members = tuple(
        Member(
            name,
            name,
            f"http://{name}",
            name,
            wants="watcher" if name in watchers else "witness" if name in witnesses else "voter",
            status="INACTIVE" if name in inactive else "ACTIVE",
        )
        for name in names
    )
    servers = (VoteServer("a-1", "a"), VoteServer("a-witness-2", "a", "witness"))
    return Registry("Cluster", "c", 1, members=members, servers=servers, servers_named=2).led_by("a", "p")


class Servers:
    """The servers as the real ones would behave: a meta group, copies, and machines that are up or not."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.meta = {server.name for server in registry.servers}
        self.group = [server.name for server in registry.servers]
        self.replicas = len(self.group)
        self.node_of = {server.name: server.node for server in registry.servers}
        self.down: set[str] = set()

    def up(self, name: str) -> bool:
        return self.node_of[name] not in self.down

    def observe(self) -> Observation | None:
        """What the groups say; nothing while one has no majority."""
        for names, size in ((self.meta, len(self.meta)), (self.group, max(len(self.group), self.replicas))):
            if sum(map(self.up, names)) <= size // 2:
                return None
        return Observation({n: self.up(n) for n in self.meta}, {n: self.up(n) for n in self.group}, self.replicas)

    def take(self, step: Step) -> None:
        """Do what the leader would."""
        match step:
            case Add(node=node, kind=kind):
                name = f"{node}-{self.registry.servers_named + 1}"
                self._command("server_add", name=name, node=node, kind=kind)
            case Start(server=server) if server.node not in self.down:
                self.node_of[server.name] = server.node
                self.meta.add(server.name)
            case Scale(replicas=replicas):
                self.replicas = replicas
                del self.group[replicas:]
            case Evacuate(server=name):
                self.group.remove(name)
            case Remove(server=name):
                self.meta.discard(name)
                if name in self.group:
                    self.group.remove(name)
            case Forget(server=name):
                self._command("server_remove", name=name)
            case _:
                pass
        for name in sorted(self.meta):
            leaving = isinstance(step, Evacuate) and name == step.server
            if len(self.group) < self.replicas and name not in self.group and self.up(name) and not leaving:
                self.group.append(name)

    def _command(self, type_: str, **args: object) -> None:
        self.registry = self.registry.after(Command(str(random.random()), type_, args))  # type: ignore[arg-type]

    def settle(self, steps_max: int = 60) -> list[Step]:
        """Take steps until there are none."""
        taken: list[Step] = []
        for _ in range(steps_max):
            seen = self.observe()
            if seen is None:
                return taken
            step = next_step(self.registry, seen)
            if isinstance(step, (Settled, Wait)):
                return [*taken, step]
            taken.append(step)
            self.take(step)
        raise AssertionError(f"it does not settle: {taken[-6:]}")


def observed(servers: Servers) -> Observation:
    """What is seen while there is a majority."""
    seen = servers.observe()
    assert seen is not None
    return seen


def test_a_witness_that_was_stopped_and_not_removed_yet_still_counts() -> None:
    """Four in the meta group, one of them dead: no machine may die, though the store has its three copies."""
    registry = cluster("a", "b", "c")
    three = {"a-1": True, "b-3": True, "c-4": True}
    assert tolerates(registry, Observation({**three, "a-witness-2": False}, three, 3)) == 0
    assert tolerates(registry, Observation(three, three, 3)) == 1


def test_from_the_founding_pair_to_three_voters_one_server_at_a_time() -> None:
    """The witness leaves when the third machine votes, and its name is never seen again."""
    servers = Servers(cluster("a", "b", "c"))
    steps = servers.settle()
    assert [type(step).__name__ for step in steps] == [
        "Add", "Start", "Add", "Start", "Scale", "Evacuate", "Remove", "Forget", "Settled",
    ]  # fmt: skip
    assert sorted(servers.group) == ["a-1", "b-3", "c-4"]
    assert tolerates(servers.registry, observed(servers)) == 1


def test_two_machines_keep_the_witness_and_tolerate_nothing() -> None:
    """Two of three votes are on one machine."""
    servers = Servers(cluster("a", "b"))
    servers.settle()
    assert sorted(servers.group) == ["a-1", "a-witness-2", "b-3"]
    assert tolerates(servers.registry, observed(servers)) == 0


def test_a_node_that_is_down_keeps_its_vote_and_stops_every_change() -> None:
    """Copies are not moved while a voter is away; a fourth node waits as a watcher."""
    servers = Servers(cluster("a", "b", "c"))
    servers.settle()
    servers.down.add("c")
    members = tuple(replace(each, status="INACTIVE") if each.id == "c" else each for each in servers.registry.members)
    servers.registry = replace(servers.registry, members=(*members, Member("d", "d", "http://d", "d")))
    assert servers.settle() == [Wait("c-4 is not current")]
    assert [each.id for each in wanted_voters(servers.registry)] == ["a", "b", "c"]


def test_ja7_when_one_of_three_is_deregistered_a_witness_takes_its_place_first() -> None:
    """Also when it is dead: the majority of the two others decides."""
    for dead in (False, True):
        servers = Servers(cluster("a", "b", "c"))
        servers.settle()
        if dead:
            servers.down.add("c")
        servers.registry = servers.registry.after(Command("x", "cluster_deregister", {"node": "c"}))
        steps = servers.settle()
        leaving = ["Remove"] if dead else ["Evacuate", "Remove"]
        assert [type(step).__name__ for step in steps] == ["Add", "Start", *leaving, "Forget", "Settled"]
        assert {servers.node_of[name] for name in servers.group} == {"a", "b"}
        assert len(servers.group) == 3


def test_a_server_whose_node_went_away_before_it_ran_is_forgotten() -> None:
    """It does not hold up the others."""
    servers = Servers(cluster("a", "b", "c"))
    servers.take(Add("b", "voter", ""))
    servers.down.add("b")
    members = tuple(replace(each, status="INACTIVE") if each.id == "b" else each for each in servers.registry.members)
    servers.registry = replace(servers.registry, members=members)
    steps = servers.settle()
    assert steps[0] == Forget("b-3", "b went away before it ran it")
    assert "c-4" in servers.group


@pytest.mark.parametrize(("nodes", "votes"), [(1, 1), (2, 2), (3, 3), (4, 3), (5, 5), (6, 5), (9, 5)])
def test_r72_r75_one_three_or_five_vote(nodes: int, votes: int) -> None:
    """And two, with a witness beside one of them."""
    names = "abcdefghi"[:nodes]
    assert len(wanted_voters(cluster(*names))) == votes


def test_witnesses_vote_only_where_there_are_not_enough_nodes_with_data() -> None:
    """A watcher never does."""
    assert [each.id for each in wanted_voters(cluster("a", "b", "w", witnesses="w"))] == ["a", "b", "w"]
    assert [each.id for each in wanted_voters(cluster("a", "w", "b", "c", witnesses="w"))] == ["a", "b", "c"]
    assert [each.id for each in wanted_voters(cluster("a", "b", "c", watchers="bc"))] == ["a"]


@pytest.mark.parametrize("seed", range(150))
def test_whatever_comes_and_goes_it_settles_and_a_majority_is_never_given_away(seed: int) -> None:
    """Joins, leaves, crashes and returns between any two steps; a quorum is lost only with the machines that had it."""
    live_through(seed)


@pytest.mark.soak
def test_the_same_for_twenty_thousand_lives() -> None:
    """Where one fails, its seed is in the trace."""
    for seed in range(20_000):
        live_through(seed)


def live_through(seed: int) -> None:
    """Forty steps with what comes between them, then calm."""
    random_ = random.Random(seed)
    servers = Servers(cluster("a", "b", "c"))
    names = iter("defghijkl")
    for _ in range(40):
        seen = servers.observe()
        assert seen is not None, "the majority was given away"
        servers.take(next_step(servers.registry, seen))
        choice = random_.random()
        members = servers.registry.members
        if choice < 0.1 and (name := next(names, None)):
            servers.registry = replace(servers.registry, members=(*members, Member(name, name, "", name)))
        elif choice < 0.15 and len(members) > 2:
            gone = random_.choice([each.id for each in members if each.id != "a"])
            servers.registry = servers.registry.after(
                Command(str(random_.random()), "cluster_deregister", {"node": gone})
            )
        elif choice < 0.3:
            node = random_.choice([each.id for each in members])
            going = {node} ^ servers.down if len(servers.down) < 2 else servers.down - {node}
            before, servers.down = servers.down, going
            if servers.observe() is None:
                servers.down = before  # that would be the death of the majority itself
            status = {each.id: "INACTIVE" if each.id in servers.down else "ACTIVE" for each in members}
            servers.registry = replace(
                servers.registry,
                members=tuple(replace(each, status=status[each.id]) for each in servers.registry.members),  # type: ignore[arg-type]
            )
    servers.down.clear()
    servers.registry = replace(
        servers.registry, members=tuple(replace(each, status="ACTIVE") for each in servers.registry.members)
    )
    assert servers.settle()[-1:] == [Settled()]
    wanted = {each.id for each in wanted_voters(servers.registry)}
    assert {servers.node_of[name] for name in servers.group} == wanted
