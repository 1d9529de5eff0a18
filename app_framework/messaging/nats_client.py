"""nats-py's client without what it forgets: a connection that it gives up is closed, and after its end it opens none.

nats-py leaves a connection open on which a server did not answer as it should, with every attempt to come back; and the
end of an attempt is sometimes lost in it (`asyncio.wait_for` of Python 3.11 prefers a result to a cancellation).
"""

from __future__ import annotations

import asyncio

from nats.aio.client import Client, Srv
from nats.aio.transport import TcpTransport


class NatsClient(Client):
    """One connection at a time, and none after `end`."""

    def __init__(self) -> None:
        super().__init__()
        self._ended = False

    def end(self) -> None:
        """Hang up for good, whatever it is doing; what is left of it finds no server any more."""
        self._ended = True
        self._hang_up()

    async def _connect_to_server(self, s: Srv) -> None:
        """As nats-py does, which replaces the connection that it had without closing it."""
        self._hang_up()
        if not self._ended:
            await super()._connect_to_server(s)
        if self._ended:
            self._hang_up()
            raise asyncio.CancelledError  # every other exception is another attempt

    def _hang_up(self) -> None:
        transport = self._transport
        if isinstance(transport, TcpTransport) and transport._io_writer is not None:
            transport._io_writer.transport.abort()  # a silent server would never take what waits to be sent
