"""The claimer's half of a direct stream, and the form of what goes over its connection."""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import suppress

from app_framework.messaging.errors import DeadlineExceededError, RemoteError, StreamBrokenError
from app_framework.messaging.offers import ID_BYTES, TOKEN_BYTES, BadTicketError

MAGIC = b"AFD1"
CLAIM_BYTES = len(MAGIC) + ID_BYTES + TOKEN_BYTES
TICKET_BYTES_MAX = 2_048
FRAME_BYTES_MAX = 1 << 20
ERROR_BYTES_MAX = 64 << 10
WINDOW_BYTES = 2 << 20

LENGTH = struct.Struct(">I")
COUNT = struct.Struct(">Q")
END = 0
BEAT = 0xFFFF_FFFF
ERROR = 0xFFFF_FFFE


async def claim_directly(ticket: bytes, *, timeout_s: float, idle_s: float) -> AsyncGenerator[bytes, None]:
    """Fetch what a ticket of `DirectStreams` stands for.

    Args:
        ticket: as it came in a message.
        timeout_s: for all of it.
        idle_s: how long it may be silent.

    Raises:
        BadTicketError: it is not one.
        StreamBrokenError: nobody is there, the ticket was used or is too old, or the connection broke.
        RemoteError: the producer failed.
        DeadlineExceededError: the time is over.
    """
    host, port, claim = _read_ticket(ticket)
    address = f"{host}:{port}"
    wait = _Patience(address, timeout_s, idle_s)
    try:
        async with wait.more():
            reader, writer = await asyncio.open_connection(host, port, limit=WINDOW_BYTES)
    except OSError as error:
        raise StreamBrokenError(address, f"it cannot be reached ({error.strerror or error})") from error
    try:
        writer.write(claim)
        async for chunk in _frames(reader, wait):
            yield chunk
    except (asyncio.IncompleteReadError, OSError) as error:
        raise StreamBrokenError(address, "the connection ended early, or the ticket is used up") from error
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


async def _frames(reader: asyncio.StreamReader, wait: _Patience) -> AsyncIterator[bytes]:
    frames = 0
    while True:
        async with wait.more():
            (length,) = LENGTH.unpack(await reader.readexactly(4))
            if length == END:
                (sent,) = COUNT.unpack(await reader.readexactly(8))
                if sent != frames:
                    raise StreamBrokenError(wait.address, f"{sent} frames were sent, {frames} came")
                return
            if length == ERROR:
                raise await _read_error(reader, wait.address)
            if length > FRAME_BYTES_MAX and length != BEAT:
                raise StreamBrokenError(wait.address, f"a frame of {length:,} bytes, at most {FRAME_BYTES_MAX:,}")
            chunk = await reader.readexactly(length) if length != BEAT else b""
        if chunk:
            frames += 1
            yield chunk


class _Patience:
    """The time that a reader has for everything and for each step."""

    def __init__(self, address: str, timeout_s: float, idle_s: float) -> None:
        self.address = address
        self._timeout_s = timeout_s
        self._idle_s = idle_s
        self._deadline_s = asyncio.get_running_loop().time() + timeout_s

    def more(self) -> _Step:
        return _Step(self, min(asyncio.get_running_loop().time() + self._idle_s, self._deadline_s))

    def over(self) -> Exception:
        if asyncio.get_running_loop().time() >= self._deadline_s:
            return DeadlineExceededError(self.address, self._timeout_s)
        return StreamBrokenError(self.address, f"nothing came for {self._idle_s:g} s")


class _Step:
    """One wait of a reader; too long a wait becomes the error that says which time is over."""

    def __init__(self, patience: _Patience, until_s: float) -> None:
        self._patience = patience
        self._timeout = asyncio.timeout_at(until_s)

    async def __aenter__(self) -> None:
        await self._timeout.__aenter__()

    async def __aexit__(self, *error: object) -> None:
        try:
            await self._timeout.__aexit__(*error)  # type: ignore[arg-type]
        except TimeoutError as late:
            raise self._patience.over() from late


def _read_ticket(ticket: bytes) -> tuple[str, int, bytes]:
    if len(ticket) > TICKET_BYTES_MAX:
        raise BadTicketError(f"it has {len(ticket):,} bytes, at most {TICKET_BYTES_MAX:,}")
    try:
        body = json.loads(ticket)
        host, port = str(body["host"]), int(body["port"])
        offer_id, secret = bytes.fromhex(body["id"]), bytes.fromhex(body["token"])
    except (ValueError, KeyError, TypeError) as error:
        raise BadTicketError("it does not name a host, a port, an id and a token") from error
    if len(offer_id) != ID_BYTES or len(secret) != TOKEN_BYTES or not 0 < port < 65_536:
        raise BadTicketError("its id, token or port has the wrong size")
    return host, port, MAGIC + offer_id + secret


async def _read_error(reader: asyncio.StreamReader, address: str) -> Exception:
    (length,) = LENGTH.unpack(await reader.readexactly(4))
    if length > ERROR_BYTES_MAX:
        return StreamBrokenError(address, "the producer's error is too long to be one")
    try:
        body = json.loads(await reader.readexactly(length))
        return RemoteError(address, str(body["code"]), str(body["detail"]))
    except (ValueError, KeyError, TypeError):
        return StreamBrokenError(address, "the producer failed and gave no reason")
