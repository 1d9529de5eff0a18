"""Real processes for scenarios: `af` in a folder, its ready file, its outputs, its end."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

AF = Path(sys.executable).with_name("af")
DEADLINE_S = 60.0


@dataclass(frozen=True)
class Ended:
    """What a command left behind."""

    code: int
    out: str
    err: str


def clean_environ(**extra: str) -> dict[str, str]:
    """Return the process's environment without variables that the framework would read."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("APP_")}
    return {**kept, "NO_COLOR": "1", **extra}


def af(folder: Path, *arguments: str, environ: Mapping[str, str] | None = None, program: Path = AF) -> Ended:
    """Run an `af` command in a folder to its end."""
    done = subprocess.run(
        [str(program), *arguments],
        cwd=folder,
        env=clean_environ(**(environ or {})),
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


class Node:
    """One `af run` in a folder, on a port of its own choice."""

    def __init__(self, folder: Path, *arguments: str, program: Path = AF, environ: Mapping[str, str] | None = None):
        self.ready_file = folder / ".app" / "ready.json"
        self.process = subprocess.Popen(
            [str(program), "run", *arguments, "--server.port=0", f"--ready-file={self.ready_file}"],
            cwd=folder,
            env=clean_environ(**(environ or {})),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.facts = self._wait_ready()
        self.url = str(self.facts["http"])

    def get(self, path: str, **options: Any) -> httpx.Response:
        """Ask over HTTP."""
        return httpx.get(self.url + path, **{"timeout": DEADLINE_S, **options})

    def query(self, cube: str, **query: object) -> httpx.Response:
        """Ask a cube."""
        return httpx.post(f"{self.url}/cubes/{cube}/query", json=query, timeout=DEADLINE_S)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.process.send_signal(signal.SIGTERM)

    def end(self) -> Ended:
        """Wait for the end."""
        out, err = self.process.communicate(timeout=DEADLINE_S)
        return Ended(self.process.returncode, out, err)

    def _wait_ready(self) -> dict[str, object]:
        end = time.monotonic() + DEADLINE_S
        while not self.ready_file.exists():
            if self.process.poll() is not None or time.monotonic() > end:
                self.process.kill()
                raise AssertionError(f"the node did not become ready:\n{self.process.communicate()[1]}")
            time.sleep(0.01)
        facts: dict[str, object] = json.loads(self.ready_file.read_text())
        return facts


@contextlib.contextmanager
def running(folder: Path, *arguments: str, **options: Any) -> Iterator[Node]:
    """Run a node for the length of a ``with``; what is still alive at the end is killed."""
    node = Node(folder, *arguments, **options)
    try:
        yield node
    finally:
        node.process.kill()
        node.process.communicate()
