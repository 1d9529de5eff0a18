"""Interest in a subject on NATS, which outlives the connections that it is carried by."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from app_framework.messaging.bus import NO_HEADERS, Handler, Message

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.aio.msg import Msg
    from nats.aio.subscription import Subscription as NatsPySubscription

    from app_framework.messaging.nats_bus import NatsBus

PENDING_BYTES_MAX = 256 << 20
"""Of one subscription; what comes beyond it is dropped with a `slow-consumer` event, as beyond `pending_max`."""


class NatsSubscription:
    """Interest of one bus in one subject, over all connections that the bus has in its life."""

    def __init__(self, bus: NatsBus, subject: str, handler: Handler, queue: str, pending_max: int) -> None:
        self.subject = subject
        self.queue = queue
        self._bus = bus
        self._handler = handler
        self._pending_max = pending_max
        self._nats: NatsPySubscription | None = None
        self._handling: asyncio.Task[object] | None = None
        self._ended = False

    async def attach(self, client: Client) -> None:
        """Subscribe on a connection, the first or a later one."""
        self._nats = await client.subscribe(
            self.subject,
            queue=self.queue,
            cb=partial(self._receive, client),
            pending_msgs_limit=self._pending_max,
            pending_bytes_limit=PENDING_BYTES_MAX,
        )

    async def unsubscribe(self) -> None:
        """Give the subject up; what waits is still handled, then this returns.

        Called by its own handler it returns at once.
        """
        if self._ended:
            return
        self._ended = True
        self._bus._subscriptions.discard(self)
        end = self._bus._spawn(self._end())
        if asyncio.current_task() is not self._handling:
            await asyncio.shield(end)

    def __repr__(self) -> str:
        queue = f" in {self.queue!r}" if self.queue else ""
        return f"<NatsSubscription {self._bus.name!r} to {self.subject!r}{queue}>"

    async def _end(self) -> None:
        """In a task of the bus: a round trip that is cancelled would end nats-py's reader."""
        if self._nats is None:
            return
        with suppress(*self._bus.connection_errors):
            if self._bus.connected:
                await self._nats.drain()  # type: ignore[no-untyped-call]
            else:
                await self._nats.unsubscribe()

    async def _receive(self, client: Client, message: Msg) -> None:
        """A handler's failure is an event; nats-py would end the subscription on a cancellation inside a handler.

        What a connection that the bus has left still brings, the new one may bring too, so it is dropped.
        """
        if client is not self._bus.client:
            return
        task = self._handling = asyncio.current_task()
        headers: Mapping[str, str] = message.headers or NO_HEADERS
        if "Status" in headers:  # nats-py's names of a status are members of an enumeration
            headers = {str(getattr(name, "value", name)): value for name, value in headers.items()}
        try:
            await self._handler(Message(message.subject, message.data, headers, message.reply))
        except asyncio.CancelledError:
            if task is None or task.cancelling():
                raise
            self._bus._tell("error", f"the handler of {self.subject!r} awaited something that was cancelled")
        except Exception as error:
            self._bus._tell("error", f"{type(error).__name__}: {error}")
        finally:
            self._handling = None
