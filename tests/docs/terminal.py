"""A reader's terminals: one shell that keeps its folder and variables, and the nodes that run beside it."""

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

from tests.docs.foreground import LOOK_AGAIN_S, Foreground

TIMEOUT_S = 30.0
SETTLED_S = 20.0
"""How long a cluster may take until it shows what the page shows."""
READ_AGAIN_S = 0.25
"""A command is a process: looking all the time would take from the nodes what they need to settle."""
END = "=== the command has ended ==="

_NODE = re.compile(r"(?:\w+=\S* )*af (?P<kind>run|node start|witness)\b(?!.*--help)")
_READS = re.compile(r".*\baf (cluster status|shell|query)\b|curl (?!.*( -X | -d | --json ))", re.DOTALL)
_KILLS = re.compile(r"\bkill -(9|KILL)\b")
_ADDRESS = "http://"


class Terminal:
    """Runs commands in one shell and compares what they print.

    Args:
        folder: where the shell starts.
        environ: its environment variables.
    """

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self._logs = folder.parent
        self._started = 0
        self._run: list[Foreground] = []
        self._cluster: list[Foreground] = []
        self._kills = False
        self._shell = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],  # it ends with this process, whose end closes its standard input
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
        """Run a command; return how what it prints differs from what is expected, None when it does not.

        While nodes of a cluster run, a command that only reads is repeated until it fits: people look again, too.
        """
        if node := _NODE.match(command):
            return self._check_node(command, expected, is_run=node["kind"] == "run")
        self._kills |= bool(_KILLS.search(command))
        again = bool(self._cluster and _READS.match(command))
        deadline_s = time.monotonic() + SETTLED_S
        while not matches(expected, printed := self.run(command)):
            if not again or time.monotonic() > deadline_s:
                return difference(expected, printed) + "".join(_last_words(node) for node in self._cluster)
            time.sleep(READ_AGAIN_S)
        return None

    def run(self, command: str) -> str:
        """Run a command in the shell and return what it prints."""
        stdin = self._shell.stdin
        assert stdin is not None
        # Grouped, so that the command reads nothing of ours; its exit code stays in $? for the next one.
        stdin.write(f"{{\n{command}\n}} </dev/null\n__code=$?; printf '\\n%s\\n' '{END}'; (exit $__code)\n")
        stdin.flush()
        printed: list[str] = []
        deadline_s = time.monotonic() + TIMEOUT_S
        while (line := self._next_line(deadline_s)) != f"{END}\n":
            if line is None:
                raise TimeoutError(f"$ {command}\ndid not end within {TIMEOUT_S:g} s; it printed {''.join(printed)!r}")
            printed.append(line)
        return "".join(printed).removesuffix("\n")

    def stop_cluster(self) -> str | None:
        """End the nodes of a cluster, with Ctrl-C in each terminal; return what is wrong with how one ended."""
        fine = (0, -signal.SIGKILL) if self._kills else (0,)
        self._kills = False
        return _stopped(self._cluster, fine)

    def stop_nodes(self) -> str | None:
        """End every node; return what is wrong with how one ended."""
        return self.stop_cluster() or _stopped(self._run)

    def close(self) -> None:
        """End whatever runs, at once."""
        for node in (*self._run, *self._cluster):
            node.kill()
        if self._shell.poll() is None:
            os.killpg(self._shell.pid, signal.SIGKILL)
        self._shell.wait(TIMEOUT_S)
        for stream in (self._shell.stdin, self._shell.stdout):
            assert stream is not None
            stream.close()

    def _next_line(self, deadline_s: float) -> str | None:
        try:
            return self._lines.get(timeout=max(deadline_s - time.monotonic(), 0.01))
        except queue.Empty:
            return None

    def _check_node(self, command: str, expected: str, *, is_run: bool) -> str | None:
        """Start a node with the shell's folder and variables.

        Where the page shows the node's address, it is left running once it has said what is expected;
        where it shows none, the node is to end by itself, and its exit code is the shell's ``$?``.
        """
        nodes = self._run if is_run else self._cluster
        if is_run and (wrong := _stopped(self._run)):
            return wrong
        for earlier in self._cluster:
            if earlier.command == command:  # typed again into the same terminal, when the prompt is back there
                earlier.ended_within(TIMEOUT_S)
        node = self._launch(command)
        nodes.append(node)
        if _ADDRESS in expected and _says(node, expected):
            return None
        if node.ended_within(TIMEOUT_S):
            nodes.remove(node)
            self.run(f"(exit {node.code})")
            if _ADDRESS not in expected and matches(expected, node.printed):
                return None
        return difference(expected, node.printed)

    def _launch(self, command: str) -> Foreground:
        variables = dict(entry.split("=", 1) for entry in self.run("env -0").split("\0") if "=" in entry)
        self._started += 1
        return Foreground(command, Path(self.run("pwd").strip()), variables, self._logs / f"node{self._started}.log")


def _says(node: Foreground, expected: str) -> bool:
    """Wait until a node has said what is expected; whether it has, and runs."""
    deadline_s = time.monotonic() + TIMEOUT_S
    while node.code is None and time.monotonic() < deadline_s:
        if matches(expected, node.printed):
            return True
        time.sleep(LOOK_AGAIN_S)
    return False


def _stopped(nodes: list[Foreground], fine: tuple[int, ...] = (0,)) -> str | None:
    """End nodes, all at once; return what is wrong with how they ended."""
    for node in nodes:
        node.interrupt()
    wrong = [_how_it_ended(node) for node in nodes if not node.ended_within(TIMEOUT_S) or node.code not in fine]
    for node in nodes:
        node.kill()
    nodes.clear()
    return "\n".join(wrong) or None


def _how_it_ended(node: Foreground) -> str:
    how = "did not end after Ctrl-C" if node.code is None else f"ended with exit code {node.code}"
    return f"$ {node.command}\n{how}:\n{indent(node.printed, '    ')}"


def _last_words(node: Foreground) -> str:
    """The end of what a node said, for whoever has to find out why a page does not hold."""
    return f"\n$ {node.command}\n{indent(chr(10).join(node.printed.splitlines()[-12:]), '    ')}"


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
