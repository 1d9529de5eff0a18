"""Nodes of a cluster as processes: started together, watched from outside, killed as nodes or machines, ended always.

A node is `af node start` with the subject `talking_node`; its NATS servers are its children. What a watcher sees is
what any client sees: `GET /api/cluster`, again and again over one kept connection.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any

from benchmarks.processes import ROOT, af, environment, free_port
from benchmarks.wire import Answer, KeepAlive, get, request

SETTINGS = ("--server.access-log=false",)
"""Looks and writes would fill the log, in which one searches for what a node did."""
SUBJECT = "benchmarks.subjects.talking_node:app"
NAMES = ("node1", "node2", "node3")
DEADLINE_S = 60.0
LOOK_AGAIN_S = 0.004
VIEW = get("/api/cluster")
LAST_WORDS = 3000
PROCESS_CLOCK = 2
"""The kind of clock of `clock_getcpuclockid`: of a whole process, by its scheduler."""

JsonObject = Mapping[str, Any]


class ClusterNode:
    """One node as a process, in a folder of its own.

    Args:
        folder: of all nodes.
        name: of this one.
        peers: URLs that it joins through; none for the founder.
    """

    def __init__(self, folder: Path, name: str, peers: Sequence[str] = ()) -> None:
        self.name = name
        self.port = free_port()
        self.folder = folder / name
        self.folder.mkdir(parents=True)
        self._peers = [argument for peer in peers for argument in ("--peer", peer)]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it is reached."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """Its process."""
        assert self._process is not None, "it was not started"
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether its process is there."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it, after its last life, and do not wait."""
        if self._process is not None:
            self.wait()
        with (self.folder / "node.log").open("ab") as log:
            self._process = subprocess.Popen(
                af(
                    "node",
                    "start",
                    SUBJECT,
                    "--name",
                    self.name,
                    "--port",
                    str(self.port),
                    "--data-dir",
                    "data",
                    *SETTINGS,
                )
                + self._peers,
                cwd=self.folder,
                env={**environment(), "PYTHONPATH": str(ROOT)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def ask(self, message: bytes) -> Answer:
        """Exchange one request over a connection of its own.

        Raises:
            OSError: it does not answer.
        """
        with KeepAlive(self.port) as connection:
            return connection.exchange(message)

    def answers(self, message: bytes) -> bool:
        """Whether it answers at all."""
        with contextlib.suppress(OSError):
            self.ask(message)
            return True
        return False

    def told(self, message: bytes) -> JsonObject:
        """Return the document that a request is answered with; nothing when it fails."""
        with contextlib.suppress(OSError):
            answer = self.ask(message)
            if answer.status == 200:
                document: JsonObject = json.loads(answer.body)
                return document
        return {}

    def view(self) -> JsonObject:
        """Return `GET /api/cluster`; nothing when it does not answer."""
        return self.told(VIEW)

    def terminate(self) -> None:
        """Send the signal for a graceful stop."""
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        """End the node with -9; its servers end with it."""
        self._send(signal.SIGKILL)

    def kill_machine(self) -> None:
        """End the node and its servers with -9, all at once."""
        for pid in self.servers():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.kill()

    def wait(self) -> None:
        """Wait for its end."""
        if self._process is not None:
            self._process.wait(DEADLINE_S)

    def servers(self) -> list[int]:
        """Return the processes of its NATS servers."""
        if not self.alive:
            return []  # the numbers in the files may be others' by now
        files = self.folder.glob("data/cluster/nats/*/nats.pid")
        return [int(text) for text in (file.read_text() for file in files) if text.strip()]

    def cpu_s(self) -> tuple[float, float]:
        """Return how much time of a core its process and its servers have taken so far."""
        return _cpu_s(self.pid), sum(_cpu_s(pid) for pid in self.servers())

    def log(self) -> str:
        """Return its last words."""
        return (self.folder / "node.log").read_text(errors="replace")[-LAST_WORDS:]

    def _send(self, number: signal.Signals) -> None:
        if self.alive and self._process is not None:
            self._process.send_signal(number)


class Trio:
    """Three nodes that were started together, the first as founder; a ``with`` ends them, whatever happened.

    Attributes:
        nodes: by name.
        started_s: when the first was started, on the monotonic clock.
    """

    def __init__(self) -> None:
        self._folder = TemporaryDirectory(prefix="benchmark-cluster-", ignore_cleanup_errors=True)
        folder = Path(self._folder.name)
        founder = ClusterNode(folder, NAMES[0])
        joiners = [ClusterNode(folder, name, [founder.url]) for name in NAMES[1:]]
        self.nodes = {node.name: node for node in (founder, *joiners)}
        self.started_s = 0.0

    def __enter__(self) -> Trio:
        self.started_s = time.monotonic()
        try:
            for node in self.nodes.values():
                node.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End all of them and delete what they kept."""
        for node in self.nodes.values():
            node.kill_machine()
        for node in self.nodes.values():
            node.wait()
        self._folder.cleanup()

    @property
    def alive(self) -> list[ClusterNode]:
        """The nodes whose process is there."""
        return [node for node in self.nodes.values() if node.alive]

    def leader(self) -> ClusterNode:
        """Return the node on which the living agree."""
        return self.nodes[str(self.alive[0].view()["leaderId"])]

    def until_working(self) -> None:
        """Wait until all three are ACTIVE, as each of them shows it, under one leader."""
        self.until(lambda: is_working([node.view() for node in self.nodes.values()]), "three ACTIVE, one leader")

    def until_safe(self) -> None:
        """Wait until one of them may die, as each of them shows it."""
        self.until(
            lambda: (
                is_working(views := [node.view() for node in self.nodes.values()])
                and all(view["tolerates"] == 1 for view in views)
            ),
            "tolerates 1",
        )

    def until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait for something.

        Raises:
            RuntimeError: it did not come; with what every node shows and said last.
        """
        deadline_s = time.monotonic() + DEADLINE_S
        while not condition():
            if time.monotonic() > deadline_s:
                told = "\n".join(f"{node.name}: {node.view()}\n{node.log()}" for node in self.nodes.values())
                raise RuntimeError(f"{what} did not come within {DEADLINE_S:g} s\n{told}")
            time.sleep(LOOK_AGAIN_S)


@dataclass(frozen=True, slots=True)
class Sight:
    """One look at a node: what it showed, when it was asked, and when the answer was there."""

    asked_s: float
    seen_s: float
    state: str
    leader: str | None
    term: int


@dataclass(slots=True)
class Watcher:
    """Looks at one node again and again, on a thread of its own, for the length of a ``with``.

    Args:
        node: to be looked at.

    Attributes:
        sights: what was seen, in order.
    """

    node: ClusterNode
    sights: list[Sight] = field(default_factory=list)
    _ended: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    @property
    def longest_pause_s(self) -> float:
        """The longest time between two answers; looks that failed are in it."""
        return max(after.seen_s - before.seen_s for before, after in pairwise(self.sights))

    def first(self, condition: Callable[[Sight], bool], *, after_s: float = 0.0) -> Sight | None:
        """Return the first look for which something is true."""
        return next((each for each in tuple(self.sights) if each.seen_s >= after_s and condition(each)), None)

    def __enter__(self) -> Watcher:
        self._thread = threading.Thread(target=self._look_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    def _look_forever(self) -> None:
        while not self._ended.is_set():
            with contextlib.suppress(OSError), KeepAlive(self.node.port) as connection:
                self._look(connection)
            self._ended.wait(LOOK_AGAIN_S)

    def _look(self, connection: KeepAlive) -> None:
        while not self._ended.is_set():
            asked_s = time.monotonic()
            answer = connection.exchange(VIEW)
            seen_s = time.monotonic()
            if answer.status != 200:
                return
            view = json.loads(answer.body)
            self.sights.append(Sight(asked_s, seen_s, view["state"], view["leaderId"], view["term"] or 0))
            self._ended.wait(LOOK_AGAIN_S)


@contextlib.contextmanager
def watching(nodes: Sequence[ClusterNode]) -> Iterator[dict[str, Watcher]]:
    """Look at several nodes at once."""
    with contextlib.ExitStack() as stack:
        yield {node.name: stack.enter_context(Watcher(node)) for node in nodes}


class Writers:
    """Append numbers to one entry by compare-and-set, one writer for each node, for the length of a ``with``.

    Args:
        nodes: through which is written.

    Attributes:
        acknowledged: the numbers whose write was acknowledged, and when.
    """

    PAUSE_S = 0.05

    def __init__(self, nodes: Sequence[ClusterNode]) -> None:
        self.acknowledged: dict[int, float] = {}
        self._ended = threading.Event()
        self._threads = [
            threading.Thread(target=self._write_forever, args=(node, at, len(nodes)), daemon=True)
            for at, node in enumerate(nodes)
        ]

    def __enter__(self) -> Writers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    @property
    def longest_pause_s(self) -> float:
        """The longest time between two acknowledgements."""
        return max(after - before for before, after in pairwise(sorted(self.acknowledged.values())))

    def written_after(self, moment_s: float) -> bool:
        """Whether a write was acknowledged after a moment."""
        return any(each_s > moment_s for each_s in tuple(self.acknowledged.values()))

    def _write_forever(self, node: ClusterNode, number: int, step: int) -> None:
        while not self._ended.is_set():
            number += step
            if write(node, number):
                self.acknowledged[number] = time.monotonic()
            self._ended.wait(self.PAUSE_S)


def write(node: ClusterNode, number: int) -> bool:
    """Append a number by compare-and-set; whether that was acknowledged."""
    with contextlib.suppress(OSError):
        return node.ask(request("POST", f"/benchmark/numbers/{number}")).status == 200
    return False


def clear(node: ClusterNode) -> bool:
    """Begin with no numbers."""
    with contextlib.suppress(OSError):
        return node.ask(request("PUT", "/benchmark/numbers")).status == 200
    return False


def numbers(node: ClusterNode) -> list[int] | None:
    """Return the numbers as the majority has them; None while it does not answer."""
    with contextlib.suppress(OSError):
        answer = node.ask(get("/benchmark/numbers"))
        if answer.status == 200:
            found: list[int] = json.loads(answer.body)
            return found
    return None


def is_working(views: Sequence[JsonObject]) -> bool:
    """Whether all nodes show the same three ACTIVE members, and exactly one of them leads.

    >>> nodes = [{"_id": name, "status": "ACTIVE"} for name in NAMES]
    >>> views = [{"nodeId": name, "leaderId": "node2", "state": "FOLLOWER", "nodes": nodes} for name in NAMES]
    >>> is_working(views)
    False
    >>> views[1]["state"] = "LEADER"
    >>> is_working(views)
    True
    """
    if not all(view.get("nodes") == views[0].get("nodes") for view in views):
        return False
    active = [each["_id"] for each in views[0].get("nodes", ()) if each["status"] == "ACTIVE"]
    leading = [view["nodeId"] for view in views if view.get("state") == "LEADER"]
    return len(active) == len(views) and len(leading) == 1 and {view["leaderId"] for view in views} == set(leading)


def _cpu_s(pid: int) -> float:
    """The processor time of a process with all its threads; the same as in /proc/PID/stat, in finer steps."""
    if not sys.platform.startswith("linux"):
        raise RuntimeError("the processor time of other processes is read as Linux tells it")
    return time.clock_gettime(~pid << 3 | PROCESS_CLOCK)
