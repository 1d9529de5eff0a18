"""One connection of a node to a `MemoryNetwork`, and its subscriptions."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from app_framework.messaging.bus import NO_HEADERS, BusEvent, EventKind, Handler, Message
from app_framework.messaging.errors import DeadlineExceededError, DisconnectedError, PayloadTooLargeError
from app_framework.messaging.subject import check_pattern, check_queue, check_subject, clean_headers, headers_size

if TYPE_CHECKING:
    from app_framework.messaging.memory import MemoryNetwork

BUFFER_BYTES_MAX = 8 << 20
"""What a bus keeps of its own messages while it is disconnected."""
TURN_MESSAGES = 64
"""After so many messages in a row a publisher lets others run, as a real connection does when its buffer is full."""


class MemoryBus:
    """One connection of one node to a `MemoryNetwork`; get one from `MemoryNetwork.bus`."""

    protocol: ClassVar[str] = "in-memory"

    def __init__(self, network: MemoryNetwork, name: str) -> None:
        self.name = name
        self.network = network
        self._connected = True
        self._closed = False
        self._subscriptions: set[MemorySubscription] = set()
        self._listeners: list[tuple[Callable[[BusEvent], None], asyncio.AbstractEventLoop | None]] = []
        self._buffer: list[Message] = []
        self._buffer_bytes = 0
        self._turn = 0

    @property
    def message_bytes_max(self) -> int:
        """The largest message, payload and headers together."""
        return self.network.message_bytes_max

    @property
    def connected(self) -> bool:
        """Whether messages get anywhere now."""
        return self._connected

    async def publish(
        self, subject: str, data: bytes = b"", *, reply: str = "", headers: Mapping[str, str] = NO_HEADERS
    ) -> None:
        """Send a message, as `Bus.publish` says."""
        check_subject(subject)
        if reply:
            check_subject(reply)
        size = len(data) + headers_size(headers)
        if size > self.message_bytes_max:
            raise PayloadTooLargeError(size, self.message_bytes_max)
        if self._closed:
            raise DisconnectedError(self.name, "it is closed")
        message = Message(subject, bytes(data), clean_headers(headers), reply)
        if self._connected:
            self.network._route(self, message)
        else:
            self._keep(message, size)
        self._turn += 1
        if self._turn % TURN_MESSAGES == 0:
            await asyncio.sleep(0)

    async def subscribe(
        self, subject: str, handler: Handler, *, queue: str = "", pending_max: int = 65_536
    ) -> MemorySubscription:
        """Call a handler with every message of a subject, as `Bus.subscribe` says."""
        check_pattern(subject)
        check_queue(queue)
        if self._closed:
            raise DisconnectedError(self.name, "it is closed")
        subscription = MemorySubscription(self, subject, handler, queue, pending_max)
        self._subscriptions.add(subscription)
        self.network._add(subscription)
        return subscription

    async def flush(self, timeout_s: float = 5.0) -> None:
        """Wait for nothing: what was published has left already.

        Raises:
            DisconnectedError: there is no connection.
        """
        if not self._connected:
            raise DisconnectedError(self.name, "it is closed" if self._closed else "")
        await asyncio.sleep(0)

    def new_inbox(self) -> str:
        """Return a subject that nobody else uses."""
        return self.network._new_inbox()

    def listen(self, listener: Callable[[BusEvent], None]) -> None:
        """Tell what happens to the connection; on the listener's own loop where it has one."""
        self._listeners.append((listener, running_loop()))

    def disconnect(self) -> None:
        """Lose the network, as when a server dies; only this connection, not the others of its node."""
        if self._connected:
            self._connected = False
            self._tell("disconnected")

    def reconnect(self) -> None:
        """Find the network again, and send what was kept."""
        if self._connected or self._closed:
            return
        self._connected = True
        kept, self._buffer, self._buffer_bytes = self._buffer, [], 0
        for message in kept:
            self.network._route(self, message)
        self._tell("reconnected")

    async def drain(self, timeout_s: float = 5.0) -> None:
        """Take no new messages, handle those that wait for as long as the time allows, close.

        Raises:
            DeadlineExceededError: handlers were still busy and were cancelled.
        """
        ends: list[Coroutine[None, None, None]] = [each.unsubscribe() for each in tuple(self._subscriptions)]
        try:
            async with asyncio.timeout(timeout_s):
                await asyncio.gather(*ends)
        except TimeoutError as error:
            raise DeadlineExceededError("drain", timeout_s) from error
        finally:
            await self.close()

    async def close(self) -> None:
        """Close at once; handlers are cancelled."""
        if self._closed:
            return
        self._closed, self._connected = True, False
        self.network._leave(self)
        subscriptions, self._subscriptions = self._subscriptions, set()
        for subscription in subscriptions:
            self.network._remove(subscription)
            subscription.stop()
        self._tell("closed")
        await asyncio.sleep(0)

    def __repr__(self) -> str:
        state = "closed" if self._closed else "connected" if self._connected else "disconnected"
        return f"<MemoryBus {self.name!r} {state}, {len(self._subscriptions)} subscriptions>"

    def _keep(self, message: Message, size: int) -> None:
        if self._buffer_bytes + size > BUFFER_BYTES_MAX:
            raise DisconnectedError(self.name, f"{BUFFER_BYTES_MAX:,} bytes wait already for it to come back")
        self._buffer.append(message)
        self._buffer_bytes += size

    def _tell(self, kind: EventKind, detail: str = "") -> None:
        event = BusEvent(kind, detail)
        for listener, loop in tuple(self._listeners):
            if loop is None or loop is running_loop():
                listener(event)
            else:
                _call_on(loop, partial(listener, event))


