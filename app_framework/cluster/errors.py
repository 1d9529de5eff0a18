"""What a cluster refuses, and why.

UserError
├── ConflictError              the entry has another revision than the writer thought; nothing was written
│   └── EntryExistsError       it was to be created, and is there already
├── InvalidKeyError            a key that no entry can have
├── ValueTooLargeError         a value larger than the store keeps
├── UnknownNodeError           the cluster has no such node
├── NodeRefusedError           a node cannot become a member: other cluster, name in use, wrong secret …
│   ├── WrongClusterError
│   ├── NodeNameInUseError
│   ├── WrongSecretError
│   └── SecretMissingError
├── OperationRefusedError      a member cannot be removed now
├── UnknownDoorError           another node called a door that there is not
├── UnreachableNodeError       the URL to register does not answer
├── AnsweredError              what another node answered, in its words
└── ClusterDataError           the node's own folder cannot be used: another process, another cluster, damaged
FrameworkError
└── JetStreamMissingError      the servers of nats.servers keep no streams
ServiceUnavailableError
├── StoreWriteError            the disk does not take what is to be decided; nothing was written
├── PeerUnavailableError       another node cannot answer now, in its words
├── NoQuorumError              nothing was written: no majority of the voters can be reached
├── UnknownOutcomeError        no answer in time; the write may have happened
├── StoreMovedError            the truth has gone to another store; ask again there
├── NotLeaderError             another node decides
├── NotMemberError             this node is not (or no longer) in the cluster
└── UnstableError              the cluster is changing
"""

from __future__ import annotations

from app_framework.errors import FrameworkError, ServiceUnavailableError, UserError, near_matches


class ConflictError(UserError):
    """An entry has another revision than the writer thought; nothing was written.

    Attributes:
        key: of the entry.
        expected: the revision that the writer gave.
        found: the revision that it has where that is known.
    """

    code = "CONFLICT"

    def __init__(self, key: str, expected: int, found: int | None = None) -> None:
        self.key = key
        self.expected = expected
        self.found = found
        super().__init__(key, expected, found)

    def __str__(self) -> str:
        now = f", it is at {self.found}" if self.found is not None else ""
        return f"entry {self.key!r} is no longer at revision {self.expected}{now}; read it again"


class EntryExistsError(ConflictError):
    """An entry was to be created, and is there already."""

    code = "ALREADY_EXISTS"

    def __init__(self, key: str, found: int | None = None) -> None:
        super().__init__(key, 0, found)

    def __str__(self) -> str:
        return f"entry {self.key!r} exists already"


class InvalidKeyError(UserError):
    """A key that no entry can have.

    Attributes:
        key: as it was given.
    """

    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(key)

    def __str__(self) -> str:
        return (
            f"{self.key!r} is not a key: write words of letters, digits, '-', '_', '=' and '/' joined by dots, "
            "at most 512 characters"
        )


class ValueTooLargeError(UserError):
    """A value larger than the store keeps.

    Attributes:
        key: of the entry.
        size_bytes: of the value.
        limit_bytes: what a value may have.
    """

    code = "TOO_LARGE"

    def __init__(self, key: str, size_bytes: int, limit_bytes: int) -> None:
        self.key = key
        self.size_bytes = size_bytes
        self.limit_bytes = limit_bytes
        super().__init__(key, size_bytes, limit_bytes)

    def __str__(self) -> str:
        return f"the value of {self.key!r} has {self.size_bytes:,} bytes, at most {self.limit_bytes:,} are kept"


class UnknownNodeError(UserError):
    """The cluster has no such node.

    Attributes:
        node: the id or URL that was asked for.
        known: the ids of the members.
        near: those that were probably meant.
    """

    code = "NOT_FOUND"

    def __init__(self, node: str, known: tuple[str, ...] = ()) -> None:
        self.node = node
        self.known = known
        self.near = near_matches(node, known)
        super().__init__(node, known)

    def __str__(self) -> str:
        members = f"; its members are {', '.join(self.known)}" if self.known else ""
        return f"the cluster has no node {self.node!r}{members}"


