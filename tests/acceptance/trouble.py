"""What goes wrong on bad days, made on purpose: full disks, taken ports, servers that are not what they should be."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.acceptance.cluster import ClusterNode, until
from tests.acceptance.processes import AF

LOOPBACK = "127.0.0.1"
NATS_SERVER = AF.with_name("nats-server")
_ALONE = ("unshare", "--user", "--map-root-user", "--mount")
"""Its mounts are seen by nobody else, and end with it."""


@dataclass(frozen=True)
class Refusal:
    """What a node said that did not start."""

    description: str
    action: str


def refusal_of(node: ClusterNode) -> Refusal:
    """Wait for a node that is not to start, and return what it says; whoever reads it needs no traceback."""
    assert node.wait() == 1, node.log()
    log = node.log()
    assert "Traceback" not in log, log
    assert "could not be created" not in log, log
    said = re.search(r"\nDescription:\n\n(.*)\n\nAction:\n\n(.*)\n", log, re.DOTALL)
    assert said is not None, log
    description, action = (" ".join(part.split()) for part in said.groups())
    assert action != "Mend the cause above. The whole traceback is shown with --debug.", log
    return Refusal(description, action)


def in_folder_of(other: ClusterNode, folder: Path, name: str, *arguments: str) -> ClusterNode:
    """Return a node that is to start in another one's data folder."""
    node = ClusterNode(folder, f"{name}-again", *arguments)
    at = node._command.index("--name") + 1
    node._command[at] = name
    node._command[node._command.index("--data-dir") + 1] = str(other.folder / "data")
    return node


# -- ports -------------------------------------------------------------------------------------------------------------


def free_port() -> int:
    """Return a port that is free now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def taken(*ports: int) -> Iterator[list[int]]:
    """Listen on ports, and answer nobody; 0 is any."""
    with contextlib.ExitStack() as stack:
        listeners = []
        for port in ports:
            listener = stack.enter_context(socket.socket())
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((LOOPBACK, port))
            listener.listen()
            listeners.append(listener)
        yield [listener.getsockname()[1] for listener in listeners]


def remembered_ports(node: ClusterNode) -> dict[str, int]:
    """Return the ports that a node keeps for its NATS servers."""
    ports: dict[str, int] = json.loads((node.folder / "data/cluster/node.json").read_text())["ports"]
    return ports


# -- what is no node, and no NATS server as it should be ---------------------------------------------------------------


@contextlib.contextmanager
def web_server() -> Iterator[str]:
    """Something that speaks HTTP and is no node."""

    class Page(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>hello</html>")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (its own name for it)
            """Say nothing."""

    server = ThreadingHTTPServer((LOOPBACK, 0), Page)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://{LOOPBACK}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextlib.contextmanager
def dripping() -> Iterator[str]:
    """Something that begins an answer over HTTP and never ends it."""
    with socket.create_server((LOOPBACK, 0)) as listener:
        over = threading.Event()

        def serve() -> None:
            with contextlib.suppress(OSError):
                client, _ = listener.accept()
                with client:
                    client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
                    while not over.wait(0.1):
                        client.sendall(b" ")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://{LOOPBACK}:{listener.getsockname()[1]}"
        over.set()
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()


def old_nats_server(version: str) -> contextlib.AbstractContextManager[str]:
    """Something that says it is a nats-server of a version."""
    return greeting(f'INFO {{"server_name":"old","version":"{version}","max_payload":1048576,"jetstream":true}}')


@contextlib.contextmanager
def greeting(line: str) -> Iterator[str]:
    """Something that says a line to whoever connects, and lets everybody in."""
    with socket.create_server((LOOPBACK, 0)) as listener:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    with client:
                        client.sendall(f"{line}\r\n".encode())
                        client.recv(4096)
                        client.sendall(b"PONG\r\n")
                        client.recv(4096)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"nats://{LOOPBACK}:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()


class NatsServerProcess:
    """A nats-server that somebody runs beside the nodes.

    Args:
        arguments: of the program.
    """

    def __init__(self, *arguments: str) -> None:
        self._port = free_port()
        self._arguments = arguments
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"nats://{LOOPBACK}:{self._port}"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self._process = subprocess.Popen(
            [str(NATS_SERVER), "-a", LOOPBACK, "-p", str(self._port), *self._arguments],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until(self._answers, "the nats-server answers")

    def stop(self) -> None:
        """End it."""
        assert self._process is not None
        self._process.terminate()
        self._process.wait()

    def _answers(self) -> bool:
        try:
            socket.create_connection((LOOPBACK, self._port), 1).close()
        except OSError:
            return False
        return True


@contextlib.contextmanager
def nats_server(*arguments: str) -> Iterator[NatsServerProcess]:
    """Run one for the length of a ``with``."""
    server = NatsServerProcess(*arguments)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def program(folder: Path, says: str) -> Path:
    """Make a program that only says something."""
    path = folder / "program"
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)
    return path


# -- disks -------------------------------------------------------------------------------------------------------------


class SmallDisk:
    """A disk of a node's own for its data: nobody else sees it, and it ends with the node's process.

    Args:
        node: not started yet.
        size: such as ``20m``.
    """

    def __init__(self, node: ClusterNode, size: str) -> None:
        if not _may_mount():
            pytest.skip("this user may not mount a disk, not even in a namespace of its own")
        self._node = node
        self._data = node.folder / "data"
        self._data.mkdir()
        mounted = f"mount -t tmpfs -o size={size} tmpfs '{self._data}' && exec \"$@\""
        node._command = [*_ALONE, "sh", "-c", mounted, "sh", *node._command]

    def fill(self) -> None:
        """Leave no byte."""
        file = os.open(self.path / "fill", os.O_WRONLY | os.O_CREAT)
        for size in (1 << 20, 4096, 1):
            with contextlib.suppress(OSError):
                while os.write(file, b"x" * size):
                    pass
        os.close(file)

    def clear(self) -> None:
        """Make room again."""
        (self.path / "fill").unlink()

    @property
    def path(self) -> Path:
        """Where the data is, seen from here."""
        assert self._node.process is not None
        return Path(f"/proc/{self._node.process.pid}/root{self._data}")


def _may_mount() -> bool:
    if shutil.which(_ALONE[0]) is None:
        return False
    return (
        subprocess.run([*_ALONE, "mount", "-t", "tmpfs", "x", "/mnt"], check=False, capture_output=True).returncode == 0
    )
