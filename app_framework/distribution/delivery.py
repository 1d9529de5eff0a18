"""Answers between nodes: small ones in the reply itself, large ones beside it, directly where that is possible.

The first byte of a reply says which: 0, and the answer follows; 1, and a ticket does, with which the rest is fetched.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import aclosing
from itertools import chain
from typing import TYPE_CHECKING

from app_framework.distribution.errors import InvalidContributionError, PartTooLargeError

if TYPE_CHECKING:
    from app_framework.messaging import Messenger

INLINE_BYTES_MAX = 256 << 10
INLINE, TICKET = b"\0", b"\1"


async def pack(messenger: Messenger, pieces: Iterable[bytes]) -> bytes:
    """Return the reply that an answer travels in or by.

    Raises:
        TooManyTicketsError: too many large answers wait to be fetched.
    """
    following = iter(pieces)
    begun: list[bytes] = []
    size = 0
    while size <= INLINE_BYTES_MAX:
        piece = next(following, None)
        if piece is None:
            return INLINE + b"".join(begun)
        begun.append(piece)
        size += len(piece)
    return TICKET + await messenger.offer(_one_by_one(chain(begun, following)))


async def unpack(messenger: Messenger, reply: bytes, *, node: str, timeout_s: float, bytes_max: int) -> list[bytes]:
    """Return the pieces of the answer that a reply holds or stands for.

    Raises:
        PartTooLargeError: it has more bytes than it may.
        MessengerError: it could not be fetched.
    """
    kind, rest = reply[:1], reply[1:]
    if kind == INLINE:
        return [rest]
    if kind != TICKET:
        raise InvalidContributionError("a reply begins with neither 0 nor 1")
    pieces, size = [], 0
    async with aclosing(messenger.claim(rest, timeout_s=timeout_s)) as coming:
        async for piece in coming:
            size += len(piece)
            if size > bytes_max:
                raise PartTooLargeError(bytes_max, node, "bytes")
            pieces.append(piece)
    return pieces


async def _one_by_one(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece
