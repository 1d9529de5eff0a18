"""Requests over any bus, the caller's half: one inbox, deadlines, typed errors, cancellation."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Protocol

from app_framework.messaging.bus import NO_HEADERS, Bus, Message, Subscription
from app_framework.messaging.errors import (
    DeadlineExceededError,
    DisconnectedError,
    MessengerError,
    NoRespondersError,
)
from app_framework.messaging.stream import StreamReader
from app_framework.messaging.trace import TRACEPARENT, current_traceparent
from app_framework.messaging.wire import (
    CANCEL_FRAME,
    CANCEL_HEADER,
    CANCEL_PREFIX,
    ERROR_HEADER,
    TIMEOUT_HEADER,
    WINDOW_HEADER,
    is_no_responders,
    read_error,
)

logger = logging.getLogger(__name__)

Stamp = Callable[[], Mapping[str, str]]
Heard = Callable[[Mapping[str, str]], None]
Claim = Callable[[bytes, float], AsyncGenerator[bytes, None]]
"""Reads what a ticket stands for, within so many seconds."""

_deadline_s: ContextVar[float | None] = ContextVar("deadline_s", default=None)


class TooManyRequestsError(MessengerError):
    """This messenger waits for as many answers as it may.

    Attributes:
        messenger: its name.
        limit: the bound, `requests_open_max` or `streams_open_max`.
        limit_name: which of them.
    """

    code = "OVERLOADED"

    def __init__(self, messenger: str, limit_name: str, limit: int) -> None:
        self.messenger = messenger
        self.limit_name = limit_name
        self.limit = limit
        super().__init__(messenger, limit_name, limit)

    def __str__(self) -> str:
        return f"messenger {self.messenger!r} waits for {self.limit:,} answers already ({self.limit_name}); try again"


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer.

    Args:
        data: the payload.
        headers: what the answering node puts on all its messages.
    """

    data: bytes
    headers: Mapping[str, str] = field(default_factory=lambda: NO_HEADERS)


@dataclass(slots=True)
class Traffic:
    """What went through a messenger since it began; read it, do not write it."""

    messages_sent: int = 0
    messages_received: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0
    errors: int = 0


@dataclass(frozen=True, slots=True)
class MessengerLimits:
    """The bounds of a messenger.

    Args:
        requests_open_max: how many requests may wait for their answers.
        streams_open_max: how many streamed answers may be read at once.
        concurrency_max: how many calls of one service run at once unless it says otherwise.
        waiting_max: how many more of its calls may wait; the next one is answered OVERLOADED.
        pending_max: how many messages of a subscription may wait; what comes beyond is dropped.
        window_bytes: how far a streamed answer may be ahead of its reader.
        frame_bytes_max: the largest frame of a stream.
        idle_s: how long a stream may be silent before it is broken.
        beat_s: how often a producer without data says that it lives.
        serve_timeout_s: the deadline of a call that brings none.
        error_chars_max: of an error's sentence.
    """

    requests_open_max: int = 100_000
    streams_open_max: int = 1_024
    concurrency_max: int = 16
    waiting_max: int = 1_024
    pending_max: int = 65_536
    window_bytes: int = 2 << 20
    frame_bytes_max: int = 256 << 10
    idle_s: float = 5.0
    beat_s: float = 1.0
    serve_timeout_s: float = 30.0
    error_chars_max: int = 2_000


class Feed(Protocol):
    """Whoever waits for messages under a token of the inbox."""

    def feed(self, message: Message) -> None:
        """Take one; called on the messenger's loop, must not wait."""

    def fail(self, error: Exception) -> None:
        """Stop waiting; nothing will come any more."""