class NodeRefusedError(UserError):
    """A node cannot become a member.

    Attributes:
        node: its id or URL.
        reason: why, and what to do.
    """

    code = "CONFLICT"

    def __init__(self, node: str, reason: str) -> None:
        self.node = node
        self.reason = reason
        super().__init__(node, reason)

    def __str__(self) -> str:
        return f"node {self.node!r} cannot join: {self.reason}"


class WrongClusterError(NodeRefusedError):
    """The node belongs to another cluster, or asks for one of another name.

    Attributes:
        expected: the cluster that was asked.
        found: the cluster that the node names.
    """

    def __init__(self, node: str, expected: str, found: str, action: str) -> None:
        self.expected = expected
        self.found = found
        super().__init__(node, f"this is cluster {expected!r}, the node belongs to {found!r}. {action}")


class NodeNameInUseError(NodeRefusedError):
    """Another node has the same name."""

    def __init__(self, node: str, url: str) -> None:
        self.url = url
        super().__init__(
            node,
            f"the name belongs to the member at {url}. Choose another cluster.node.name, "
            "or deregister that member when it is gone for good",
        )


class WrongSecretError(NodeRefusedError):
    """The node does not hold the cluster's secret, or holds one where the cluster has none."""

    code = "FORBIDDEN"

    def __init__(self, node: str, *, cluster_has_one: bool = True) -> None:
        with_one = "it does not hold this cluster's secret. Give it the same cluster.secret as the other nodes"
        without = "it has a cluster.secret, and this cluster has none. Give all nodes the same one, or none"
        super().__init__(node, with_one if cluster_has_one else without)


class SecretMissingError(NodeRefusedError):
    """A node of another machine calls, and the cluster has no secret by which it could be known."""

    code = "FORBIDDEN"

    def __init__(self, node: str) -> None:
        reason = "it calls from another machine, and this cluster has no secret"
        super().__init__(node, f"{reason}. Set the same cluster.secret on all nodes")


class OperationRefusedError(UserError):
    """A member cannot be removed now.

    Attributes:
        node: its id.
        reason: why, and what to do.
    """

    code = "CONFLICT"

    def __init__(self, node: str, reason: str) -> None:
        self.node = node
        self.reason = reason
        super().__init__(node, reason)

    def __str__(self) -> str:
        return f"node {self.node!r} cannot be deregistered: {self.reason}"


class UnknownDoorError(UserError):
    """Another node called a door that there is not.

    Attributes:
        door: its name.
    """

    code = "NOT_FOUND"

    def __init__(self, door: str) -> None:
        self.door = door
        super().__init__(door)

    def __str__(self) -> str:
        return f"nodes have no door {self.door!r}; is the caller a newer version?"


class UnreachableNodeError(UserError):
    """The URL to register does not answer as a node.

    Attributes:
        url: as it was given.
        reason: what happened.
        action: what to do about it.
    """

    def __init__(self, url: str, reason: str, action: str = "Start it first, then register its URL") -> None:
        self.url = url
        self.reason = reason
        self.action = action
        super().__init__(url, reason, action)

    @property
    def fact(self) -> str:
        """The sentence without the advice, for whoever did not register anything."""
        return f"no node answers at {self.url}: {self.reason}"

    def __str__(self) -> str:
        return f"{self.fact}. {self.action}"


class ClusterDataError(UserError):
    """The node's own folder cannot be used.

    Attributes:
        path: the folder or file.
        reason: why.
        action: what to do.
    """

    def __init__(self, path: str, reason: str, action: str) -> None:
        self.path = path
        self.reason = reason
        self.action = action
        super().__init__(path, reason, action)

    def __str__(self) -> str:
        return f"{self.path} cannot be used: {self.reason}. {self.action}"


