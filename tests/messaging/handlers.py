"""Handlers that several suites serve."""

from __future__ import annotations

import asyncio

from app_framework.messaging.messenger import Call


async def echo(call: Call) -> bytes:
    return call.data


class Held:
    """A handler that waits until it is let go, and remembers how it ended."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.begun = 0
        self.cancelled = 0

    async def __call__(self, call: Call) -> bytes:
        self.begun += 1
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return call.data
