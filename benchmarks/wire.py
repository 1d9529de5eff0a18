"""The cheapest HTTP client there is: one kept connection, requests made beforehand, a body by its length.

Any real client costs several times what a small request costs the server, and would hide the difference between two.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median
from types import TracebackType

TIMEOUT_S = 30.0
IDLE_S_MAX = 3.0
"""Servers close a connection that nobody uses, Node.js after five seconds; between two rounds there may be a minute."""

_LENGTH = b"content-length:"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered."""

    status: int
    body: bytes


class KeepAlive:
    """A connection to a port of the loopback address.

    Attributes:
        peer_port: that port.

    Raises:
        OSError: nobody listens there.
    """

    def __init__(self, port: int) -> None:
        self.peer_port = port
        self._socket = self._opened()
        self._used_s = time.monotonic()

    @property
    def port(self) -> int:
        """The port of this side."""
        port: int = self._socket.getsockname()[1]
        return port

    def get(self, path: str) -> Answer:
        """Ask for a path."""
        return self.exchange(get(path))

    def post(self, path: str, document: object) -> Answer:
        """Send a JSON document."""
        return self.exchange(post(path, document))

    def exchange(self, request: bytes) -> Answer:
        """Send a request as it goes over the wire and return the whole answer.

        Raises:
            ConnectionError: the server closed the connection.
        """
        self.send(request)
        return self.receive()

    def send(self, request: bytes) -> None:
        """Send a request; its answer is received later. A connection that was idle for long is opened anew."""
        if time.monotonic() - self._used_s > IDLE_S_MAX:
            self.close()
            self._socket = self._opened()
        self._socket.sendall(request)

    def receive(self) -> Answer:
        """Return the whole answer to the request that was sent.

        Raises:
            ConnectionError: the server closed the connection.
        """
        received = self._receive()
        while (end := received.find(b"\r\n\r\n")) < 0:
            received += self._receive()
        missing = end + 4 + _length(received[:end]) - len(received)
        parts = [received[end + 4 :]]
        while missing > 0:
            part = self._receive()
            parts.append(part)
            missing -= len(part)
        self._used_s = time.monotonic()
        return Answer(int(received[9:12]), b"".join(parts))

    def p50_ms(self, requests: Iterable[bytes]) -> float:
        """Exchange requests one after the other and return the median of their times.

        Raises:
            RuntimeError: one of them was not answered 200.
        """
        times = []
        for request in requests:
            started = time.perf_counter()
            answer = self.exchange(request)
            times.append(time.perf_counter() - started)
            if answer.status != 200:
                raise RuntimeError(f"answered {answer.status}: {answer.body.decode(errors='replace')}")
        return median(times) * 1000

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def _opened(self) -> socket.socket:
        opened = socket.create_connection(("127.0.0.1", self.peer_port), TIMEOUT_S)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return opened

    def _receive(self) -> bytes:
        received = self._socket.recv(1 << 18)
        if not received:
            raise ConnectionError("the server closed the connection")
        return received

    def __enter__(self) -> KeepAlive:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def get(path: str) -> bytes:
    """Return a GET request as it goes over the wire."""
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


def request(method: str, path: str) -> bytes:
    """Return a request without a body as it goes over the wire."""
    return f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n".encode()


def post(path: str, document: object) -> bytes:
    """Return a POST request with a JSON document as it goes over the wire."""
    return post_bytes(path, json.dumps(document).encode(), "application/json")


def post_bytes(path: str, body: bytes, media_type: str) -> bytes:
    """Return a POST request with a body of any kind as it goes over the wire."""
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {media_type}\r\nContent-Length: {len(body)}"
    return f"{head}\r\n\r\n".encode() + body


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(_LENGTH):
            return int(line[len(_LENGTH) :])
    raise RuntimeError("the answer does not say how long it is")
