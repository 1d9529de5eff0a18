"""What `make demo` runs: the sample node in a process of its own, and a signpost once it is ready.

    python -m sample_app.demo --server.port=0

Ctrl-C and SIGTERM end the node in order, then the demo, with the node's exit code.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

TARGET = "sample_app.main:app"
LOOK_AGAIN_S = 0.05
PR_SET_PDEATHSIG = 1


def main(arguments: Sequence[str]) -> int:
    """Run the demo until someone ends it; return the node's exit code."""
    with tempfile.TemporaryDirectory() as folder:
        ready_file = Path(folder) / "ready.json"
        node = start_node(ready_file, arguments)
        pass_signals_on_to(node)
        if url := wait_for_url(node, ready_file):
            print(signpost(url), flush=True)
        return node.wait()


def start_node(ready_file: Path, arguments: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start the node in a session of its own: a Ctrl-C in the terminal is for the demo, which hands it on once."""
    af = Path(sys.executable).with_name("af")
    command = [str(af), "run", TARGET, "--profile", "dev", "--ready-file", str(ready_file), *arguments]
    return subprocess.Popen(command, start_new_session=True, preexec_fn=end_with_parent)  # noqa: S603, PLW1509


def end_with_parent() -> None:
    """Ask Linux to send SIGTERM to this process when its parent is gone, however it went: nothing is left behind."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def pass_signals_on_to(node: subprocess.Popen[bytes]) -> None:
    """Whatever asks the demo to end asks the node to stop; a second Ctrl-C makes it leave at once."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        node.terminate()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)


def wait_for_url(node: subprocess.Popen[bytes], ready_file: Path) -> str | None:
    """Where the node is reached once it is ready; None when it ended before, and has said why."""
    while node.poll() is None:
        if ready_file.exists():
            return str(json.loads(ready_file.read_text())["http"])
        time.sleep(LOOK_AGAIN_S)
    return None


def signpost(url: str) -> str:
    """Where to go from here; the Studio comes last, because the last line is the one that people see."""
    return f"""
NYC Ops is running. Ctrl-C ends it.

  the cube    {url}/cubes/flights
  one answer  {url}/ops/worst-origin?month=7
  API docs    {url}/docs
  health      {url}/actuator/health
  Studio      {url}/studio"""


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