class Rpc:
    """The inbox of one messenger, and what waits there.

    Args:
        bus: what carries the messages.
        limits: the bounds.
        stamp: returns headers for every outgoing message.
        heard: is shown the headers of every incoming message that has some.
    """

    def __init__(
        self, bus: Bus, *, limits: MessengerLimits, stamp: Stamp | None = None, heard: Heard | None = None
    ) -> None:
        self.bus = bus
        self.limits = limits
        self.traffic = Traffic()
        self.open: dict[str, Feed] = {}
        self.streams_open = 0
        self.frame_bytes_max = max(1, min(limits.frame_bytes_max, bus.message_bytes_max - 4096))
        self._stamp = stamp
        self._heard = heard
        self._tokens = itertools.count(1)
        self._inbox = ""
        self._inbox_at = 0
        self._inbox_lock = asyncio.Lock()
        self._inbox_subscription: Subscription | None = None

    async def request(self, subject: str, data: bytes, timeout_s: float, headers: Mapping[str, str]) -> Reply:
        """Ask and wait for one answer, as `Messenger.request` says."""
        message = await self._exchange(subject, data, timeout_s, headers, ours=True)
        self.hear(message.headers)
        if message.headers:
            if ERROR_HEADER in message.headers:
                self.traffic.errors += 1
                raise read_error(subject, message)
            if is_no_responders(message):
                raise NoRespondersError(subject)
        return Reply(message.data, message.headers)

    async def ask(self, subject: str, data: bytes, timeout_s: float, headers: Mapping[str, str]) -> Message:
        """Ask a server that does not speak this protocol, as `Messenger.ask` says."""
        message = await self._exchange(subject, data, timeout_s, headers, ours=False)
        if is_no_responders(message):
            raise NoRespondersError(subject)
        return message

    async def stream(
        self,
        subject: str,
        data: bytes,
        *,
        timeout_s: float,
        window_bytes: int,
        idle_s: float,
        headers: Mapping[str, str],
        claim: Claim,
    ) -> AsyncGenerator[bytes, None]:
        """Ask and read a streamed answer, as `Messenger.stream` says."""
        timeout_s = self._time_left(subject, timeout_s)
        if self.streams_open >= self.limits.streams_open_max:
            raise TooManyRequestsError(self.bus.name, "streams_open_max", self.limits.streams_open_max)
        await self.open_inbox()
        reader = StreamReader(self, subject, timeout_s, window_bytes, idle_s)
        token, reply = self.new_token(reader)
        sent = self.outgoing(headers)
        sent[TIMEOUT_HEADER] = str(int(timeout_s * 1000))
        sent[WINDOW_HEADER] = str(window_bytes)
        self.streams_open += 1
        try:
            await self.send(subject, data, reply=reply, headers=sent)
            async for chunk in reader.chunks():
                yield chunk
            if reader.ticket is not None:
                left_s = reader.deadline_s - asyncio.get_running_loop().time()
                async with aclosing(claim(reader.ticket, left_s)) as direct:
                    async for chunk in direct:
                        yield chunk
        finally:
            del self.open[token]
            self.streams_open -= 1
            if not reader.ended:
                await self._cancel_stream(subject, reply, reader.control)

    def new_token(self, feed: Feed) -> tuple[str, str]:
        """Give somebody a place in the inbox; returns the token and the subject that leads there."""
        token = str(next(self._tokens))
        self.open[token] = feed
        return token, self._inbox + token

    def outgoing(self, headers: Mapping[str, str] = NO_HEADERS) -> dict[str, str]:
        """Return headers with what this node puts on every message."""
        sent = dict(headers)
        if self._stamp is not None:
            sent.update(self._stamp())
        trace = current_traceparent()
        if trace and TRACEPARENT not in sent:
            sent[TRACEPARENT] = trace
        return sent

    def hear(self, headers: Mapping[str, str]) -> None:
        """Show headers to whoever wants to see them; its failure is not the message's."""
        if self._heard is not None and headers:
            try:
                self._heard(headers)
            except Exception:
                logger.exception("the listener for headers of messenger %s failed", self.bus.name)

    def took(self, message: Message) -> None:
        """Count a message that arrived."""
        self.traffic.messages_received += 1
        self.traffic.bytes_received += len(message.data)

    async def send(
        self, subject: str, data: bytes = b"", *, reply: str = "", headers: Mapping[str, str] = NO_HEADERS
    ) -> None:
        """Publish and count."""
        await self.bus.publish(subject, data, reply=reply, headers=headers)
        self.traffic.messages_sent += 1
        self.traffic.bytes_sent += len(data)

    async def open_inbox(self) -> None:
        """Subscribe to the answers, once; one subscription serves all of them."""
        if self._inbox:
            return
        async with self._inbox_lock:
            if not self._inbox:
                inbox = self.bus.new_inbox() + "."
                self._inbox_at = len(inbox)
                self._inbox_subscription = await self.bus.subscribe(
                    f"{inbox}*", self._arrive, pending_max=4 * self.limits.pending_max
                )
                self._inbox = inbox

    def close(self) -> None:
        """Tell everybody who waits that nothing will come any more."""
        for feed in tuple(self.open.values()):
            feed.fail(DisconnectedError(self.bus.name, "it was closed while an answer was awaited"))

    async def _arrive(self, message: Message) -> None:
        self.took(message)
        feed = self.open.get(message.subject[self._inbox_at :])
        if feed is not None:
            feed.feed(message)

    async def _exchange(
        self, subject: str, data: bytes, timeout_s: float, headers: Mapping[str, str], *, ours: bool
    ) -> Message:
        """One message there, one back. Without a task of its own, for it is what everybody does all the time."""
        timeout_s = self._time_left(subject, timeout_s)
        if len(self.open) >= self.limits.requests_open_max:
            raise TooManyRequestsError(self.bus.name, "requests_open_max", self.limits.requests_open_max)
        if not self._inbox:
            await self.open_inbox()
        loop = asyncio.get_running_loop()
        answer = Answer(loop)
        token, reply = self.new_token(answer)
        timer = loop.call_later(timeout_s, answer.expire, subject, timeout_s)
        try:
            if ours:
                headers = self.outgoing(headers)
                headers[TIMEOUT_HEADER] = str(int(timeout_s * 1000))
            await self.send(subject, data, reply=reply, headers=headers)
            return await answer.future
        except asyncio.CancelledError:
            if ours:
                await self._cancel(subject, reply)
            raise
        finally:
            timer.cancel()
            del self.open[token]

    def _time_left(self, subject: str, timeout_s: float) -> float:
        """Return how long a request may take; one that cannot succeed any more is not sent."""
        timeout_s = remaining_s(timeout_s)
        if timeout_s <= 0:
            raise DeadlineExceededError(subject, max(0.0, timeout_s))
        if not self.bus.connected:
            raise DisconnectedError(self.bus.name)
        return timeout_s

    async def _cancel_stream(self, subject: str, reply: str, control: str) -> None:
        if control:
            with suppress(MessengerError):
                await self.send(control, CANCEL_FRAME)
        else:
            await self._cancel(subject, reply)

    async def _cancel(self, subject: str, reply: str) -> None:
        """Tell whoever serves the subject that nobody waits any more; which of a group it is, is not known."""
        with suppress(MessengerError):
            await self.send(CANCEL_PREFIX + subject, headers={CANCEL_HEADER: reply})


class Answer:
    """The place of one request in the inbox."""

    __slots__ = ("future",)

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.future: asyncio.Future[Message] = loop.create_future()

    def feed(self, message: Message) -> None:
        """Take the answer; a second one is ignored."""
        if not self.future.done():
            self.future.set_result(message)

    def fail(self, error: Exception) -> None:
        """Stop waiting."""
        if not self.future.done():
            self.future.set_exception(error)

    def expire(self, subject: str, timeout_s: float) -> None:
        """Stop waiting because the time is over."""
        self.fail(DeadlineExceededError(subject, timeout_s))


def remaining_s(timeout_s: float = float("inf")) -> float:
    """Return how long a call may take here: what was asked for, or what the call that is being handled has left."""
    deadline_s = _deadline_s.get()
    if deadline_s is None:
        return timeout_s
    return min(timeout_s, deadline_s - asyncio.get_running_loop().time())


def enter_deadline(deadline_s: float) -> None:
    """Bound all calls that the running task makes from now on, by a time of its loop."""
    _deadline_s.set(deadline_s)
