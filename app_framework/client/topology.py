"""The nodes of a cluster as a client knows them, and the folder where it remembers them between its runs.

The folder is `$XDG_CACHE_HOME/app-framework/clusters`; a file in it holds the name of a cluster, its epoch and the URLs
of its nodes, and nothing that is secret. What cannot be read there is not used, and written again.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from app_framework.client.address import Address
from app_framework.client.errors import AddressError

FILES_MAX = 100
FILE_BYTES_MAX = 256 * 1024
NODES_MAX = 1000


@dataclass(frozen=True, slots=True)
class Topology:
    """Who is in a cluster.

    Args:
        cluster_id: the cluster's name; empty for a node without one.
        epoch: grows with every change.
        urls: of the nodes, the leader first.
    """

    cluster_id: str
    epoch: int
    urls: tuple[str, ...]

    @classmethod
    def of(cls, view: Mapping[str, Any]) -> Topology:
        """Read it from the body of `GET /api/cluster`; nodes that are not active come last."""
        nodes = [node for node in view.get("nodes", ())[:NODES_MAX] if isinstance(node, Mapping)]
        nodes.sort(key=lambda node: (node.get("status") != "ACTIVE", node.get("role") != "LEADER"))
        urls = dict.fromkeys(str(node["url"]).rstrip("/") for node in nodes if isinstance(node.get("url"), str))
        return cls(str(view.get("clusterId") or ""), int(view.get("epoch") or 0), tuple(urls))


class TopologyCache:
    """The folder of remembered clusters.

    Args:
        folder: where; it is made when there is something to remember.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @classmethod
    def of_user(cls) -> TopologyCache:
        """Return the one of who runs this process."""
        base = os.environ.get("XDG_CACHE_HOME") or ""
        root = Path(base) if Path(base).is_absolute() else Path.home() / ".cache"
        return cls(root / "app-framework" / "clusters")

    def find(self, url: str) -> Topology | None:
        """Return the newest cluster that has a node at a URL, None when nothing is remembered of it."""
        for path in self._files():
            topology = _read(path)
            if topology is not None and url in topology.urls:
                return topology
        return None

    def remember(self, topology: Topology) -> None:
        """Write down a cluster, whole or not at all; where that is not possible nothing is remembered."""
        if not topology.cluster_id or not topology.urls:
            return
        with contextlib.suppress(OSError):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=self._folder, suffix=".part")  # for this user only
            try:
                with os.fdopen(handle, "w", encoding="utf-8") as file:
                    json.dump(asdict(topology), file)
                Path(temporary).replace(self._folder / f"{_file_name(topology.cluster_id)}.json")
            except OSError:
                Path(temporary).unlink(missing_ok=True)
                raise

    def _files(self) -> Iterator[Path]:
        """The newest first; those of another user are not ours to believe."""
        try:
            found = [(path.stat(), path) for path in self._folder.glob("*.json")]
        except OSError:
            return
        mine = [(stat.st_mtime, path) for stat, path in found if _is_mine(stat) and stat.st_size <= FILE_BYTES_MAX]
        yield from (path for _, path in sorted(mine, reverse=True)[:FILES_MAX])


def _read(path: Path) -> Topology | None:
    """Return what a file holds, None when it is damaged."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        urls = tuple(Address.of(url).url for url in document["urls"][:NODES_MAX])
        return Topology(str(document["cluster_id"]), int(document["epoch"]), urls)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, AddressError):
        return None


def _is_mine(stat: os.stat_result) -> bool:
    return not hasattr(os, "getuid") or stat.st_uid == os.getuid()


def _file_name(cluster_id: str) -> str:
    """A cluster's name as a file's: other characters than letters, digits, ``-`` and ``_`` by their number."""
    return re.sub(r"[^A-Za-z0-9_-]", lambda match: f"%{ord(match[0]):x}", cluster_id)[:200]
