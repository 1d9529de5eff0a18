"""What a node keeps about itself: its folder is the node, whatever URL and ports it has today.

`<data-dir>/cluster/node.json` is written whole, synced, and renamed into place; `LOCK` beside it is held for as long as
the process lives, so that two processes never are the same node.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import IO, Any, Literal

from app_framework.cluster.errors import ClusterDataError

Place = Literal["sqlite", "jetstream", "memory"]

FORMAT = 1


@dataclass(frozen=True, slots=True)
class KnownPeer:
    """A member as it was last known, to find the cluster again after a start.

    Args:
        id: its name.
        url: over HTTP.
        route: ``host:port`` of its messenger's server.
    """

    id: str
    url: str
    route: str


@dataclass(frozen=True, slots=True)
class OwnServer:
    """A voting server that this node has to run.

    Args:
        name: of the server.
        kind: voter or witness.
        routes: the servers that it was told of when it was started first.
    """

    name: str
    kind: Literal["voter", "witness"]
    routes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, repr=False)
class NodeIdentity:
    """Everything a node must remember to be the same node again.

    Args:
        name: of the node.
        uid: made when the folder was.
        cluster_id: the cluster's name; empty while it has none.
        cluster_uid: made at the founding of the cluster; empty while it has none.
        key: from which the credentials of the messenger come, hexadecimal.
        place: where the decisions are.
        founder: whose SQLite they are in, by name.
        founder_uid: and by uid.
        removed: the cluster has deregistered the node; it waits to be registered again.
        ports: which port each of its servers has.
        servers: the voting servers that it has to run.
        peers: the members as they were last known.
        attempts: how often the move to voters was begun here.
    """

    name: str
    uid: str
    cluster_id: str = ""
    cluster_uid: str = ""
    key: str = ""
    place: Place = "sqlite"
    founder: str = ""
    founder_uid: str = ""
    removed: bool = False
    ports: Mapping[str, int] = field(default_factory=dict)
    servers: tuple[OwnServer, ...] = ()
    peers: tuple[KnownPeer, ...] = ()
    attempts: int = 0

    @property
    def in_cluster(self) -> bool:
        """Whether the node has ever been in a cluster, and was not deregistered."""
        return bool(self.cluster_uid) and not self.removed

    @property
    def holds_truth(self) -> bool:
        """Whether the decisions are in this node's SQLite."""
        return self.place == "sqlite" and self.founder_uid == self.uid

    def alone(self) -> NodeIdentity:
        """Return the identity without any cluster."""
        return NodeIdentity(self.name, self.uid, ports=self.ports, attempts=self.attempts)

    def __repr__(self) -> str:
        cluster = f"in {self.cluster_id!r} ({self.place})" if self.cluster_uid else "without a cluster"
        return f"<NodeIdentity {self.name!r} {cluster}>"


class NodeFolder:
    """The folder of one node, locked.

    Args:
        path: ``<data-dir>/cluster``.

    Raises:
        ClusterDataError: another process has it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = _locked(path / "LOCK")
        except OSError as error:
            raise ClusterDataError(
                str(path), f"{error.strerror or error}", "Choose another app.data-dir, or make this one writable"
            ) from error

    @property
    def store_path(self) -> Path:
        """The SQLite file of decisions."""
        return self.path / "store.db"

    @property
    def snapshot_path(self) -> Path:
        """The copy of the registry, from which a lost cluster is rebuilt."""
        return self.path / "snapshot.json"

    @property
    def servers_path(self) -> Path:
        """The folders of the servers."""
        return self.path / "nats"

    def identity(self, name: str | None, default_name: str) -> NodeIdentity:
        """Return who this node is; a new folder becomes a new node.

        Args:
            name: as configured; None to keep what the folder remembers.
            default_name: for a new folder without a configured name.

        Raises:
            ClusterDataError: the folder is another node's, or damaged.
        """
        known = self._read()
        if known is None:
            known = NodeIdentity(name or default_name, secrets.token_hex(8))
            self.remember(known)
        if name and known.name != name:
            raise ClusterDataError(
                str(self.path),
                f"it belongs to node {known.name!r}, not to {name!r}",
                "Give each node a folder of its own (app.data-dir, --data-dir), or keep the node's name",
            )
        return known

    def remember(self, identity: NodeIdentity) -> NodeIdentity:
        """Write who this node is, durably, and return it."""
        data = json.dumps({"format": FORMAT, **asdict(identity)}, indent=1).encode()
        write_durably(self.path / "node.json", data)
        return identity

    def close(self) -> None:
        """Let another process have the folder."""
        self._lock.close()

    def _read(self) -> NodeIdentity | None:
        file = self.path / "node.json"
        try:
            fields: dict[str, Any] = json.loads(file.read_bytes())
            if fields.pop("format") != FORMAT:
                raise ClusterDataError(str(file), "a newer version wrote it", "Upgrade this node")
            servers = tuple(OwnServer(**{**each, "routes": tuple(each["routes"])}) for each in fields.pop("servers"))
            peers = tuple(KnownPeer(**each) for each in fields.pop("peers"))
            return replace(NodeIdentity(**fields), servers=servers, peers=peers)
        except FileNotFoundError:
            return None
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ClusterDataError(
                str(file), f"it is damaged ({error})", "Move the folder away and let the node join again as a new one"
            ) from error


def cluster_folder(data_dir: Path) -> Path:
    """Return where a node keeps its cluster."""
    return data_dir / "cluster"


def write_durably(path: Path, data: bytes) -> None:
    """Replace a file so that after a crash it is the old one or the new one, whole; only its owner may read it."""
    draft = path.with_suffix(path.suffix + ".new")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _locked(path: Path) -> IO[str]:
    lock = path.open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        pid = lock.read().strip()
        lock.close()
        raise ClusterDataError(
            str(path.parent),
            f"another node uses it (process {pid})" if pid else "another node uses it",
            "Stop that node, or give this one a folder of its own (app.data-dir, --data-dir)",
        ) from None
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock
