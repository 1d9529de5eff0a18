"""How nodes talk: the `Messenger` that components get, over memory or over NATS.

>>> async def talk() -> bytes:
...     network = MemoryNetwork()
...     async def shout(call: Call) -> bytes:
...         return call.data.upper()
...     async with Messenger(network.bus("b")) as b, Messenger(network.bus("a")) as a:
...         await b.serve("shout", shout)
...         return (await a.request("shout", b"hello", timeout_s=1)).data
>>> asyncio.run(talk())
b'HELLO'
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Mapping
from types import TracebackType
from typing import Self

from app_framework.messaging.bus import NO_HEADERS, Bus, BusEvent, Handler, Message, Subscription
from app_framework.messaging.direct import BadTicketError, DirectStreams, Offer, Offers, claim_directly
from app_framework.messaging.errors import DeadlineExceededError, DisconnectedError
from app_framework.messaging.memory import MemoryNetwork
from app_framework.messaging.rpc import Heard, MessengerLimits, Reply, Rpc, Stamp, Traffic, remaining_s
from app_framework.messaging.service import Call, ServeHandler, Service
from app_framework.messaging.trace import TRACEPARENT, with_traceparent

__all__ = ["Call", "MemoryNetwork", "Messenger", "MessengerLimits", "Reply", "Traffic"]

CLAIM_SUBJECT = "_AF.claim"
CHUNK_BYTES = 256 << 10


class Messenger:
    """One node's way to talk to others. It belongs to the event loop that first uses it.

    Args:
        bus: what carries the messages.
        direct: where large payloads go beside the bus; without it they go over the bus, in frames.
        stamp: returns headers that are put on every outgoing message, such as the cluster's epoch.
        heard: is shown the headers of every incoming message that has some.
        limits: the bounds.
    """

    def __init__(
        self,
        bus: Bus,
        *,
        direct: DirectStreams | None = None,
        stamp: Stamp | None = None,
        heard: Heard | None = None,
        limits: MessengerLimits | None = None,
    ) -> None:
        self.bus = bus
        self.name = bus.name
        self.protocol: str = getattr(bus, "protocol", "in-memory")
        self.limits = limits or MessengerLimits()
        self.direct = direct
        self._rpc = Rpc(bus, limits=self.limits, stamp=stamp, heard=heard)
        self._services: set[Service] = set()
        self._offers = Offers(tickets_max=256, ttl_s=30.0)
        self._claims = ""
        self._claims_lock = asyncio.Lock()
        self._closed = False

    @property
    def connected(self) -> bool:
        """Whether messages get anywhere now."""
        return self.bus.connected

    @property
    def traffic(self) -> Traffic:
        """What went through since the beginning."""
        return self._rpc.traffic

    @property
    def requests_open(self) -> int:
        """How many requests and streams wait for answers now."""
        return len(self._rpc.open)

    @property
    def calls_open(self) -> int:
        """How many calls run or wait in the services of this messenger now."""
        return sum(service.load for service in self._services)

    async def publish(self, subject: str, data: bytes = b"", *, headers: Mapping[str, str] = NO_HEADERS) -> None:
        """Send a message to whoever listens; that it was sent does not mean that it arrives.

        Raises:
            InvalidSubjectError: the subject has wildcards, spaces or empty words.
            PayloadTooLargeError: payload and headers exceed `Bus.message_bytes_max`.
            DisconnectedError: the connection is closed, or its buffer is full while it is away.
        """
        await self._rpc.send(subject, data, headers=self._rpc.outgoing(headers))

    async def subscribe(
        self, subject: str, handler: Handler, *, queue: str = "", pending_max: int | None = None
    ) -> Subscription:
        """Call a handler with every message of a subject, one after the other, within the trace of each.

        Args:
            subject: ``*`` stands for one word, a last ``>`` for the rest.
            handler: what it raises becomes an ``error`` event.
            queue: of the subscriptions with the same queue, one gets each message.
            pending_max: how many may wait; what comes beyond is dropped with a ``slow-consumer`` event.

        Raises:
            InvalidSubjectError: it is not a subject.
            DisconnectedError: the connection is closed.
        """

        async def receive(message: Message) -> None:
            self._rpc.took(message)
            self._rpc.hear(message.headers)
            with with_traceparent(message.headers.get(TRACEPARENT)):
                await handler(message)

        return await self.bus.subscribe(
            subject, receive, queue=queue, pending_max=self.limits.pending_max if pending_max is None else pending_max
        )

    async def request(
        self, subject: str, data: bytes = b"", *, timeout_s: float, headers: Mapping[str, str] = NO_HEADERS
    ) -> Reply:
        """Ask whoever serves the subject, and wait for one answer.

        Within a handler the call that is being handled bounds the time. Cancelling the task cancels the handler.

        Raises:
            NoRespondersError: nobody serves it; nothing was done.
            RemoteError: the handler refused or failed, with its code.
            DeadlineExceededError: no answer in time; what was done is not known.
            DisconnectedError: nothing was sent.
            TooManyRequestsError: `requests_open_max` of them wait already.
        """
        return await self._rpc.request(subject, data, timeout_s, headers)

    def stream(
        self,
        subject: str,
        data: bytes = b"",
        *,
        timeout_s: float,
        window_bytes: int | None = None,
        idle_s: float | None = None,
        headers: Mapping[str, str] = NO_HEADERS,
    ) -> AsyncGenerator[bytes, None]:
        """Ask whoever serves the subject, and read the answer as it is produced.

        The request leaves with the first step. Leaving the loop early needs ``aclose`` (`contextlib.aclosing`) and
        stops the producer. What was read before an error is not all.

        Args:
            subject: where to ask.
            data: the question.
            timeout_s: for all of it.
            window_bytes: how far the producer may be ahead.
            idle_s: how long it may be silent.
            headers: sent with the question.

        Raises:
            StreamBrokenError: a frame is missing, or the producer went silent.
            NoRespondersError: as for `request`, like the others.
        """
        idle_s = self.limits.idle_s if idle_s is None else idle_s

        def claim(ticket: bytes, left_s: float) -> AsyncGenerator[bytes, None]:
            return self.claim(ticket, timeout_s=left_s, idle_s=idle_s)

        return self._rpc.stream(
            subject,
            data,
            timeout_s=timeout_s,
            window_bytes=self.limits.window_bytes if window_bytes is None else window_bytes,
            idle_s=idle_s,
            headers=headers,
            claim=claim,
        )

    async def serve(
        self,
        subject: str,
        handler: ServeHandler,
        *,
        queue: str = "",
        concurrency_max: int | None = None,
        waiting_max: int | None = None,
        direct: bool = False,
    ) -> Service:
        """Answer the requests of a subject.

        The handler returns bytes, or is an asynchronous generator of bytes; `request` joins these, `stream` reads them
        one by one. It is cancelled at the caller's deadline and when the caller is. A `UserError` or `FrameworkError`
        reaches the caller with its code, sentence and facts; of any other only the class does.

        Args:
            subject: ``*`` stands for one word, a last ``>`` for the rest.
            handler: called with each `Call`, several at once.
            queue: of the services with the same queue, one gets each call.
            concurrency_max: how many calls run at once.
            waiting_max: how many more may wait; the next one is answered OVERLOADED.
            direct: whether streamed answers go over a direct connection, where this messenger has one.
        """
        service = Service(
            self._rpc,
            subject,
            handler,
            concurrency_max=self.limits.concurrency_max if concurrency_max is None else concurrency_max,
            waiting_max=self.limits.waiting_max if waiting_max is None else waiting_max,
            direct=self.direct if direct else None,
            on_end=self._services.discard,
        )
        self._services.add(service)
        try:
            await service.open(queue)
        except BaseException:
            await service.unsubscribe()
            raise
        return service

    async def ask(
        self, subject: str, data: bytes = b"", *, timeout_s: float, headers: Mapping[str, str] = NO_HEADERS
    ) -> Message:
        """Ask a server that does not speak our protocol, such as JetStream's API; nothing is put on the message.

        Raises:
            NoRespondersError: nobody listens there.
            DeadlineExceededError: no answer in time.
            DisconnectedError: nothing was sent.
        """
        return await self._rpc.ask(subject, data, timeout_s, headers)

    async def offer(self, source: bytes | AsyncIterable[bytes]) -> bytes:
        """Return a ticket with which any node can fetch large bytes once, within half a minute.

        Over a direct connection where this messenger has one, else in frames over the bus.

        Raises:
            TooManyTicketsError: too many wait to be claimed.
        """
        chunks = _chunks(source) if isinstance(source, bytes) else source
        if self.direct is not None:
            return (await self.direct.open(chunks)).ticket
        await self._serve_claims()
        offer, secret = self._offers.add(chunks)
        return json.dumps({"subject": self._claims, "id": offer.id.hex(), "token": secret.hex()}).encode()

    async def claim(
        self, ticket: bytes, *, timeout_s: float = 60.0, idle_s: float | None = None
    ) -> AsyncGenerator[bytes, None]:
        """Fetch what a ticket stands for.

        Raises:
            BadTicketError: it is none.
            StreamBrokenError: it was used or is too old, nobody is there, or the connection broke.
            RemoteError: the producer failed.
            DeadlineExceededError: the time is over.
        """
        idle_s = self.limits.idle_s if idle_s is None else idle_s
        timeout_s = remaining_s(timeout_s)
        subject = _subject_of(ticket)
        if subject:
            source = self.stream(subject, ticket, timeout_s=timeout_s, idle_s=idle_s)
        else:
            source = claim_directly(ticket, timeout_s=timeout_s, idle_s=idle_s)
        try:
            async for chunk in source:
                yield chunk
        finally:
            await source.aclose()

    async def flush(self, timeout_s: float = 5.0) -> None:
        """Wait until the server has everything that was sent; says nothing about other servers.

        Raises:
            DisconnectedError: there is no connection.
            DeadlineExceededError: the server does not answer.
        """
        await self.bus.flush(timeout_s)

    def listen(self, listener: Callable[[BusEvent], None]) -> None:
        """Tell what happens to the connection."""
        self.bus.listen(listener)

    async def drain(self, timeout_s: float = 5.0) -> None:
        """Take no more calls and messages, finish those that are here, close.

        Raises:
            DeadlineExceededError: some were not finished in time and were cancelled.
        """
        loop = asyncio.get_running_loop()
        until_s = loop.time() + timeout_s
        ends = [asyncio.ensure_future(service.unsubscribe()) for service in tuple(self._services)]
        busy: set[asyncio.Future[None]] = set()
        if ends:
            _, busy = await asyncio.wait(ends, timeout=timeout_s)
        for end in busy:
            end.cancel()
        await self._stop()
        await self.bus.drain(max(0.1, until_s - loop.time()))
        if busy:
            raise DeadlineExceededError("drain", timeout_s)

    async def close(self) -> None:
        """Close at once: handlers are cancelled, their callers are told, requests that wait end with an error."""
        if not self._closed:
            await self._stop()
            await self.bus.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        state = "connected" if self.connected else "not connected"
        return f"<Messenger {self.name!r} {self.protocol}, {state}, {len(self._services)} services>"

    async def _stop(self) -> None:
        self._closed = True
        for service in tuple(self._services):
            await service.stop()
        self._services.clear()
        self._rpc.close()
        self._offers.clear()
        if self.direct is not None:
            await self.direct.close()

    async def _serve_claims(self) -> None:
        """Answer claims in frames, from the first offer on."""
        if self._closed:
            raise DisconnectedError(self.name, "it is closed")
        async with self._claims_lock:
            if not self._claims:
                subject = f"{CLAIM_SUBJECT}.{self.bus.new_inbox()}"
                await self.serve(subject, self._answer_claim)
                self._claims = subject

    async def _answer_claim(self, call: Call) -> AsyncIterator[bytes]:
        offer = self._claimed(call.data)
        try:
            async for chunk in offer.chunks:
                yield chunk
        finally:
            await offer.withdraw()

    def _claimed(self, ticket: bytes) -> Offer:
        try:
            body = json.loads(ticket)
            offer = self._offers.take(bytes.fromhex(body["id"]), bytes.fromhex(body["token"]))
        except (ValueError, KeyError, TypeError) as error:
            raise BadTicketError("it does not name an id and a token") from error
        if offer is None:
            raise BadTicketError("it was used already, or is too old")
        return offer


def _subject_of(ticket: bytes) -> str:
    """The subject that a ticket over the bus names; empty for one of a direct connection."""
    try:
        body = json.loads(ticket)
    except ValueError as error:
        raise BadTicketError("it is not JSON") from error
    subject = body.get("subject", "") if isinstance(body, dict) else ""
    return subject if isinstance(subject, str) else ""


async def _chunks(data: bytes) -> AsyncIterator[bytes]:
    view = memoryview(data)
    for at in range(0, len(data), CHUNK_BYTES):
        yield bytes(view[at : at + CHUNK_BYTES])
