"""A reader's terminals: one shell that keeps its folder and variables, and a node that runs beside it."""

from __future__ import annotations

import os
import queue
import re
import signal
import subprocess
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from textwrap import indent
from typing import IO

TIMEOUT_S = 30.0
LOOK_AGAIN_S = 0.02
STOPPING = " is stopping"
END = "=== the command has ended ==="

_NODE = re.compile(r"(?:\w+=\S* )*af run\b(?!.*--help)")
_ADDRESS = "http://"


class Terminal:
    """Runs commands in one shell and compares what they print.

    Args:
        folder: where the shell starts.
        environ: its environment variables.
    """

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self._folder = folder
        self._node: subprocess.Popen[bytes] | None = None
        self._log = folder.parent / "node.log"
        self._shell = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=dict(environ),
            text=True,
            start_new_session=True,
        )
        assert self._shell.stdout is not None
        self._lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=_pump, args=(self._shell.stdout, self._lines), daemon=True).start()

    def check(self, command: str, expected: str) -> str | None:
        """Run a command; return how what it prints differs from what is expected, None when it does not."""
        if _NODE.match(command):
            stopped = self.stop_node()
            return stopped or self._start_node(command, expected)
        printed = self.run(command)
        return None if matches(expected, printed) else difference(expected, printed)

    def run(self, command: str) -> str:
        """Run a command in the shell and return what it prints."""
        stdin = self._shell.stdin
        assert stdin is not None
        # Grouped, so that the command reads nothing of ours; its exit code stays in $? for the next one.
        stdin.write(f"{{\n{command}\n}} </dev/null\n__code=$?; printf '\\n%s\\n' '{END}'; (exit $__code)\n")
        stdin.flush()
        printed: list[str] = []
        deadline = time.monotonic() + TIMEOUT_S
        while (line := self._lines.get(timeout=max(deadline - time.monotonic(), 0.01))) != f"{END}\n":
            printed.append(line)
        return "".join(printed).removesuffix("\n")

    def stop_node(self) -> str | None:
        """End the node as Ctrl-C does; return what is wrong with how it ended."""
        node, self._node = self._node, None
        if node is None:
            return None
        if node.poll() is None and STOPPING not in self._log.read_text():  # a second signal would end it at once
            os.killpg(node.pid, signal.SIGINT)
        code = node.wait(TIMEOUT_S)
        return None if code == 0 else f"the node ended with exit code {code}:\n{self._log.read_text()}"

    def close(self) -> None:
        """End whatever runs."""
        if self._node is not None and self._node.poll() is None:
            os.killpg(self._node.pid, signal.SIGKILL)
            self._node.wait(TIMEOUT_S)
        self._shell.terminate()
        self._shell.wait(TIMEOUT_S)
        for stream in (self._shell.stdin, self._shell.stdout):
            assert stream is not None
            stream.close()

    def _start_node(self, command: str, expected: str) -> str | None:
        """Start a node with the shell's folder and variables.

        Where the page shows the node's address, it is left running once it has said what is expected;
        where it shows none, the node is to end by itself, and its exit code is the shell's ``$?``.
        """
        variables = dict(entry.split("=", 1) for entry in self.run("env -0").split("\0") if "=" in entry)
        folder = self.run("pwd").strip()
        with self._log.open("wb") as log:
            node = subprocess.Popen(
                ["bash", "-c", command], cwd=folder, env=variables, stdout=log, stderr=log, start_new_session=True
            )
        self._node = node
        deadline = time.monotonic() + TIMEOUT_S
        while node.poll() is None and time.monotonic() < deadline:
            if _ADDRESS in expected and matches(expected, self._log.read_text()):
                return None
            time.sleep(LOOK_AGAIN_S)
        printed = self._log.read_text()
        if node.poll() is not None:
            self._node = None
            self.run(f"(exit {node.returncode})")
            if _ADDRESS not in expected and matches(expected, printed):
                return None
        return difference(expected, printed)


def matches(expected: str, printed: str) -> bool:
    """Return whether a text is what a page shows: ``...`` is any text, white space counts as one space."""
    pieces, text = [_plain(piece) for piece in expected.split("...")], _plain(printed)
    if len(pieces) == 1:
        return pieces[0] == text
    first, *middle, last = pieces
    if len(text) < len(first) + len(last) or not (text.startswith(first) and text.endswith(last)):
        return False
    at, end = len(first), len(text) - len(last)
    for piece in middle:
        at = text.find(piece, at, end)
        if at < 0:
            return False
        at += len(piece)
    return True


def difference(expected: str, printed: str) -> str:
    """Return both texts for a person."""
    return f"The page shows:\n{indent(expected, '    ')}\nIt printed:\n{indent(printed, '    ')}"


def _plain(text: str) -> str:
    return " ".join(text.split())


def _pump(stream: IO[str], lines: queue.Queue[str]) -> None:
    try:
        for line in stream:
            lines.put(line)
    except ValueError:
        return  # closed while it was read