class MemorySubscription:
    """Interest of one bus in one subject; its handler runs in a task of its own, one message after the other."""

    def __init__(self, bus: MemoryBus, subject: str, handler: Handler, queue: str, pending_max: int) -> None:
        self.bus = bus
        self.subject = subject
        self.words = tuple(subject.split("."))
        self.queue = queue
        self._handler = handler
        self._pending_max = pending_max
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self.known_at_s = self._loop.time() + bus.network.interest_delay_s
        self._pending: deque[Message] = deque()
        self._wake: asyncio.Future[None] | None = None
        self._ended = False
        self._task = self._loop.create_task(self._run(), name=f"{bus.name} hears {subject}")

    def offer(self, message: Message) -> None:
        """Take a message, from any thread; when too many wait it is dropped."""
        if threading.get_ident() == self._thread:
            self._put(message)
        else:
            _call_on(self._loop, partial(self._put, message))

    async def unsubscribe(self) -> None:
        """Give the subject up; what waits is still handled, then this returns.

        Called by its own handler it returns at once; cancelled, it drops what waits.
        """
        self.bus.network._remove(self)
        self._ended = True
        self._wake_up()
        if asyncio.current_task() is self._task:
            return
        try:
            await asyncio.wait({self._task})
        except asyncio.CancelledError:
            self.stop()
            raise

    def stop(self) -> None:
        """End at once, from any thread; the handler is cancelled."""
        self._ended = True
        if threading.get_ident() == self._thread:
            self._task.cancel()
        else:
            _call_on(self._loop, self._task.cancel)

    def __repr__(self) -> str:
        queue = f" in {self.queue!r}" if self.queue else ""
        return f"<MemorySubscription {self.bus.name!r} to {self.subject!r}{queue}, {len(self._pending)} wait>"

    def _put(self, message: Message) -> None:
        if self._ended:
            return
        if len(self._pending) >= self._pending_max:
            self.bus._tell("slow-consumer", self.subject)
            return
        self._pending.append(message)
        self._wake_up()

    def _wake_up(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    async def _run(self) -> None:
        try:
            while True:
                while self._pending:
                    await self._handle(self._pending.popleft())
                if self._ended:
                    return
                self._wake = self._loop.create_future()
                await self._wake
        finally:
            self.bus._subscriptions.discard(self)

    async def _handle(self, message: Message) -> None:
        """A handler's failure is an event, also when it awaited something cancelled; only our own end ends the task."""
        try:
            await self._handler(message)
        except asyncio.CancelledError:
            if self._task.cancelling():
                raise
            self.bus._tell("error", f"the handler of {self.subject!r} awaited something that was cancelled")
        except Exception as error:
            self.bus._tell("error", f"{type(error).__name__}: {error}")


def running_loop() -> asyncio.AbstractEventLoop | None:
    """Return the loop of the running code; None outside of any."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _call_on(loop: asyncio.AbstractEventLoop, call: Callable[[], object]) -> None:
    """Call on another thread's loop; one that is closed hears nothing, as a dead process would."""
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(call)
