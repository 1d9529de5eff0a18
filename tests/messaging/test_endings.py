"""How services and messengers end, and what is counted meanwhile: in memory and on NATS."""

from __future__ import annotations

import asyncio

import pytest

from app_framework.errors import UserError
from app_framework.messaging.errors import (
    DeadlineExceededError,
    DisconnectedError,
    NoRespondersError,
    RemoteError,
)
from app_framework.messaging.memory import MemoryNetwork
from app_framework.messaging.messenger import Call, Messenger, MessengerLimits
from app_framework.messaging.rpc import TooManyRequestsError
from app_framework.testing.virtual_time import until
from tests.messaging.conftest import Wire
from tests.messaging.handlers import Held, echo


def test_a_service_that_is_given_up_finishes_its_calls(wire: Wire) -> None:
    async def talk(a: Messenger, b: Messenger) -> None:
        held = Held()
        service = await b.serve("held", held)
        await b.flush()
        asking = asyncio.ensure_future(a.request("held", b"kept", timeout_s=20))
        await until(lambda: held.begun == 1)
        ending = asyncio.ensure_future(service.unsubscribe())
        held.go.set()
        await ending
        assert (await asking).data == b"kept"
        with pytest.raises(NoRespondersError):
            await a.request("held", timeout_s=20)

    wire.run(talk)


def test_a_handler_may_end_its_own_service(wire: Wire) -> None:
    async def talk(a: Messenger, b: Messenger) -> None:
        async def last(call: Call) -> bytes:
            await service.unsubscribe()
            return b"the last"

        service = await b.serve("last", last)
        await b.flush()
        assert (await a.request("last", timeout_s=5)).data == b"the last"

    wire.run(talk)


def test_draining_answers_what_is_here_and_then_closes(wire: Wire) -> None:
    async def talk(a: Messenger, b: Messenger) -> None:
        held = Held()
        await b.serve("held", held, concurrency_max=1)
        await b.flush()
        asked = [asyncio.ensure_future(a.request("held", b"%d" % n, timeout_s=20)) for n in range(3)]
        await until(lambda: b.calls_open == 3)
        draining = asyncio.ensure_future(b.drain(10))
        held.go.set()
        assert [(await answer).data for answer in asked] == [b"0", b"1", b"2"]
        await draining
        assert not b.connected

    wire.run(talk)


def test_draining_does_not_wait_for_ever(wire: Wire) -> None:
    async def talk(a: Messenger, b: Messenger) -> None:
        held = Held()
        await b.serve("held", held)
        await b.flush()
        asking = asyncio.ensure_future(a.request("held", timeout_s=20))
        await until(lambda: held.begun == 1)
        with pytest.raises(DeadlineExceededError):
            await b.drain(0.05)
        with pytest.raises(RemoteError, match="UNAVAILABLE: node 'b' is closing"):
            await asking

    wire.run(talk)


def test_closing_tells_callers_on_both_sides(wire: Wire) -> None:
    """Those that this node answers hear that it goes away; its own requests end."""

    async def talk(a: Messenger, b: Messenger) -> None:
        held = Held()
        await b.serve("held", held)
        await a.serve("held.too", held)
        await a.flush()
        await b.flush()
        asking = asyncio.ensure_future(a.request("held", timeout_s=20))
        own = asyncio.ensure_future(b.request("held.too", timeout_s=20))
        await until(lambda: held.begun == 2)
        await b.close()
        with pytest.raises(RemoteError, match="UNAVAILABLE"):
            await asking
        with pytest.raises(DisconnectedError, match="closed while an answer was awaited"):
            await own
        with pytest.raises(DisconnectedError):
            await b.request("held.too", timeout_s=20)

    wire.run(talk)


def test_closing_also_tells_callers_whose_calls_still_wait(wire: Wire) -> None:
    async def talk(a: Messenger, b: Messenger) -> None:
        held = Held()
        await b.serve("held", held, concurrency_max=1)
        await b.flush()
        asked = [asyncio.ensure_future(a.request("held", timeout_s=20)) for _ in range(3)]
        await until(lambda: b.calls_open == 3)
        await b.close()
        for answer in asked:
            with pytest.raises(RemoteError, match="UNAVAILABLE"):
                await answer
        assert held.begun == 1

    wire.run(talk)


def test_traffic_is_counted(wire: Wire) -> None:
    async def talk(a: Messenger, b: Messenger) -> None:
        async def refuse(call: Call) -> bytes:
            raise UserError("no")

        await b.serve("echo", echo)
        await b.serve("refuse", refuse)
        await b.flush()
        await a.request("echo", b"12345", timeout_s=5)
        with pytest.raises(RemoteError):
            await a.request("refuse", timeout_s=5)
        assert (a.traffic.messages_sent, a.traffic.messages_received, a.traffic.bytes_sent) == (2, 2, 5)
        assert (a.traffic.errors, b.traffic.errors, b.traffic.bytes_received) == (1, 1, 5)

    wire.run(talk)


def test_a_messenger_waits_for_so_many_answers_and_no_more() -> None:
    async def talk() -> None:
        network = MemoryNetwork()
        held = Held()
        limits = MessengerLimits(requests_open_max=2)
        async with Messenger(network.bus("a"), limits=limits) as a, Messenger(network.bus("b")) as b:
            await b.serve("held", held)
            asked = [asyncio.ensure_future(a.request("held", timeout_s=5)) for _ in range(2)]
            await until(lambda: held.begun == 2)
            with pytest.raises(TooManyRequestsError, match="requests_open_max"):
                await a.request("held", timeout_s=5)
            held.go.set()
            await asyncio.gather(*asked)

    asyncio.run(talk())
