"""Large payloads beside the bus: a claim ticket travels in a message, the bytes over a TCP connection of their own.

Above 1 MB a bus message costs three to six times what TCP costs. The ticket names a host, a port, and a random token
that is good once and for a short time. On the connection: the claim (magic, id, token), then frames with a length
before each, a beat when there is nothing to send, and an end with the number of frames or an error, so that a broken
connection is never taken for the end.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterable
from contextlib import suppress

from app_framework.errors import FrameworkError, UserError
from app_framework.messaging.claim import (
    BEAT,
    CLAIM_BYTES,
    COUNT,
    END,
    ERROR,
    FRAME_BYTES_MAX,
    LENGTH,
    MAGIC,
    WINDOW_BYTES,
    claim_directly,
)
from app_framework.messaging.offers import TOKEN_BYTES, BadTicketError, Offer, Offers, TooManyTicketsError

__all__ = ["BadTicketError", "DirectStreams", "Offer", "Offers", "TooManyTicketsError", "claim_directly"]

logger = logging.getLogger(__name__)

BEAT_S = 1.0
CLAIM_TIMEOUT_S = 5.0


class DirectStreams:
    """The TCP door of one messenger for large payloads; it opens with the first offer.

    Args:
        host: the address to listen on.
        port: 0 for any free one.
        advertise: the host that tickets name, where others reach this one by another address.
        tickets_max: how many tickets may be open; twice as many connections may be.
        ttl_s: how long a ticket is good for.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        advertise: str = "",
        tickets_max: int = 256,
        ttl_s: float = 30.0,
    ) -> None:
        if host in {"", "0.0.0.0", "::"} and not advertise:  # noqa: S104 - it is refused here
            raise UserError(
                f"direct streams on {host or 'all addresses'!r} need the address that tickets name: advertise"
            )
        self.host = host
        self.port = port
        self.advertise = advertise or host
        self.connections_max = 2 * tickets_max
        self.offers = Offers(tickets_max=tickets_max, ttl_s=ttl_s)
        self._server: asyncio.Server | None = None
        self._opening = asyncio.Lock()
        self._connections: set[asyncio.Task[None]] = set()

    async def open(self, chunks: AsyncIterable[bytes]) -> Offer:
        """Offer bytes and return the offer with its ticket.

        Raises:
            TooManyTicketsError: as many are open as may be.
            OSError: the address cannot be listened on.
        """
        await self._listen()
        offer, secret = self.offers.add(chunks)
        ticket = {"host": self.advertise, "port": self.port, "id": offer.id.hex(), "token": secret.hex()}
        offer.ticket = json.dumps(ticket).encode()
        return offer

    async def close(self) -> None:
        """Withdraw all tickets and cut what is being sent."""
        self.offers.clear()
        if self._server is not None:
            self._server.close()
        for connection in tuple(self._connections):
            connection.cancel()
        if self._connections:
            await asyncio.wait(self._connections)
        if self._server is not None:
            await self._server.wait_closed()
            self._server = None

    def __repr__(self) -> str:
        state = f"on {self.host}:{self.port}" if self._server is not None else "not open yet"
        return f"<DirectStreams {state}, {len(self.offers)} tickets>"

    async def _listen(self) -> None:
        async with self._opening:
            if self._server is None:
                self._server = await asyncio.start_server(self._accept, self.host, self.port)
                self.port = self._server.sockets[0].getsockname()[1]

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            if len(self._connections) > self.connections_max:
                return  # the claimer sees a connection that ended early
            offer = await self._admit(reader)
            if offer is not None:
                await _send_while_wanted(offer, reader, writer)
        except OSError as error:
            logger.debug("a direct stream was cut: %s", error)
        except asyncio.CancelledError:
            writer.transport.abort()  # by `close`; what a claimer does not read would keep it open
        finally:
            try:
                await _hang_up(writer)
            finally:
                self._connections.discard(task)

    async def _admit(self, reader: asyncio.StreamReader) -> Offer | None:
        """Read the claim; whoever holds no ticket is cut off without an answer."""
        try:
            async with asyncio.timeout(CLAIM_TIMEOUT_S):
                claim = await reader.readexactly(CLAIM_BYTES)
        except (TimeoutError, asyncio.IncompleteReadError):
            return None
        if claim[: len(MAGIC)] != MAGIC:
            return None
        return self.offers.take(claim[len(MAGIC) : -TOKEN_BYTES], claim[-TOKEN_BYTES:])


async def _hang_up(writer: asyncio.StreamWriter) -> None:
    writer.close()
    try:
        with suppress(OSError):
            await writer.wait_closed()
    finally:
        writer.transport.abort()


async def _send_while_wanted(offer: Offer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send in a task of the offer's own context, until everything is sent or the claimer is gone."""
    loop = asyncio.get_running_loop()
    pump = loop.create_task(_send(offer, writer), context=offer.context)
    offer.sent_by(pump)
    gone = loop.create_task(reader.read(1))  # a claimer says nothing more, so what comes is its end
    try:
        await asyncio.wait({pump, gone}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        gone.cancel()
        pump.cancel()
        await asyncio.wait({pump, gone})
        offer.end()


async def _send(offer: Offer, writer: asyncio.StreamWriter) -> None:
    """Send everything that is offered, then the end or what went wrong."""
    writer.transport.set_write_buffer_limits(high=WINDOW_BYTES)
    beats = asyncio.get_running_loop().create_task(_send_beats(writer))
    frames = 0
    try:
        async for chunk in offer.chunks:
            for at in range(0, len(chunk), FRAME_BYTES_MAX):
                part = chunk if len(chunk) <= FRAME_BYTES_MAX else chunk[at : at + FRAME_BYTES_MAX]
                writer.writelines((LENGTH.pack(len(part)), part))
                await writer.drain()
                frames += 1
        writer.write(LENGTH.pack(END) + COUNT.pack(frames))
        await writer.drain()
    except OSError as error:
        logger.debug("the reader of a direct stream is gone: %s", error)
    except Exception as error:
        await _send_error(error, writer)
    finally:
        beats.cancel()


async def _send_beats(writer: asyncio.StreamWriter) -> None:
    while True:
        await asyncio.sleep(BEAT_S)
        if writer.transport.get_write_buffer_size() == 0:
            writer.write(LENGTH.pack(BEAT))


async def _send_error(error: Exception, writer: asyncio.StreamWriter) -> None:
    """Tell what our own errors say, of any other only its class; as a service does."""
    code, detail = "INTERNAL", f"{type(error).__name__} in the producer of a direct stream"
    if isinstance(error, UserError | FrameworkError):
        code, detail = error.code, str(error)
    else:
        logger.error("the producer of a direct stream failed", exc_info=error)
    body = json.dumps({"code": code, "detail": detail[:2_000]}).encode()
    with suppress(OSError):
        writer.write(LENGTH.pack(ERROR) + LENGTH.pack(len(body)) + body)
        await writer.drain()
