"""Real nodes that form a cluster: processes with their own NATS servers, killed and started again."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx

from tests.acceptance.processes import AF, clean_environ

DEADLINE_S = 45.0
_POLL_S = 0.05
QUIET = "--server.access-log=false"
"""The waiting of a test would fill the logs."""


class ClusterNode:
    """One `af node start` in a folder.

    Args:
        folder: of the node: working directory, data and logs.
        name: of the node.
        arguments: further ones.
        command: in the place of ``node start``.
        environ: variables of its own.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        *arguments: str,
        command: tuple[str, ...] = ("node", "start"),
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder / name
        self.name = name
        self.folder.mkdir(parents=True, exist_ok=True)
        self._command = [str(AF), *command, "--name", name, "--data-dir", "data", *arguments]
        self._environ = environ or {}
        self._log = self.folder / "node.log"
        self.ready_file = self.folder / "ready.json"
        self.port = 0
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *more: str) -> ClusterNode:
        """Start it, on the port that it had; do not wait."""
        self.ready_file.unlink(missing_ok=True)
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [*self._command, "--port", str(self.port), "--ready-file", str(self.ready_file), QUIET, *more],
                cwd=self.folder,
                env=clean_environ(**self._environ),
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )
        return self

    def ready(self) -> ClusterNode:
        """Wait until it is ready."""
        until(lambda: self.ready_file.exists() or self.ended, f"{self.name} is ready")
        assert self.ready_file.exists(), f"{self.name} ended:\n{self.log()}"
        facts = json.loads(self.ready_file.read_text())
        self.port = int(str(facts["http"]).rpartition(":")[2])
        return self

    @property
    def url(self) -> str:
        """Where it is reached."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def ended(self) -> bool:
        """Whether the process is gone."""
        return self.process is not None and self.process.poll() is not None

    def get(self, path: str, **options: Any) -> httpx.Response:
        """Ask it."""
        return httpx.get(self.url + path, timeout=options.pop("timeout", 5.0), **options)

    def post(self, path: str, body: object = None, **options: Any) -> httpx.Response:
        """Tell it something."""
        return httpx.post(self.url + path, timeout=options.pop("timeout", 20.0), json=body, **options)

    def view(self) -> dict[str, Any]:
        """Return `GET /api/cluster`; nothing when it does not answer."""
        try:
            found: dict[str, Any] = self.get("/api/cluster", timeout=2.0).json()
        except (httpx.HTTPError, ValueError):
            return {}
        return found

    def servers(self) -> list[int]:
        """Return the processes of its NATS servers."""
        return [int(path.read_text()) for path in self.folder.glob("data/cluster/nats/*/nats.pid") if path.exists()]

    def kill(self) -> None:
        """Kill the node's process with -9."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def kill_machine(self) -> None:
        """Kill the node and its servers at once."""
        assert self.process is not None
        pids = self.servers()
        for pid in (*pids, self.process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()

    def pause(self, *, servers: bool = True) -> None:
        """Stop it in time."""
        self._signal(signal.SIGSTOP, servers)

    def resume(self, *, servers: bool = True) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT, servers)

    def _signal(self, number: signal.Signals, servers: bool) -> None:
        assert self.process is not None
        for pid in (self.process.pid, *(self.servers() if servers else ())):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def stop(self) -> int:
        """Send SIGTERM and return the exit code."""
        assert self.process is not None
        self.process.terminate()
        return self.wait()

    def wait(self) -> int:
        """Wait for its end."""
        assert self.process is not None
        return self.process.wait(DEADLINE_S)

    def log(self) -> str:
        """Return what it said."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def __repr__(self) -> str:
        return f"<ClusterNode {self.name!r} {'ended' if self.ended else self.url}>"


class Cluster:
    """The nodes of one test.

    Args:
        folder: where each has its own.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.nodes: dict[str, ClusterNode] = {}

    def __getitem__(self, name: str) -> ClusterNode:
        return self.nodes[name]

    def start(self, name: str, *arguments: str, **options: Any) -> ClusterNode:
        """Start a node and do not wait."""
        node = self.nodes[name] = ClusterNode(self.folder, name, *arguments, **options)
        return node.start()

    def trio(self, *arguments: str) -> None:
        """Start three nodes together and wait until one of them may die."""
        first = self.start("node1", *arguments)
        first.ready()
        others = [self.start(name, "--peer", first.url, *arguments) for name in ("node2", "node3")]
        for node in others:
            node.ready()
        self.until_tolerates(1)

    @property
    def alive(self) -> list[ClusterNode]:
        """The nodes whose process is there."""
        return [node for node in self.nodes.values() if not node.ended]

    def leader(self) -> ClusterNode:
        """Return the node that leads."""
        return next(node for node in self.alive if node.view().get("state") == "LEADER")

    def agree(self, active: int, *, members: int | None = None) -> bool:
        """Whether all nodes that are alive show the same documents, so many ACTIVE, and one leader."""
        views = [node.view() for node in self.alive]
        if not views or any("nodes" not in view for view in views):
            return False
        same = len({json.dumps(view["nodes"]) for view in views}) == 1
        documents = views[0]["nodes"]
        leaders = [view for view in views if view["state"] == "LEADER"]
        return (
            same
            and sum(each["status"] == "ACTIVE" for each in documents) == active
            and (members is None or len(documents) == members)
            and len(leaders) == 1
            and {view["leaderId"] for view in views} == {leaders[0]["nodeId"]}
        )

    def until_agreed(self, active: int, *, members: int | None = None) -> None:
        """Wait for that."""
        until(lambda: self.agree(active, members=members), f"{active} ACTIVE and one leader", self.describe)

    def until_tolerates(self, number: int) -> None:
        """Wait until so many voting nodes may die, as every node shows it."""
        until(
            lambda: all(node.view().get("tolerates") == number for node in self.alive),
            f"tolerates {number}",
            self.describe,
        )

    def describe(self) -> str:
        """Return what every node shows, and its last words."""
        return "\n".join(f"{node!r} {node.view()}\n{node.log()[-3000:]}" for node in self.nodes.values())

    def close(self) -> None:
        """End everything."""
        for node in self.nodes.values():
            if node.process is not None:
                node.resume()
                node.kill_machine()


def until(condition: Callable[[], bool], what: str, describe: Callable[[], str] = lambda: "") -> float:
    """Wait for a condition and return how long it took."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > DEADLINE_S:
            raise AssertionError(f"{what} did not happen within {DEADLINE_S:g} s\n{describe()}")
        time.sleep(_POLL_S)
    return time.monotonic() - began


@contextlib.contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    """A cluster for the length of a ``with``."""
    nodes = Cluster(folder)
    try:
        yield nodes
    finally:
        nodes.close()
