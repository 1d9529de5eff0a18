"""Answers that are sent while they are made: pulled in a thread, piece by piece, and closed whatever happens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send


class PulledResponse(StreamingResponse):
    """An answer of pieces, each of which is asked for when the one before it is sent: a slow client holds no thread.

    Args:
        pieces: what is sent.
        close: called at the end, also when the client goes away in between.
        media_type: of the whole.
        headers: beside the usual ones.
    """

    def __init__(
        self,
        pieces: Iterator[bytes] | Iterator[str],
        close: Callable[[], None],
        *,
        media_type: str,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(_pulled(pieces), media_type=media_type, headers=headers)
        self._close = close

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            # Closing waits for the piece that is being made; the event loop does not wait with it.
            await asyncio.shield(asyncio.to_thread(self._close))


async def _pulled(pieces: Iterator[bytes] | Iterator[str]) -> AsyncIterator[bytes | str]:
    while (piece := await asyncio.to_thread(_next, pieces)) is not None:
        yield piece


def _next(pieces: Iterator[bytes] | Iterator[str]) -> bytes | str | None:
    return next(pieces, None)