class NoQuorumError(ServiceUnavailableError):
    """Nothing was written: no majority of the voters can be reached.

    Attributes:
        reason: what was seen.
        outlook: when it goes on.
    """

    code = "NO_QUORUM"

    def __init__(
        self,
        reason: str = "no majority of the voting nodes can be reached",
        outlook: str = "It goes on by itself when enough of them are back",
    ) -> None:
        self.reason = reason
        self.outlook = outlook
        super().__init__(reason, outlook)

    def __str__(self) -> str:
        return f"the cluster cannot decide: {self.reason}. {self.outlook}"


class UnknownOutcomeError(ServiceUnavailableError):
    """No answer in time; the write may have happened.

    Attributes:
        key: of the entry.
    """

    code = "TIMEOUT"

    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(key)

    def __str__(self) -> str:
        return f"whether {self.key!r} was written is not known; read it, or repeat the write with the same op_id"


class StoreMovedError(ServiceUnavailableError):
    """The truth has gone to another store; ask again there."""

    code = "UNSTABLE"

    def __str__(self) -> str:
        return "the consensus store is moving to its voters; try again"


class NotLeaderError(ServiceUnavailableError):
    """Another node decides.

    Attributes:
        leader: the leader's URL, None while there is none.
    """

    code = "NOT_LEADER"

    def __init__(self, leader: str | None) -> None:
        self.leader = leader
        super().__init__(leader)

    def __str__(self) -> str:
        if self.leader is None:
            return "no node leads the cluster now; try again"
        return f"this node does not lead; the leader is {self.leader}"


class NotMemberError(ServiceUnavailableError):
    """This node is not (or no longer) in the cluster.

    Attributes:
        node: its id.
    """

    code = "UNAVAILABLE"
    retryable = False

    def __init__(self, node: str) -> None:
        self.node = node
        super().__init__(node)

    def __str__(self) -> str:
        return f"node {self.node!r} is not a member of the cluster; register it at one of the members"


class UnstableError(ServiceUnavailableError):
    """The cluster is changing.

    Attributes:
        reason: what it waits for.
    """

    code = "UNSTABLE"

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)

    def __str__(self) -> str:
        return f"the cluster is changing: {self.reason}; try again"


RETRYABLE_CODES = frozenset({"NO_QUORUM", "UNSTABLE", "UNAVAILABLE", "SERVICE_UNAVAILABLE", "TIMEOUT", "OVERLOADED"})


class AnsweredError(UserError):
    """What another node of the cluster answered, in its words.

    Attributes:
        code: as in the HTTP table.
        detail: its sentence.
        retryable: whether trying again without a change can help.
    """

    def __init__(self, code: str, detail: str) -> None:
        self.code = code
        self.detail = detail
        self.retryable = code in (
            "NO_QUORUM",
            "UNSTABLE",
            "UNAVAILABLE",
            "SERVICE_UNAVAILABLE",
            "TIMEOUT",
            "OVERLOADED",
        )
        super().__init__(code, detail)

    def __str__(self) -> str:
        return self.detail


class StoreWriteError(ServiceUnavailableError):
    """The disk does not take what is to be decided; nothing was written.

    Attributes:
        path: of the store.
        reason: what the disk says.
    """

    code = "UNAVAILABLE"

    def __init__(self, path: str, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(path, reason)

    def __str__(self) -> str:
        return f"the decisions in {self.path} cannot be written: {self.reason}. Make room; nothing was acknowledged"


class PeerUnavailableError(ServiceUnavailableError):
    """Another node cannot answer now; in its words.

    Attributes:
        url: of that node.
        code: as in the HTTP table.
        detail: its sentence.
    """

    def __init__(self, url: str, code: str, detail: str) -> None:
        self.url = url
        self.code = code
        self.detail = detail
        super().__init__(url, code, detail)

    def __str__(self) -> str:
        return self.detail


class JetStreamMissingError(FrameworkError):
    """The NATS servers that the node was given keep no streams.

    Attributes:
        servers: their addresses.
    """

    def __init__(self, servers: tuple[str, ...]) -> None:
        self.servers = servers
        super().__init__(servers)

    def __str__(self) -> str:
        return f"the servers {', '.join(self.servers)} keep no streams, and the cluster's decisions would live there"
