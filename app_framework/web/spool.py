"""The body of a request in a file that lives in memory while it is small."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from tempfile import SpooledTemporaryFile

from starlette.requests import Request

MEMORY_BYTES_MAX = 1024 * 1024
"""A larger body is on disk, in a file without a name that ends with the request."""

Spool = SpooledTemporaryFile[bytes]


@asynccontextmanager
async def spooled_body(request: Request) -> AsyncIterator[Spool]:
    """Yield the body, ready to be read from its beginning; the edge has bounded its size."""
    with SpooledTemporaryFile(MEMORY_BYTES_MAX) as spool:
        async for piece in request.stream():
            spool.write(piece)
        spool.seek(0)
        yield spool
