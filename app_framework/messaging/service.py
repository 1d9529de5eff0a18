"""Requests and streamed answers over any bus, the server's half: what `Messenger.serve` returns."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app_framework.errors import FrameworkError, UserError
from app_framework.messaging.bus import Message, Subscription
from app_framework.messaging.errors import MessengerError, PayloadTooLargeError
from app_framework.messaging.rpc import Rpc, enter_deadline
from app_framework.messaging.stream import Producer
from app_framework.messaging.trace import TRACEPARENT, enter_traceparent
from app_framework.messaging.wire import (
    CANCEL_HEADER,
    CANCEL_PREFIX,
    ERROR_HEADER,
    FRAME_HEADER,
    TIMEOUT_HEADER,
    WINDOW_HEADER,
    facts_of,
)

if TYPE_CHECKING:
    from app_framework.messaging.direct import DirectStreams

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Call:
    """One request as its handler sees it.

    Args:
        subject: where it was sent; a service with wildcards reads from it what was meant.
        data: the payload.
        headers: the caller's, with those of the messenger.
        deadline_s: when the caller gives up, on the clock of the running loop.
    """

    subject: str
    data: bytes
    headers: Mapping[str, str]
    deadline_s: float

    @property
    def remaining_s(self) -> float:
        """How long the caller still waits; calls that the handler makes are bounded by it by themselves."""
        return max(0.0, self.deadline_s - asyncio.get_running_loop().time())


ServeHandler = Callable[[Call], Awaitable[bytes] | AsyncIterator[bytes]]


class Job:
    """One call that waits or runs."""

    __slots__ = ("call", "cancelled", "closing", "message", "task", "window_bytes")

    def __init__(self, message: Message, call: Call, window_bytes: int) -> None:
        self.message = message
        self.call = call
        self.window_bytes = window_bytes
        self.task: asyncio.Task[None] | None = None
        self.cancelled = False
        self.closing = False

    def cancel(self) -> None:
        """Stop it, or let it not begin."""
        self.cancelled = True
        if self.task is not None:
            self.task.cancel()


class Service:
    """A handler that answers requests: a few at once, a bounded line before them, each ended at its deadline.

    Args:
        rpc: the messenger's half that this one shares its inbox with.
        subject: wildcards are allowed.
        handler: returns bytes, or yields them.
        concurrency_max: how many run at once.
        waiting_max: how many more may wait.
        direct: where large streamed answers go beside the bus; None to send them as frames.
        on_end: told when it takes no more calls and has finished.
    """

    def __init__(
        self,
        rpc: Rpc,
        subject: str,
        handler: ServeHandler,
        *,
        concurrency_max: int,
        waiting_max: int,
        direct: DirectStreams | None = None,
        on_end: Callable[[Service], object],
    ) -> None:
        self.subject = subject
        self._on_end = on_end
        self._rpc = rpc
        self._handler = handler
        self._concurrency_max = concurrency_max
        self._waiting_max = waiting_max
        self._direct = direct
        self._waiting: deque[Job] = deque()
        self._running: set[Job] = set()
        self._jobs: dict[str, Job] = {}
        self._idle = asyncio.Event()
        self._idle.set()
        self._subscriptions: list[Subscription] = []

    async def open(self, queue: str) -> None:
        """Begin to listen."""
        await self._rpc.open_inbox()
        self._subscriptions.append(await self._rpc.bus.subscribe(CANCEL_PREFIX + self.subject, self._hear_cancel))
        self._subscriptions.append(
            await self._rpc.bus.subscribe(
                self.subject, self._arrive, queue=queue, pending_max=self._rpc.limits.pending_max
            )
        )

    @property
    def load(self) -> int:
        """How many calls run or wait now."""
        return len(self._running) + len(self._waiting)

    async def unsubscribe(self) -> None:
        """Take no more calls, finish those that run or wait; a handler that ends its own service does not wait."""
        subscriptions, self._subscriptions = self._subscriptions, []
        current = asyncio.current_task()
        for subscription in reversed(subscriptions):
            await subscription.unsubscribe()
            if not any(job.task is current for job in self._running):
                await self._idle.wait()
        self._on_end(self)

    async def stop(self) -> None:
        """End at once: callers of what runs or waits are told that this node goes away."""
        waiting, self._waiting = self._waiting, deque()
        for job in waiting:
            await self._refuse_closing(job)
        tasks = []
        for job in tuple(self._running):
            job.closing = True
            job.cancel()
            if job.task is not None and job.task is not asyncio.current_task():
                tasks.append(job.task)
        if tasks:
            await asyncio.wait(tasks, timeout=1.0)

    def __repr__(self) -> str:
        return f"<Service {self.subject!r}, {len(self._running)} run, {len(self._waiting)} wait>"

    async def _arrive(self, message: Message) -> None:
        self._rpc.took(message)
        self._rpc.hear(message.headers)
        if len(self._running) >= self._concurrency_max and len(self._waiting) >= self._waiting_max:
            await self._refuse(message, "OVERLOADED", f"{self._waiting_max} calls wait already on {self.subject!r}")
            return
        job = self._job(message)
        self._idle.clear()
        if message.reply:
            self._jobs[message.reply] = job
        if len(self._running) < self._concurrency_max:
            self._start(job)
        else:
            self._waiting.append(job)

    def _job(self, message: Message) -> Job:
        timeout_s = _number(message.headers.get(TIMEOUT_HEADER), self._rpc.limits.serve_timeout_s * 1000) / 1000
        deadline_s = asyncio.get_running_loop().time() + timeout_s
        call = Call(message.subject, message.data, message.headers, deadline_s)
        return Job(message, call, int(_number(message.headers.get(WINDOW_HEADER), 0)))

    async def _hear_cancel(self, message: Message) -> None:
        job = self._jobs.get(message.headers.get(CANCEL_HEADER, ""))
        if job is not None:
            job.cancel()

    def _start(self, job: Job) -> None:
        self._running.add(job)
        job.task = asyncio.get_running_loop().create_task(self._run(job))
        job.task.add_done_callback(lambda _: self._finished(job))

    def _finished(self, job: Job) -> None:
        """Start the next one that somebody still waits for."""
        self._running.discard(job)
        self._jobs.pop(job.message.reply, None)
        while self._waiting and len(self._running) < self._concurrency_max:
            following = self._waiting.popleft()
            if following.cancelled or following.call.remaining_s <= 0:
                self._jobs.pop(following.message.reply, None)
            else:
                self._start(following)
        if not self._running:
            self._idle.set()

    async def _run(self, job: Job) -> None:
        """Answer in a task of its own, which a deadline or the caller may cancel: then nobody wants an answer."""
        enter_deadline(job.call.deadline_s)
        if trace := job.message.headers.get(TRACEPARENT):
            enter_traceparent(trace)
        try:
            async with asyncio.timeout_at(job.call.deadline_s):
                await self._answer(job)
        except TimeoutError:
            logger.debug("%s: a call was ended at its deadline", self.subject)
        except asyncio.CancelledError:
            if job.closing:
                await self._refuse_closing(job)
            elif not job.cancelled:
                raise

    async def _answer(self, job: Job) -> None:
        try:
            result = self._handler(job.call)
            if not isinstance(result, Awaitable):
                async with aclosing(_generator(result)) as chunks:
                    await self._answer_with_chunks(job, chunks)
            elif job.window_bytes:
                await self._answer_with_chunks(job, _once(await result))
            else:
                await self._reply(job, await result)
        except asyncio.CancelledError:
            task = job.task
            if task is not None and task.cancelling():
                raise
            await self._fail(job, RuntimeError("the handler awaited something that was cancelled"))
        except Exception as error:
            await self._fail(job, error)

    async def _reply(self, job: Job, data: bytes) -> None:
        if job.message.reply:
            await self._rpc.send(job.message.reply, data, headers=self._rpc.outgoing())

    async def _answer_with_chunks(self, job: Job, chunks: AsyncIterator[bytes]) -> None:
        if not job.window_bytes:
            await self._reply(job, await _collect(chunks, self._rpc.bus.message_bytes_max))
        elif self._direct is not None:
            await self._answer_directly(job, chunks, self._direct)
        else:
            await Producer(self._rpc, job.message.reply, job.window_bytes, job.cancel).run(chunks)

    async def _answer_directly(self, job: Job, chunks: AsyncIterator[bytes], direct: DirectStreams) -> None:
        offer = await direct.open(chunks)
        try:
            headers = self._rpc.outgoing()
            headers[FRAME_HEADER] = "ticket"
            await self._rpc.send(job.message.reply, offer.ticket, headers=headers)
            await offer.done()
        finally:
            await offer.withdraw()

    async def _fail(self, job: Job, error: Exception) -> None:
        """Say what went wrong: what our own errors say, of any other only its class."""
        if isinstance(error, UserError | FrameworkError):
            code = str(getattr(error, "code", "INTERNAL"))
            await self._refuse(job.message, code, str(error), facts_of(error))
            return
        logger.error("the handler of %s failed", self.subject, exc_info=error)
        await self._refuse(job.message, "INTERNAL", f"{type(error).__name__} in the handler of {self.subject!r}")

    async def _refuse_closing(self, job: Job) -> None:
        await self._refuse(job.message, "UNAVAILABLE", f"node {self._rpc.bus.name!r} is closing")

    async def _refuse(self, message: Message, code: str, detail: str, facts: Mapping[str, str] | None = None) -> None:
        if not message.reply:
            return
        self._rpc.traffic.errors += 1
        body = {"detail": detail[: self._rpc.limits.error_chars_max], "facts": dict(facts or {})}
        headers = self._rpc.outgoing()
        headers[ERROR_HEADER] = code
        with suppress(MessengerError):  # without a connection nobody can be told
            await self._rpc.send(message.reply, json.dumps(body).encode(), headers=headers)


async def _collect(chunks: AsyncIterator[bytes], limit_bytes: int) -> bytes:
    """Join a streamed answer for a caller that wants it in one piece."""
    parts: list[bytes] = []
    size = 0
    async for chunk in chunks:
        size += len(chunk)
        if size > limit_bytes:
            raise PayloadTooLargeError(size, limit_bytes)
        parts.append(chunk)
    return b"".join(parts)


async def _generator(chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    """Give any iterator the `aclose` of a generator."""
    try:
        async for chunk in chunks:
            yield chunk
    finally:
        if (close := getattr(chunks, "aclose", None)) is not None:
            await close()


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data


def _number(text: str | None, default: float) -> float:
    """Read a number that another program sent; nonsense is as if nothing was sent."""
    return float(text) if text is not None and text.isdecimal() and len(text) < 16 else default
