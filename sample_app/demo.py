"""What `make demo` runs: three nodes of the sample, and a signpost once they answer as one.

    python -m sample_app.demo --server.port=0

Each node holds the flights out of one airport, and any of them answers for all three. Ctrl-C and SIGTERM end the nodes,
then the demo.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

TARGET = "sample_app.main:app"
AIRPORTS = ("EWR", "JFK", "LGA")
KEPT_IN = Path(".app") / "demo"
PORT = 8080
PORT_OPTION = "--server.port="
LOOK_AGAIN_S = 0.05
ANSWER_S = 30.0
PR_SET_PDEATHSIG = 1
FLIGHTS = {"measures": ["flights"]}


@dataclass(slots=True)
class DemoNode:
    """One of the three nodes.

    Args:
        airport: whose flights it holds.
        port: where it listens.
        folder: where it keeps what it knows.
        peer: a node that it joins; None for the one that founds the cluster.
        arguments: for `af node start`.
    """

    airport: str
    port: int
    folder: Path
    peer: DemoNode | None = None
    arguments: Sequence[str] = ()
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """What the cluster calls it."""
        return self.airport.lower()

    @property
    def url(self) -> str:
        """Where it is reached."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def command(self) -> tuple[str, ...]:
        """What starts it, also again after its death; AIRPORT stands in its environment."""
        peer = () if self.peer is None else ("--peer", f"127.0.0.1:{self.peer.port}")
        named = ("--name", self.name, "--port", str(self.port), "--data-dir", str(self.folder))
        return ("af", "node", "start", TARGET, "--profile", "three-nodes", *named, *peer, *self.arguments)

    def start(self) -> None:
        """Start it in a session of its own: a Ctrl-C in the terminal is for the demo, which hands it on once."""
        af = Path(sys.executable).with_name("af")
        command = [str(af), *self.command[1:], "--ready-file", str(self.ready_file)]
        environment = {**os.environ, "AIRPORT": self.airport}
        self.process = subprocess.Popen(  # noqa: S603
            command,
            env=environment,
            start_new_session=True,
            preexec_fn=end_with_parent,  # noqa: PLW1509
        )

    @property
    def ready_file(self) -> Path:
        """What it writes when it is ready."""
        return self.folder / "ready.json"

    @property
    def ended(self) -> bool:
        """Whether it ran and runs no more."""
        return self.process is not None and self.process.poll() is not None


class Demo:
    """The three nodes together, in an empty folder."""

    def __init__(self, ports: Sequence[int], folder: Path, arguments: Sequence[str]) -> None:
        places = [(airport, port, folder / airport.lower()) for airport, port in zip(AIRPORTS, ports, strict=True)]
        founder = DemoNode(*places[0], arguments=arguments)
        self.nodes = (founder, *(DemoNode(*place, founder, arguments) for place in places[1:]))

    def run(self) -> int:
        """Run until someone ends it; return the exit code of a node that failed, 0 for none and for a kill."""
        with ExitStack() as stack:
            stack.callback(self.stop)
            for node in self.nodes:
                node.folder.mkdir(parents=True)
                node.start()
            self.pass_signals_on()
            if self.wait_until_one():
                print(signpost(self.nodes), flush=True)
            return max(0, *(node.process.wait() for node in self.nodes if node.process is not None))

    def stop(self) -> None:
        """Ask every node to stop."""
        for node in self.nodes:
            if node.process is not None and not node.ended:
                node.process.terminate()

    def pass_signals_on(self) -> None:
        """Whatever asks the demo to end asks the nodes to stop; a second Ctrl-C makes them leave at once."""

        def stop(_number: int, _frame: FrameType | None) -> None:
            self.stop()

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, stop)

    def wait_until_one(self) -> bool:
        """Wait until any node answers for all airports; when one ends before, it has said why, and the others end."""
        while not all(node.ready_file.exists() for node in self.nodes):
            if self._one_ended():
                return False
            time.sleep(LOOK_AGAIN_S)
        until_s = time.monotonic() + ANSWER_S
        while not all(answers(node.url) for node in self.nodes):
            if self._one_ended():
                return False
            if time.monotonic() > until_s:
                break  # the nodes themselves say what they wait for: /studio and /actuator/health
            time.sleep(LOOK_AGAIN_S)
        return True

    def _one_ended(self) -> bool:
        if any(node.ended for node in self.nodes):
            self.stop()
            return True
        return False


def main(arguments: Sequence[str]) -> int:
    """Run the demo until someone ends it."""
    port = next((int(each.removeprefix(PORT_OPTION)) for each in arguments if each.startswith(PORT_OPTION)), PORT)
    others = [each for each in arguments if not each.startswith(PORT_OPTION)]
    try:
        ports = free_ports([port and port + i for i in range(len(AIRPORTS))])
    except OSError as error:
        print(f"The demo needs the ports {port} to {port + 2}: {error.strerror}.", file=sys.stderr)
        print(f"End what uses them, or: make demo ARGS={PORT_OPTION}0", file=sys.stderr)
        return 1
    if port == 0:
        with tempfile.TemporaryDirectory() as folder:
            return Demo(ports, Path(folder), others).run()
    shutil.rmtree(KEPT_IN, ignore_errors=True)
    return Demo(ports, KEPT_IN, others).run()


def free_ports(wanted: Sequence[int]) -> list[int]:
    """Return ports that nobody listens on, any for 0; the nodes have to know each other's before they start."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in wanted]
        for each, port in zip(sockets, wanted, strict=True):
            each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the nodes will listen
            each.bind(("127.0.0.1", port))
        return [int(each.getsockname()[1]) for each in sockets]


def end_with_parent() -> None:
    """Ask Linux to send SIGTERM to this process when its parent is gone, however it went: nothing is left behind."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def answers(url: str) -> bool:
    """Return whether a node answers for all airports."""
    request = urllib.request.Request(  # noqa: S310
        f"{url}/cubes/nyc/query", json.dumps(FLIGHTS).encode(), {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=ANSWER_S) as answer:  # noqa: S310
            return len(json.load(answer)["versions"]) == len(AIRPORTS)
    except OSError:
        return False


def signpost(nodes: Sequence[DemoNode]) -> str:
    """Where to go from here; the Studio comes last, because the last line is the one that people see."""
    first, victim = nodes[0], nodes[1]
    pid = victim.process.pid if victim.process is not None else "PID"
    listed = "\n".join(
        f"  {node.name}         {node.url}/cubes/flights   the flights out of {node.airport}" for node in nodes
    )
    return f"""
NYC Ops is running on three nodes, each with the flights out of one airport. Ctrl-C ends them.

{listed}
  all of them {first.url}/cubes/nyc       the same from any node
  one answer  {first.url}/ops/worst-origin?month=7
  API docs    {first.url}/docs
  health      {first.url}/actuator/health
  end one     kill -9 {pid}
  and back    AIRPORT={victim.airport} .venv/bin/{" ".join(victim.command)}
  Studio      {first.url}/studio"""


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
