"""Streamed answers: in frames with credit, over a direct connection, by a ticket; in memory and on NATS."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing, suppress

import pytest

from app_framework.errors import UserError
from app_framework.messaging.claim import MAGIC
from app_framework.messaging.direct import BadTicketError, DirectStreams, TooManyTicketsError
from app_framework.messaging.errors import (
    DeadlineExceededError,
    NoRespondersError,
    RemoteError,
    StreamBrokenError,
)
from app_framework.messaging.memory import MemoryNetwork
from app_framework.messaging.messenger import Call, Messenger, MessengerLimits
from app_framework.messaging.rpc import TooManyRequestsError
from app_framework.messaging.trace import current_traceparent, new_traceparent, with_traceparent
from app_framework.messaging.wire import FRAME_OVERHEAD_BYTES
from app_framework.testing.virtual_time import until
from tests.messaging.conftest import Wire

either_way = pytest.mark.parametrize("direct", [False, True], ids=["frames", "direct"])


class Numbers:
    """A producer of so many chunks, which knows how far it came and whether it was closed."""

    def __init__(self, chunk_bytes: int = 100_000) -> None:
        self.chunk_bytes = chunk_bytes
        self.produced = 0
        self.closed = False

    async def __call__(self, call: Call) -> AsyncIterator[bytes]:
        try:
            for number in range(int(call.data)):
                self.produced += 1
                yield number.to_bytes(4, "big") * (self.chunk_bytes // 4)
        finally:
            self.closed = True


async def read(messenger: Messenger, subject: str, data: bytes = b"", timeout_s: float = 20) -> bytes:
    return b"".join([chunk async for chunk in messenger.stream(subject, data, timeout_s=timeout_s)])


@either_way
def test_a_streamed_answer_comes_whole_and_in_order(wire: Wire, direct: bool) -> None:
    """8 MB, many times the window."""

    async def talk(a: Messenger, b: Messenger) -> None:
        await b.serve("numbers", Numbers(), direct=direct)
        await b.flush()
        data = await read(a, "numbers", b"80")
        assert data == b"".join(number.to_bytes(4, "big") * 25_000 for number in range(80))
        assert (a.requests_open, b.requests_open) == (0, 0)

    wire.run(talk, direct=direct)


@either_way
def test_chunks_of_any_size_may_be_yielded(wire: Wire, direct: bool) -> None:
    """Larger than a message, empty, none at all."""

    async def sizes(call: Call) -> AsyncIterator[bytes]:
        for size in (int(word) for word in call.data.split()):
            yield bytes(size)

    async def talk(a: Messenger, b: Messenger) -> None:
        await b.serve("sizes", sizes, direct=direct)
        await b.flush()
        assert len(await read(a, "sizes", b"3000000 0 1 0")) == 3_000_001
        assert await read(a, "sizes", b"") == b""

    wire.run(talk, direct=direct)


@either_way
def test_a_plain_answer_can_be_read_as_a_stream(wire: Wire, direct: bool) -> None:
    async def plain(call: Call) -> bytes:
        return bytes(1_500_000)

    async def talk(a: Messenger, b: Messenger) -> None:
        await b.serve("plain", plain, direct=direct)
        await b.flush()
        assert len(await read(a, "plain")) == 1_500_000

    wire.run(talk, direct=direct)


def test_a_producer_is_at_most_a_window_ahead(wire: Wire) -> None:
    """Tiny chunks count with an overhead, so that their number is bounded too."""

    async def talk(a: Messenger, b: Messenger) -> None:
        numbers = Numbers(chunk_bytes=1000)
        await b.serve("numbers", numbers)
        await b.flush()
        window = 100 * (1000 + FRAME_OVERHEAD_BYTES)
        async with aclosing(a.stream("numbers", b"100000", timeout_s=20, window_bytes=window)) as answer:
            await anext(answer)
            await until(lambda: numbers.produced >= 100)
            await a.flush()
            await b.flush()
            assert numbers.produced <= 102

    wire.run(talk)


@either_way
def test_a_reader_that_leaves_stops_the_producer(wire: Wire, direct: bool) -> None:
    async def talk(a: Messenger, b: Messenger) -> None:
        numbers = Numbers()
        await b.serve("numbers", numbers, direct=direct)
        await b.flush()
        async with aclosing(a.stream("numbers", b"1000000", timeout_s=20)) as answer:
            await anext(answer)
        await until(lambda: numbers.closed and b.calls_open == 0)
        assert numbers.produced < 500

    wire.run(talk, direct=direct)


def test_a_reader_that_leaves_before_the_first_frame_stops_the_producer(wire: Wire) -> None:
    async def talk(a: Messenger, b: Messenger) -> None:
        begun, closed = asyncio.Event(), asyncio.Event()

        async def silent(call: Call) -> AsyncIterator[bytes]:
            begun.set()
            try:
                await asyncio.sleep(3600)
                yield b""
            finally:
                closed.set()

        await b.serve("silent", silent)
        await b.flush()
        reading = asyncio.ensure_future(read(a, "silent"))
        await begun.wait()
        reading.cancel()
        await closed.wait()
        await until(lambda: b.requests_open == 0)

    wire.run(talk)


def test_a_reader_that_dies_is_noticed_by_the_server(wire: Wire) -> None:
    """The next frame finds no reader, and the server says so to the producer; no deadline is waited for."""

    async def talk(a: Messenger, b: Messenger) -> None:
        numbers = Numbers(chunk_bytes=400_000)
        await b.serve("numbers", numbers)
        await b.flush()
        answer = a.stream("numbers", b"1000000", timeout_s=3600)
        await anext(answer)
        await a.bus.close()
        await until(lambda: numbers.closed)
        await answer.aclose()

    wire.run(talk, limits=MessengerLimits(beat_s=0.05))


@either_way
def test_what_fails_midway_is_an_error_after_what_came(wire: Wire, direct: bool) -> None:
    """Never a short answer that looks whole."""

    async def half(call: Call) -> AsyncIterator[bytes]:
        yield b"first half"
        raise UserError("the second half is missing")

    async def talk(a: Messenger, b: Messenger) -> None:
        await b.serve("half", half, direct=direct)
        await b.flush()
        async with aclosing(a.stream("half", timeout_s=20)) as answer:
            assert await anext(answer) == b"first half"
            with pytest.raises(RemoteError, match="INVALID_REQUEST: the second half is missing"):
                await anext(answer)

    wire.run(talk, direct=direct)


@either_way
def test_a_stream_has_one_deadline_for_all_of_it(wire: Wire, direct: bool) -> None:
    async def talk(a: Messenger, b: Messenger) -> None:
        closed = asyncio.Event()

        async def endless(call: Call) -> AsyncIterator[bytes]:
            try:
                while True:
                    yield b"more"
                    await asyncio.sleep(0.01)
            finally:
                closed.set()

        await b.serve("endless", endless, direct=direct)
        await b.flush()
        with pytest.raises(DeadlineExceededError):
            await read(a, "endless", timeout_s=0.3)
        await closed.wait()

    wire.run(talk, direct=direct)


def test_a_stream_that_nobody_serves_is_told_at_once(wire: Wire) -> None:
    async def talk(a: Messenger, b: Messenger) -> None:
        with pytest.raises(NoRespondersError):
            await read(a, "nobody.here")

    wire.run(talk)


@either_way
def test_a_producer_runs_in_the_trace_and_the_deadline_of_its_caller(wire: Wire, direct: bool) -> None:
    async def talk(a: Messenger, b: Messenger) -> None:
        async def look(call: Call) -> AsyncIterator[bytes]:
            yield current_traceparent().encode()
            with pytest.raises(DeadlineExceededError):
                await b.request("silence", timeout_s=3600)
            yield b""

        async def hear_nothing(call: Call) -> bytes:
            await asyncio.sleep(3600)
            return b""

        await b.serve("look", look, direct=direct)
        await a.serve("silence", hear_nothing)
        await a.flush()
        await b.flush()
        trace = new_traceparent()
        with with_traceparent(trace):
            async with aclosing(a.stream("look", timeout_s=0.3)) as answer:
                assert await anext(answer) == trace.encode()

    wire.run(talk, direct=direct)


@either_way
@pytest.mark.parametrize("size", [0, 10, 5_000_000])
def test_a_ticket_is_good_for_one_claim(wire: Wire, direct: bool, size: int) -> None:
    async def talk(a: Messenger, b: Messenger) -> None:
        ticket = await b.offer(bytes(size))
        await b.flush()
        assert len(b"".join([chunk async for chunk in a.claim(ticket)])) == size
        with pytest.raises((StreamBrokenError, RemoteError)):
            assert [chunk async for chunk in a.claim(ticket)]

    wire.run(talk, direct=direct)


@either_way
def test_bytes_that_come_little_by_little_can_be_offered(wire: Wire, direct: bool) -> None:
    async def words() -> AsyncIterator[bytes]:
        for word in (b"little ", b"by ", b"little"):
            yield word

    async def talk(a: Messenger, b: Messenger) -> None:
        ticket = await b.offer(words())
        await b.flush()
        assert [chunk async for chunk in a.claim(ticket)] == [b"little ", b"by ", b"little"]

    wire.run(talk, direct=direct)


@either_way
def test_a_ticket_with_another_token_opens_nothing_and_the_right_one_still_does(wire: Wire, direct: bool) -> None:
    async def talk(a: Messenger, b: Messenger) -> None:
        ticket = await b.offer(b"secret")
        await b.flush()
        at = ticket.rindex(b'"token": "') + 10
        forged = ticket[:at] + b"00" * 32 + ticket[at + 64 :]
        with pytest.raises((StreamBrokenError, RemoteError)):
            assert [chunk async for chunk in a.claim(forged)]
        assert [chunk async for chunk in a.claim(ticket)] == [b"secret"]

    wire.run(talk, direct=direct)


@pytest.mark.parametrize(
    "ticket",
    [b"", b"[]", b"{}", b'{"host":"h","port":"x"}', b'{"host":"h","port":1,"id":"00","token":"00"}', b"x" * 3000],
)
def test_what_is_no_ticket_is_refused_in_words(ticket: bytes) -> None:
    async def talk() -> None:
        async with Messenger(MemoryNetwork().bus("a")) as a:
            with pytest.raises(BadTicketError, match="not a claim ticket"):
                assert [chunk async for chunk in a.claim(ticket)]

    asyncio.run(talk())


def test_open_tickets_are_bounded_and_expire() -> None:
    async def talk() -> None:
        direct = DirectStreams(tickets_max=2, ttl_s=0.05)
        offers = [await direct.open(_nothing()) for _ in range(2)]
        with pytest.raises(TooManyTicketsError, match="tickets_max"):
            await direct.open(_nothing())
        for offer in offers:
            await offer.done()
        assert len(direct.offers) == 0
        await (await direct.open(_nothing())).withdraw()
        await direct.close()

    asyncio.run(talk())


def test_connections_without_a_ticket_are_cut_and_bounded() -> None:
    """Whoever knows no token gets no byte, and cannot hold the door open for others."""

    async def talk() -> None:
        direct = DirectStreams(tickets_max=2)
        offer = await direct.open(_nothing())
        strangers = [await asyncio.open_connection("127.0.0.1", direct.port) for _ in range(4)]
        await until(lambda: len(direct._connections) == 4)
        reader, writer = await asyncio.open_connection("127.0.0.1", direct.port)
        assert await reader.read() == b""
        for stranger, its_writer in strangers:
            its_writer.write(b"GET / HTTP/1.1\r\nHost: somebody who does not know the way in\r\n\r\n")
            assert await stranger.read() == b""
        for _, each in (*strangers, (reader, writer)):
            each.close()
        await offer.withdraw()
        await direct.close()

    asyncio.run(talk())


def waits_to_be_sent(port: int) -> bool:
    """Return whether what a connection of a port has to send no longer fits on the way."""
    transports = tuple(asyncio.get_running_loop()._transports.values())  # type: ignore[attr-defined]  # no public name
    here = [each for each in transports if (each.get_extra_info("sockname") or (None, 0))[1] == port]
    return any(each.get_write_buffer_size() > 0 for each in here)


def test_a_claimer_that_does_not_read_is_cut_when_the_streams_close() -> None:
    """What waits to be sent to it would keep its connection open, and the node waiting."""

    async def much() -> AsyncIterator[bytes]:
        while True:
            yield bytes(1 << 20)

    async def talk() -> None:
        direct = DirectStreams()
        offer = await direct.open(much())
        ticket = json.loads(offer.ticket)
        _, writer = await asyncio.open_connection("127.0.0.1", direct.port)
        writer.transport.pause_reading()
        writer.write(MAGIC + bytes.fromhex(ticket["id"] + ticket["token"]))
        await until(lambda: len(direct._connections) == 1)
        await until(lambda: waits_to_be_sent(direct.port))
        await asyncio.wait_for(direct.close(), 5)
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()

    asyncio.run(talk())


def test_direct_streams_on_all_addresses_need_one_that_tickets_name() -> None:
    with pytest.raises(UserError, match="advertise"):
        DirectStreams("0.0.0.0")
    assert DirectStreams("0.0.0.0", advertise="10.0.0.7").advertise == "10.0.0.7"


def test_streams_that_are_read_at_once_are_bounded() -> None:
    async def talk() -> None:
        network = MemoryNetwork()
        limits = MessengerLimits(streams_open_max=1)
        async with Messenger(network.bus("a"), limits=limits) as a, Messenger(network.bus("b")) as b:
            await b.serve("numbers", Numbers())
            async with aclosing(a.stream("numbers", b"100", timeout_s=5)) as answer:
                await anext(answer)
                with pytest.raises(TooManyRequestsError, match="streams_open_max"):
                    await read(a, "numbers", b"1")
            assert len(await read(a, "numbers", b"1")) == 100_000

    asyncio.run(talk())


def test_a_direct_connection_that_breaks_is_never_taken_for_the_end() -> None:
    async def talk() -> None:
        direct = DirectStreams()
        async with Messenger(MemoryNetwork().bus("a")) as a:

            async def endless() -> AsyncIterator[bytes]:
                while True:
                    yield bytes(1000)

            ticket = (await direct.open(endless())).ticket
            async with aclosing(a.claim(ticket, timeout_s=20)) as answer:
                await anext(answer)
                closing = asyncio.ensure_future(direct.close())
                with pytest.raises(StreamBrokenError, match="ended early"):
                    await _exhaust(answer)
                await closing
            with pytest.raises(StreamBrokenError, match="cannot be reached"):
                assert [chunk async for chunk in a.claim(ticket)]

    asyncio.run(talk())


async def _exhaust(answer: AsyncIterator[bytes]) -> None:
    async for _ in answer:
        pass


async def _nothing() -> AsyncIterator[bytes]:
    for chunk in ():
        yield chunk
