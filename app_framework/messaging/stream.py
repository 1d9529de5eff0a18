"""Streamed answers over a bus: numbered frames, byte credit, beats, and both ends that notice when the other is gone.

Frames carry a reply subject of the producer. There the reader tells how much it has read in all (so a lost message
costs nothing) and that it stops; and there the server itself tells the producer that its reader is gone.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from app_framework.messaging.bus import Message
from app_framework.messaging.errors import (
    DeadlineExceededError,
    DisconnectedError,
    MessengerError,
    NoRespondersError,
    StreamBrokenError,
)
from app_framework.messaging.wire import (
    CANCEL_FRAME,
    ERROR_HEADER,
    FRAME_HEADER,
    FRAME_OVERHEAD_BYTES,
    is_no_responders,
    read_error,
)

if TYPE_CHECKING:
    from app_framework.messaging.rpc import Rpc


class StreamReader:
    """One streamed answer as it comes in.

    Attributes:
        control: where the producer listens; known from its first frame on.
        ticket: of the direct stream that replaces the frames, where the producer chose so.
        ended: whether the producer has nothing more to do.
    """

    def __init__(self, rpc: Rpc, subject: str, timeout_s: float, window_bytes: int, idle_s: float) -> None:
        self.deadline_s = asyncio.get_running_loop().time() + timeout_s
        self.control = ""
        self.ticket: bytes | None = None
        self.ended = False
        self._rpc = rpc
        self._subject = subject
        self._timeout_s = timeout_s
        self._window_bytes = window_bytes
        self._idle_s = idle_s
        self._frames: deque[Message] = deque()
        self._error: Exception | None = None
        self._wake: asyncio.Future[None] | None = None
        self._expected = 0
        self._read_bytes = 0
        self._told_bytes = 0

    def feed(self, message: Message) -> None:
        """Take a frame."""
        self._frames.append(message)
        self._wake_up()

    def fail(self, error: Exception) -> None:
        """Stop waiting."""
        self._error = error
        self._wake_up()

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the bytes in order until the end.

        Raises:
            StreamBrokenError: a frame is missing, or nothing came for too long.
            RemoteError: the producer failed.
        """
        while True:
            message = await self._next()
            kind = self._kind(message)
            if kind == "again":
                continue
            if kind == "beat":
                await self._tell_progress()
            elif kind == "end":
                self.ended = True
                return
            elif kind == "ticket":
                self.ticket, self.ended = message.data, True
                return
            else:
                yield message.data
                self._read_bytes += len(message.data) + FRAME_OVERHEAD_BYTES
                if self._read_bytes - self._told_bytes >= self._window_bytes // 4:
                    await self._tell_progress()

    def _kind(self, message: Message) -> str:
        """What a frame is; a number that is not the next one breaks the stream."""
        self._rpc.hear(message.headers)
        if ERROR_HEADER in message.headers:
            self.ended = True
            self._rpc.traffic.errors += 1
            raise read_error(self._subject, message)
        if is_no_responders(message):
            self.ended = True
            raise NoRespondersError(self._subject)
        self.control = message.reply or self.control
        kind, _, number = message.headers.get(FRAME_HEADER, "").rpartition(" ")
        if number == "ticket":
            return number
        if not number.isdecimal():
            raise StreamBrokenError(self._subject, "the answer is not a stream")
        if int(number) < self._expected and kind != "end":
            return "again"  # it came twice, or late
        if int(number) != self._expected:
            raise StreamBrokenError(self._subject, f"frame {self._expected} is missing")
        if not kind:
            self._expected += 1
        return kind

    async def _next(self) -> Message:
        loop = asyncio.get_running_loop()
        while not self._frames:
            if self._error is not None:
                raise self._error
            silent_at_s = loop.time() + self._idle_s if self.control else self.deadline_s
            self._wake = loop.create_future()
            try:
                async with asyncio.timeout_at(min(silent_at_s, self.deadline_s)):
                    await self._wake
            except TimeoutError as error:
                if loop.time() >= self.deadline_s:
                    raise DeadlineExceededError(self._subject, self._timeout_s) from error
                raise StreamBrokenError(self._subject, f"nothing came for {self._idle_s:g} s") from error
        return self._frames.popleft()

    async def _tell_progress(self) -> None:
        """Tell how much was read in all; when that message is lost, the answer to the next beat repeats it."""
        self._told_bytes = self._read_bytes
        with suppress(DisconnectedError):
            await self._rpc.send(self.control, str(self._read_bytes).encode())

    def _wake_up(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)


class Producer:
    """One streamed answer on its way out: numbered frames, as far ahead of the reader as it allowed.

    Args:
        rpc: the messenger's, for its inbox.
        reply: where the frames go.
        window_bytes: how far they may be ahead.
        cancel: ends whoever produces, because nobody reads any more.
    """

    def __init__(self, rpc: Rpc, reply: str, window_bytes: int, cancel: Callable[[], None]) -> None:
        self._rpc = rpc
        self._reply = reply
        self._window_bytes = window_bytes
        self._cancel = cancel
        self._sent_bytes = 0
        self._read_bytes = 0
        self._number = 0
        self._quiet = True
        self._room = asyncio.Event()
        self._token, self._control = rpc.new_token(self)

    async def run(self, chunks: AsyncIterator[bytes]) -> None:
        """Send everything, then the end; a beat whenever there is nothing to send."""
        beats = asyncio.get_running_loop().create_task(self._beat())
        try:
            async for chunk in chunks:
                for part in _parts(chunk, self._rpc.frame_bytes_max):
                    await self._wait_for_room(len(part) + FRAME_OVERHEAD_BYTES)
                    self._number += 1  # first, so that a beat never names a frame that is on its way
                    await self._frame(str(self._number - 1), part)
            await self._frame(f"end {self._number}")
        finally:
            beats.cancel()
            self._rpc.open.pop(self._token, None)

    def feed(self, message: Message) -> None:
        """Hear from the reader, or from the server that there is none any more."""
        if message.data == CANCEL_FRAME or is_no_responders(message):
            self._cancel()
        elif message.data.isdigit():
            self._read_bytes = max(self._read_bytes, int(message.data))
            self._room.set()

    def fail(self, error: Exception) -> None:
        """Stop: the messenger is closing."""
        self._cancel()

    async def _wait_for_room(self, size: int) -> None:
        """A frame larger than the window passes when nothing else is under way."""
        while (ahead := self._sent_bytes - self._read_bytes) and ahead + size > self._window_bytes:
            self._room.clear()
            await self._room.wait()
        self._sent_bytes += size

    async def _frame(self, name: str, data: bytes = b"") -> None:
        self._quiet = False
        headers = self._rpc.outgoing()
        headers[FRAME_HEADER] = name
        await self._rpc.send(self._reply, data, reply=self._control, headers=headers)

    async def _beat(self) -> None:
        """Say now and then that this producer lives, and which frame comes next."""
        while True:
            self._quiet = True
            await asyncio.sleep(self._rpc.limits.beat_s)
            if self._quiet:
                with suppress(MessengerError):
                    await self._frame(f"beat {self._number}")


def _parts(data: bytes, size_max: int) -> list[bytes]:
    """Cut a chunk into frames; one that fits is not copied, an empty one is none."""
    if len(data) <= size_max:
        return [data] if data else []
    view = memoryview(data)
    return [bytes(view[at : at + size_max]) for at in range(0, len(data), size_max)]
