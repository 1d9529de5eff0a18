"""The one document that holds a cluster together: who is a member, who leads, in which term, which servers vote.

Everything that the leader decides is a compare-and-set of this document, and so is taking the lead. That is the whole
fencing: as soon as another node has taken the lead, the document has another revision, and whatever the former leader
still wants to write is refused (J13, DESIGN §3). Nothing in this module does any I/O.

>>> registry = Registry.founded("Cluster", "c1", Member("node1", "u1", "http://127.0.0.1:8080", "127.0.0.1:21000"))
>>> registry = registry.led_by("node1", "p1")
>>> registry.term, registry.documents()[0].role, registry.documents()[0].tag
(1, 'LEADER', '?')
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from app_framework.cluster.errors import ClusterDataError, NodeNameInUseError, NodeRefusedError, UnknownNodeError
from app_framework.cluster.view import UNTAGGED, NodeDocument, NodeRole, NodeStatus, NodeType

KEY = "registry"
MEMBERS_MAX = 1000
APPLIED_MAX = 128
"""How many operations the document remembers, so that one that is repeated is not applied twice."""

FORMAT = 1

ServerKind = Literal["voter", "witness"]
CommandType = Literal[
    "cluster_register",
    "cluster_deregister",
    "cluster_stop",
    "cluster_update_node",
    "server_add",
    "server_remove",
]


@dataclass(frozen=True, slots=True)
class Member:
    """One node as the cluster knows it.

    Args:
        id: its name.
        uid: of its data folder; tells two nodes of one name apart.
        url: where it is reached over HTTP.
        route: ``host:port`` where its messenger's server takes other servers.
        wants: what it was started as: voter (may vote), watcher, witness.
        status: ACTIVE while it is heard.
        votes: whether a server of it votes now, or it holds the truth itself.
        tag: A, B, C ….
        epoch: the routing epoch in which it last changed.
        stopped: it was told to stop; it becomes ACTIVE again when it joins, not when a late pulse of it is heard.
    """

    id: str
    uid: str
    url: str
    route: str
    wants: NodeType = "voter"
    status: NodeStatus = "ACTIVE"
    votes: bool = False
    tag: str = UNTAGGED
    epoch: int = 0
    stopped: bool = False

    @property
    def type(self) -> NodeType:
        """What holds now."""
        if self.wants == "witness":
            return "witness"
        return "voter" if self.votes else "watcher"


@dataclass(frozen=True, slots=True)
class VoteServer:
    """One server that votes on what is written.

    Args:
        name: never used twice in the life of a cluster.
        node: whose child it is.
        kind: a node's own vote, or the witness that the leader's machine adds while only two nodes are there.
        route: ``host:port`` where it takes other servers; empty until its node has told.
    """

    name: str
    node: str
    kind: ServerKind = "voter"
    route: str = ""


@dataclass(frozen=True, slots=True)
class Lease:
    """Who leads.

    Args:
        node: the leader; None after it gave the lead back.
        nonce: of its process, so that a restarted node is another holder.
        sequence: grows with every renewal; an entry that does not change any more is what the others wait for.
        successor: who should take the lead that was given back.
    """

    node: str | None = None
    nonce: str = ""
    sequence: int = 0
    successor: str | None = None


@dataclass(frozen=True, slots=True)
class Command:
    """A membership operation, as its entry ``cmd.<op_id>`` in the store has it (J14).

    Args:
        op_id: chosen by whoever asks; the same operation asked twice is applied once.
        type: what to do.
        args: to whom and with what.
        reason: for people.
    """

    op_id: str
    type: CommandType
    args: Mapping[str, Any]
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Registry:
    """The cluster's document; every change returns a new one.

    Args:
        cluster_id: the cluster's name.
        cluster_uid: made at its founding.
        term: grows with every leader.
        lease: who leads.
        epoch: grows with every change of members and of their URLs, states and votes.
        members: in the order in which they came.
        servers: the servers that vote, or are about to, or are about to leave.
        founder: the node whose SQLite is the truth before the store moves.
        applied: the last operations that were applied.
        tags_given: how many tags were given; none is given twice.
        servers_named: how many server names were given.
    """

    cluster_id: str
    cluster_uid: str
    term: int = 0
    lease: Lease = field(default=Lease())
    epoch: int = 0
    members: tuple[Member, ...] = ()
    servers: tuple[VoteServer, ...] = ()
    founder: str = ""
    applied: tuple[str, ...] = ()
    tags_given: int = 0
    servers_named: int = 0

    @classmethod
    def founded(cls, cluster_id: str, cluster_uid: str, founder: Member) -> Registry:
        """Return the document of a cluster of one."""
        first = replace(founder, votes=True, status="ACTIVE", epoch=1)
        return cls(cluster_id, cluster_uid, epoch=1, members=(first,), founder=founder.id)

    # -- reading -------------------------------------------------------------------------------------------------

    def member(self, node: str) -> Member | None:
        """Return a member by id or URL."""
        url = place_of(node)
        return next((each for each in self.members if each.id == node or place_of(each.url) == url), None)

    def existing(self, node: str) -> Member:
        """Return a member by id or URL.

        Raises:
            UnknownNodeError: there is none.
        """
        found = self.member(node)
        if found is None:
            raise UnknownNodeError(node, tuple(each.id for each in self.members))
        return found

    @property
    def leader(self) -> Member | None:
        """The member that holds the lead."""
        return self.member(self.lease.node) if self.lease.node else None

    @property
    def is_fresh(self) -> bool:
        """Whether nothing has happened to the cluster since its founding; such a one is dropped to join another."""
        return len(self.members) <= 1 and self.tags_given == 0

    def documents(self) -> tuple[NodeDocument, ...]:
        """Return the membership documents in the order of their tags (J12)."""
        return tuple(
            NodeDocument(each.id, each.url, self.role_of(each), each.status, each.tag, each.type, each.epoch)
            for each in sorted(self.members, key=lambda each: (len(each.tag), each.tag))
        )

    def role_of(self, member: Member) -> NodeRole:
        """LEADER, FOLLOWER, or CANDIDATE for a voter while nobody leads."""
        if self.lease.node == member.id:
            return "LEADER"
        return "CANDIDATE" if self.lease.node is None and member.votes else "FOLLOWER"

    # -- the lead ------------------------------------------------------------------------------------------------

    def led_by(self, node: str, nonce: str) -> Registry:
        """Return the document in which a node has taken the lead, one term later."""
        return replace(self, term=self.term + 1, lease=Lease(node, nonce))

    def renewed(self) -> Registry:
        """Return the document in which the leader has shown that it lives."""
        return replace(self, lease=replace(self.lease, sequence=self.lease.sequence + 1))

    def released(self, successor: str | None) -> Registry:
        """Return the document in which the leader has given the lead back."""
        return replace(self, lease=Lease(None, successor=successor))

    # -- commands ------------------------------------------------------------------------------------------------

    def after(self, command: Command) -> Registry:
        """Return the document after an operation; one that was applied before changes nothing.

        Raises:
            NodeRefusedError: a node cannot become a member.
            UnknownNodeError: there is no such member.
        """
        if command.op_id in self.applied:
            return self
        changed: Registry = _CHANGES[command.type](self, **command.args)
        return replace(changed, applied=(*changed.applied, command.op_id)[-APPLIED_MAX:])

    def as_bytes(self) -> bytes:
        """Return the document as it is stored."""
        return json.dumps({"format": FORMAT, **asdict(self)}, separators=(",", ":")).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Registry:
        """Return a stored document.

        Raises:
            ClusterDataError: it was written by a newer version, or is not one.
        """
        try:
            fields = json.loads(data)
            if fields.pop("format") != FORMAT:
                raise ClusterDataError(KEY, "a newer version wrote the cluster's registry", "Upgrade this node")
            return cls(
                **{
                    **fields,
                    "lease": Lease(**fields["lease"]),
                    "members": tuple(Member(**each) for each in fields["members"]),
                    "servers": tuple(VoteServer(**each) for each in fields["servers"]),
                    "applied": tuple(fields["applied"]),
                }
            )
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ClusterDataError(KEY, f"it is not a registry ({error})", "Restore it from another node") from error

    def __repr__(self) -> str:
        names = ", ".join(f"{each.id}:{each.type}:{each.status}" for each in self.members)
        return f"<Registry {self.cluster_id!r} term {self.term} leader {self.lease.node} epoch {self.epoch} [{names}]>"


def _register(
    registry: Registry, *, node: str, uid: str, url: str, route: str, wants: NodeType, active: bool = False
) -> Registry:
    """Make a node a member, or note where a member is now."""
    there = next((each for each in registry.members if each.id == node), None)
    if there is not None and there.uid != uid:
        raise NodeNameInUseError(node, there.url)
    same_url = next((each for each in registry.members if each.url == url and each.id != node and url), None)
    if same_url is not None and same_url.status == "ACTIVE":
        raise NodeRefusedError(
            node, f"its URL {url} is that of the member {same_url.id!r}; give each node its own port"
        )
    if there is None and len(registry.members) >= MEMBERS_MAX:
        raise NodeRefusedError(node, f"the cluster has {MEMBERS_MAX} members, which is the most it may have")
    status: NodeStatus = "ACTIVE" if active else (there.status if there else "INACTIVE")
    base = there or Member(node, uid, url, route)
    member = replace(base, url=url, route=route, wants=wants, status=status, stopped=False)
    changed = _with(registry, member)
    # A founder that tells where it is reached has not had an operation of its cluster yet.
    return changed if there is not None and len(registry.members) == 1 else _tagged(changed)


def _deregister(registry: Registry, *, node: str) -> Registry:
    gone = registry.existing(node)
    left = tuple(each for each in registry.members if each.id != gone.id)
    return _tagged(replace(registry, members=left, epoch=registry.epoch + 1))


def _stop(registry: Registry, *, node: str) -> Registry:
    member = registry.existing(node)
    return _tagged(_with(registry, replace(member, status="INACTIVE", stopped=True)))


def _update_node(registry: Registry, *, node: str, **changes: Any) -> Registry:
    return _with(registry, replace(registry.existing(node), **changes))


def _server_add(registry: Registry, *, name: str, node: str, kind: ServerKind, route: str = "") -> Registry:
    others = tuple(each for each in registry.servers if each.name != name)
    named = registry.servers_named + (len(others) == len(registry.servers))
    return replace(registry, servers=(*others, VoteServer(name, node, kind, route)), servers_named=named)


def _server_remove(registry: Registry, *, name: str) -> Registry:
    return replace(registry, servers=tuple(each for each in registry.servers if each.name != name))


_CHANGES: Mapping[CommandType, Any] = {
    "cluster_register": _register,
    "cluster_deregister": _deregister,
    "cluster_stop": _stop,
    "cluster_update_node": _update_node,
    "server_add": _server_add,
    "server_remove": _server_remove,
}


def _with(registry: Registry, member: Member) -> Registry:
    """Put a member in its place; when it is another than before, the epoch moves on."""
    before = next((each for each in registry.members if each.id == member.id), None)
    if before is not None and replace(member, epoch=before.epoch) == before:
        return registry
    epoch = registry.epoch + 1
    now = replace(member, epoch=epoch)
    members = tuple(now if each.id == member.id else each for each in registry.members)
    return replace(registry, epoch=epoch, members=members if before else (*members, now))


def _tagged(registry: Registry) -> Registry:
    """Give a tag to every member that has none: the cluster has had its first operation (R15, R17)."""
    given = registry.tags_given
    members = []
    for member in registry.members:
        untagged = member.tag == UNTAGGED
        members.append(replace(member, tag=tag_number(given)) if untagged else member)
        given += untagged
    return replace(registry, members=tuple(members), tags_given=given)


def tag_number(number: int) -> str:
    """Return the tag of the nth node.

    >>> [tag_number(n) for n in (0, 1, 25, 26, 27, 702)]
    ['A', 'B', 'Z', 'AA', 'AB', 'AAA']
    """
    letters = ""
    number += 1
    while number:
        number, letter = divmod(number - 1, 26)
        letters = chr(ord("A") + letter) + letters
    return letters


def place_of(url: str) -> str:
    """Return a URL in the form in which two are compared: people write localhost, nodes 127.0.0.1.

    >>> place_of("http://localhost:8082/")
    'http://127.0.0.1:8082'
    """
    return url.rstrip("/").replace("://localhost:", "://127.0.0.1:", 1)


def eligible(members: Iterable[Member]) -> Iterator[Member]:
    """Return the members that may lead, the best first: voters with data, in the order of their tags.

    Those that were told to stop come last: where nobody else is left, one of them that is back lets the others join.
    """
    voters = (each for each in members if each.votes and each.wants == "voter")
    yield from sorted(voters, key=lambda each: (each.stopped, len(each.tag), each.tag))
