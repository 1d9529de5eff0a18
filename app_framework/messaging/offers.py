"""Bytes that wait to be claimed with a ticket: each ticket is good once, for a while, and there are not too many."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterable
from contextvars import Context, copy_context
from hmac import compare_digest

from app_framework.errors import UserError
from app_framework.messaging.errors import MessengerError

ID_BYTES = 16
TOKEN_BYTES = 32


class TooManyTicketsError(MessengerError):
    """As many claim tickets are open as may be.

    Attributes:
        limit: the bound `tickets_max`.
    """

    code = "OVERLOADED"

    def __init__(self, limit: int) -> None:
        self.limit = limit
        super().__init__(limit)

    def __str__(self) -> str:
        return f"{self.limit:,} claim tickets are open already (tickets_max); try again when some were used"


class BadTicketError(UserError):
    """Bytes that are no claim ticket.

    Attributes:
        reason: what is wrong with them.
    """

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)

    def __str__(self) -> str:
        return f"this is not a claim ticket: {self.reason}"


class Offer:
    """Bytes that wait to be claimed, once."""

    def __init__(self, chunks: AsyncIterable[bytes], *, secret: bytes, context: Context) -> None:
        self.id = secrets.token_bytes(ID_BYTES)
        self.chunks = chunks
        self.context = context
        self.ticket = b""
        self._secret = secret
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._pump: asyncio.Task[None] | None = None
        self._expiry: asyncio.TimerHandle | None = None

    def opens_with(self, secret: bytes) -> bool:
        """Whether the claim knows the token; takes the same time whatever was sent."""
        return compare_digest(self._secret, secret)

    def expire_after(self, seconds: float, table: Offers) -> None:
        """Give the offer up when nobody claims it in time."""
        self._expiry = asyncio.get_running_loop().call_later(seconds, table.expire, self)

    def claimed(self) -> None:
        """Note that it is being sent, which may take longer than a ticket lives."""
        if self._expiry is not None:
            self._expiry.cancel()

    def sent_by(self, pump: asyncio.Task[None]) -> None:
        """Name the task that sends it."""
        self._pump = pump

    def end(self) -> None:
        """Note that nothing more will be sent."""
        self.claimed()
        if not self._ended.done():
            self._ended.set_result(None)

    async def done(self) -> None:
        """Wait until it was sent, or never will be."""
        await asyncio.shield(self._ended)

    async def withdraw(self) -> None:
        """Stop sending, or let nobody claim it any more."""
        self.end()
        if self._pump is not None and self._pump is not asyncio.current_task():
            self._pump.cancel()
            await asyncio.wait({self._pump})
        if (close := getattr(self.chunks, "aclose", None)) is not None:
            await close()


class Offers:
    """The open tickets of one messenger: each good once, for a while, and not too many.

    Args:
        tickets_max: how many may be open.
        ttl_s: how long one is good for.
    """

    def __init__(self, *, tickets_max: int, ttl_s: float) -> None:
        self.tickets_max = tickets_max
        self.ttl_s = ttl_s
        self._open: dict[bytes, Offer] = {}

    def __len__(self) -> int:
        return len(self._open)

    def add(self, chunks: AsyncIterable[bytes]) -> tuple[Offer, bytes]:
        """Take bytes in; returns the offer and its token. They are produced as if the caller did.

        Raises:
            TooManyTicketsError: the table is full.
        """
        if len(self._open) >= self.tickets_max:
            raise TooManyTicketsError(self.tickets_max)
        secret = secrets.token_bytes(TOKEN_BYTES)
        offer = Offer(chunks, secret=secret, context=copy_context())
        self._open[offer.id] = offer
        offer.expire_after(self.ttl_s, self)
        return offer, secret

    def take(self, offer_id: bytes, secret: bytes) -> Offer | None:
        """Hand an offer to whoever holds its ticket; a wrong token leaves it where it is."""
        offer = self._open.get(offer_id)
        if offer is None or not offer.opens_with(secret):
            return None
        del self._open[offer_id]
        offer.claimed()
        return offer

    def expire(self, offer: Offer) -> None:
        """Drop an offer that nobody claimed."""
        if self._open.pop(offer.id, None) is not None:
            offer.end()

    def clear(self) -> None:
        """Drop all of them."""
        for offer in tuple(self._open.values()):
            self.expire(offer)
