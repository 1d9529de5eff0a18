"""Which servers should vote, and the one next step from those that do: a pure planner.

After the store has moved, what the cluster wants (its members) and what there is (servers, their group, the replicas of
the stream) drift apart whenever a node comes or goes. The leader asks for the next step, takes it, looks again. Every
step is safe to repeat and only one is under way at a time, so a crash anywhere is mended by asking again: that is the
whole recovery (notes on the move: an empty server is added only while all others are current, because two empty ones
could found a group of their own; one leaves only when the group is complete without it).

>>> members = (Member("a", "1", "http://a", ""), Member("b", "2", "http://b", ""), Member("c", "3", "http://c", ""))
>>> servers = (VoteServer("a-1", "a"), VoteServer("a-w2", "a", "witness"))
>>> registry = Registry("Cluster", "c", members=members, servers=servers)
>>> next_step(registry, Observation({"a-1": True, "a-w2": True}, {"a-1": True, "a-w2": True}, replicas=2))
Add(node='b', kind='voter', reason='3 machines may vote')
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from app_framework.cluster.registry import Member, Registry, ServerKind, VoteServer

VOTERS_MAX = 5


@dataclass(frozen=True, slots=True)
class Observation:
    """What the servers say of themselves.

    Args:
        meta: name of every server in the meta group to whether it is up and current.
        group: name of every server that has a copy of the store to whether that is current.
        replicas: how many copies the store is configured to have.
        leader: the server that leads the store's group.
    """

    meta: Mapping[str, bool]
    group: Mapping[str, bool]
    replicas: int
    leader: str = ""


@dataclass(frozen=True, slots=True)
class Add:
    """Decide that a node gets a server that votes."""

    node: str
    kind: ServerKind
    reason: str


@dataclass(frozen=True, slots=True)
class Start:
    """Tell a node to run its server."""

    server: VoteServer


@dataclass(frozen=True, slots=True)
class Scale:
    """Give the store another number of copies."""

    replicas: int


@dataclass(frozen=True, slots=True)
class Evacuate:
    """Move the store's copy away from a server."""

    server: str
    reason: str


@dataclass(frozen=True, slots=True)
class Remove:
    """Stop a server and take it out of the meta group for good."""

    server: str
    node: str


@dataclass(frozen=True, slots=True)
class Forget:
    """Strike a server from the registry."""

    server: str
    reason: str


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing can be done until something else has happened."""

    reason: str


@dataclass(frozen=True, slots=True)
class Settled:
    """The servers are those that the members want."""


Step = Add | Start | Scale | Evacuate | Remove | Forget | Wait | Settled


def wanted_voters(registry: Registry, voters_max: int = VOTERS_MAX) -> tuple[Member, ...]:
    """Return the members whose servers should vote: 1, 3 or 5 of those that may, or two (with a witness beside one).

    Who votes already stays, even while it is down: moving copies while a node is away is what loses data.
    """
    may = [each for each in registry.members if each.wants in ("voter", "witness")]
    holding = {server.node for server in registry.servers if server.kind == "voter"}
    up_or_in = [each for each in may if each.id in holding or (each.status == "ACTIVE" and not each.stopped)]
    # Nodes with data before witnesses, those that vote before others, then in the order of coming.
    ranked = sorted(up_or_in, key=lambda each: (each.id not in holding, each.wants == "witness"))
    most = 5 if len(ranked) >= 5 and voters_max >= 5 else min(3, len(ranked))
    return tuple(ranked[:most])


def next_step(registry: Registry, seen: Observation, voters_max: int = VOTERS_MAX) -> Step:
    """Return the next step from what there is to what the members want."""
    wanted = wanted_voters(registry, voters_max)
    voters = {server.node: server for server in registry.servers if server.kind == "voter"}
    witness = _witness(registry) if len(wanted) < 3 else None
    target = [voters[each.id] for each in wanted if each.id in voters] + ([witness] if witness else [])
    absent = next((server for server in target if server.name not in seen.meta), None)
    if absent is not None:
        member = registry.member(absent.node)
        if member is None or member.status == "INACTIVE":
            return Forget(absent.name, f"{absent.node} went away before it ran it")
        return Start(absent)  # one at a time
    behind = [server.name for server in target if not seen.meta[server.name]]
    if behind:
        return Wait(f"{', '.join(behind)} is not current")
    newcomer = next((each for each in wanted if each.id not in voters), None)
    if newcomer is not None:
        return Add(newcomer.id, "voter", f"{len(wanted)} machines may vote")
    if len(wanted) < 3 and witness is None:
        beside = registry.lease.node or wanted[0].id
        return Add(beside, "witness", f"{len(wanted)} voting machines need a witness to keep a majority")
    return _copies(registry, seen, [server.name for server in target])


def _copies(registry: Registry, seen: Observation, target: list[str]) -> Step:
    """Every wanted server is there: bring the copies to them, then let the others go."""
    replicas = len(target)
    known = {server.name: server.node for server in registry.servers}
    extra = [name for name in seen.group if name not in target]
    dead = next((name for name in extra if not seen.group[name]), None)
    if dead is not None:
        # Before the number of copies falls: which one is given up then is the servers' choice.
        return Remove(dead, known.get(dead, ""))
    current = [name for name in target if seen.group.get(name)]
    if seen.replicas < replicas:
        return Scale(replicas)
    if len(current) + len(extra) < replicas:
        return Wait("a copy of the store is not current yet")
    if seen.replicas > replicas:
        return Scale(replicas)
    # Those without a copy leave first: a copy that is moved must not find its place on a server that leaves next.
    stray = next((name for name in seen.meta if name not in target and name not in seen.group), None)
    if stray is not None:
        return Remove(stray, known.get(stray, ""))
    if extra:
        return Evacuate(extra[0], "other servers take its place")
    gone = next((name for name in known if name not in target), None)
    return Forget(gone, "other servers took its place") if gone is not None else Settled()


def _witness(registry: Registry) -> VoteServer | None:
    return next((each for each in registry.servers if each.kind == "witness"), None)


def tolerates(registry: Registry, seen: Observation) -> int:
    """Return how many more machines with a vote may die, in the worst order, before something cannot be decided.

    Both groups need their majority: that of the store, and the meta group, in which a server that was stopped counts
    until it is removed.

    Args:
        registry: tells whose server is whose.
        seen: the servers, to whether they are up and current; those that are not count as dead already.

    >>> servers = (VoteServer("a-1", "a"), VoteServer("a-w", "a", "witness"), VoteServer("b-1", "b"))
    >>> up = {"a-1": True, "a-w": True, "b-1": True}
    >>> tolerates(Registry("C", "c", servers=servers), Observation(up, up, replicas=3))
    0
    """
    node_of = {server.name: server.node for server in registry.servers}
    store = _may_die(seen.group, max(seen.replicas, len(seen.group)), node_of)
    return min(store, _may_die(seen.meta, len(seen.meta), node_of))


def _may_die(servers: Mapping[str, bool], size: int, node_of: Mapping[str, str]) -> int:
    """How many machines one group can lose."""
    machines: dict[str, int] = {}
    for name, current in servers.items():
        if current:
            machines[node_of.get(name, name)] = machines.get(node_of.get(name, name), 0) + 1
    alive, dead = sum(machines.values()), 0
    for votes in sorted(machines.values(), reverse=True):
        alive -= votes
        if alive < size // 2 + 1:
            break
        dead += 1
    return dead
