"""The head of an answer leaves with the body that follows it: a short answer is one system call and one packet.

uvicorn writes them one after the other, so that a client wakes up twice for an answer of a few hundred bytes.
"""

from __future__ import annotations

import asyncio
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD = b"HTTP/1.1 "
TOGETHER_BYTES_MAX = 64 * 1024
"""A longer body is not copied to stand behind its head."""


class WholeAnswers(HttpToolsProtocol):
    """uvicorn's protocol, with a transport that waits for the body."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Serve a connection."""
        super().connection_made(cast("asyncio.Transport", PatientTransport(transport, self.loop)))


class PatientTransport:
    """Holds the head of an answer back until what comes next, at the longest until the event loop's next turn.

    Args:
        transport: of the connection.
        loop: that serves it.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._head = b""
        self._turn: asyncio.Handle | None = None

    def write(self, data: bytes) -> None:
        """Send some bytes, behind the head that waits for them."""
        if self._head:
            data = self._with_head(data)
        elif data.startswith(HEAD):
            self._head, self._turn = data, self._loop.call_soon(self._flush)
            return
        self._transport.write(data)

    def close(self) -> None:
        """Send what waits, and close the connection."""
        self._flush()
        self._transport.close()

    def _with_head(self, data: bytes) -> bytes:
        if len(data) > TOGETHER_BYTES_MAX:
            self._flush()
            return data
        head, self._head = self._head, b""
        if self._turn is not None:
            self._turn.cancel()
        return head + data

    def _flush(self) -> None:
        if self._head:
            head, self._head = self._head, b""
            self._transport.write(head)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def __repr__(self) -> str:
        return f"<PatientTransport {self._transport!r}>"
