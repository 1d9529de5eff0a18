"""Work that ends when nobody waits for its answer any more."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect, Request

T = TypeVar("T")

PATIENCE_S = 0.05
"""Work shorter than this is not watched: looking out for the client costs more than the work."""


async def while_connected(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """Return what `work` returns; cancel it when the client goes away.

    Args:
        request: its body must have been read, because what comes after it is the news that the client left.
        work: for instance a query, which is interrupted when its task is cancelled.

    Raises:
        ClientDisconnect: the client went away; nobody is there to be answered.
    """
    task = asyncio.ensure_future(work)
    try:
        return await while_client_stays(request, task)
    finally:
        await _end(task)


async def while_client_stays(request: Request, task: asyncio.Task[T]) -> T:
    """Return what a task returns that others may wait for too: when the client goes away, it goes on.

    Raises:
        ClientDisconnect: the client went away.
    """
    await asyncio.wait({task}, timeout=PATIENCE_S)
    if not task.done():
        await _finish_or_leave(task, request)
    return task.result()


async def _finish_or_leave(task: asyncio.Task[Any], request: Request) -> None:
    leaving = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait({task, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientDisconnect
    finally:
        await _end(leaving)


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _end(task: asyncio.Task[Any]) -> None:
    """Cancel a task, if it still works, and wait until it has cleaned up."""
    if not task.done():
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
