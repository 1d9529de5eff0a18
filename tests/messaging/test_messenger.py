"""Requests and services: the same claims with the same proofs in memory and on NATS."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping

import pytest

from app_framework.errors import ServiceUnavailableError
from app_framework.messaging.bus import Message
from app_framework.messaging.errors import (
    DeadlineExceededError,
    NoRespondersError,
    PayloadTooLargeError,
    RemoteError,
)
from app_framework.messaging.messenger import Call, Messenger
from app_framework.messaging.trace import current_traceparent, new_traceparent, with_traceparent
from app_framework.testing.virtual_time import until
from tests.messaging.conftest import Wire
from tests.messaging.handlers import Held, echo


def test_a_request_is_answered(wire: Wire) -> None:
    """Also an empty one, with an empty answer."""

    async def talk(a: Messenger, b: Messenger) -> None:
        await b.serve("echo", echo)
        await b.flush()
        assert (await a.request("echo", b"hello", timeout_s=5)).data == b"hello"
        assert (await a.request("echo", timeout_s=5)).data == b""

    wire.run(talk)


def test_many_requests_at_once_find_their_own_answers(wire: Wire) -> None:
    async def talk(a: Messenger, b: Messenger) -> None:
        await b.serve("echo", echo)
        await b.flush()
        answers = await asyncio.gather(*(a.request("echo", b"%d" % n, timeout_s=5) for n in range(500)))
        assert [answer.data for answer in answers] == [b"%d" % n for n in range(500)]
        assert a.requests_open == 0

    wire.run(talk)


def test_a_subject_that_nobody_serves_is_told_at_once(wire: Wire) -> None:
    async def talk(a: Messenger, b: Messenger) -> None:
        with pytest.raises(NoRespondersError, match=r"nobody answers on 'nobody\.here'"):
            await a.request("nobody.here", timeout_s=60)

    wire.run(talk)


def test_our_own_errors_reach_the_caller_with_code_sentence_and_facts(wire: Wire) -> None:
    class NotHereError(ServiceUnavailableError):
        code = "NOT_LEADER"
        leader = "http://n2:8080"
        epoch = 7
        members = ("a", "b")

    async def refuse(call: Call) -> bytes:
        raise NotHereError("ask the leader\ninstead")

    async def talk(a: Messenger, b: Messenger) -> None:
        await b.serve("refuse", refuse)
        await b.flush()
        with pytest.raises(RemoteError) as refused:
            await a.request("refuse", timeout_s=5)
        error = refused.value
        assert (error.subject, error.code, error.detail) == ("refuse", "NOT_LEADER", "ask the leader\ninstead")
        assert error.facts == {
            "leader": "http://n2:8080",
            "epoch": "7",
            "members": '["a", "b"]',
            "retryable": "true",
        }

    wire.run(talk)


def test_an_error_passes_through_several_nodes_as_it_was(wire: Wire) -> None:
    """A handler that asks another node hands on that node's code and facts."""

    async def talk(a: Messenger, b: Messenger) -> None:
        async def refuse(call: Call) -> bytes:
            raise RemoteError("elsewhere", "NO_QUORUM", "no majority", {"leader": "none"})

        async def forward(call: Call) -> bytes:
            return (await b.request("refuse", timeout_s=5)).data

        await a.serve("refuse", refuse)
        await b.serve("forward", forward)
        await a.flush()
        await b.flush()
        with pytest.raises(RemoteError) as refused:
            await a.request("forward", timeout_s=5)
        assert (refused.value.code, refused.value.facts) == ("NO_QUORUM", {"leader": "none"})

    wire.run(talk)


def test_of_other_errors_only_the_class_leaves_the_node(wire: Wire, caplog: pytest.LogCaptureFixture) -> None:
    """The text stays in the log on the handler's side."""

    async def fail(call: Call) -> bytes:
        raise KeyError("the password is hunter2")

    async def talk(a: Messenger, b: Messenger) -> None:
        await b.serve("fail", fail)
        await b.flush()
        with pytest.raises(RemoteError) as failed:
            await a.request("fail", timeout_s=5)
        assert (failed.value.code, failed.value.detail) == ("INTERNAL", "KeyError in the handler of 'fail'")

    with caplog.at_level(logging.ERROR):
        wire.run(talk)
    assert "hunter2" in caplog.text


def test_a_handler_that_awaits_something_cancelled_has_failed(wire: Wire) -> None:
    async def odd(call: Call) -> bytes:
        raise asyncio.CancelledError

    async def talk(a: Messenger, b: Messenger) -> None:
        await b.serve("odd", odd)
        await b.flush()
        with pytest.raises(RemoteError, match="INTERNAL"):
            await a.request("odd", timeout_s=5)

    wire.run(talk)


def test_without_an_answer_in_time_the_caller_is_told_and_the_handler_is_cancelled(wire: Wire) -> None:
    async def talk(a: Messenger, b: Messenger) -> None:
        held = Held()
        await b.serve("held", held)
        await b.flush()
        with pytest.raises(DeadlineExceededError, match=r"no answer on 'held' within 0\.05 s"):
            await a.request("held", timeout_s=0.05)
        await until(lambda: held.cancelled == 1)
        assert (a.requests_open, b.calls_open) == (0, 0)

    wire.run(talk)


def test_a_caller_that_is_cancelled_cancels_the_handler(wire: Wire) -> None:
    async def talk(a: Messenger, b: Messenger) -> None:
        held = Held()
        await b.serve("held", held, queue="any")
        await b.flush()
        asking = asyncio.ensure_future(a.request("held", timeout_s=60))
        await until(lambda: held.begun == 1)
        asking.cancel()
        await until(lambda: held.cancelled == 1)
        assert asking.cancelled()

    wire.run(talk)


def test_a_handler_sees_how_long_its_caller_still_waits(wire: Wire) -> None:
    async def talk(a: Messenger, b: Messenger) -> None:
        remaining: list[float] = []

        async def look(call: Call) -> bytes:
            remaining.append(call.remaining_s)
            return b""

        await b.serve("look", look)
        await b.flush()
        await a.request("look", timeout_s=7)
        assert 6 < remaining[0] <= 7

    wire.run(talk)


def test_calls_that_a_handler_makes_end_with_the_call_it_handles(wire: Wire) -> None:
    """Whatever time-out they ask for."""

    async def talk(a: Messenger, b: Messenger) -> None:
        ended: list[str] = []
        held = Held()

        async def forward(call: Call) -> bytes:
            try:
                return (await b.request("held", timeout_s=3600)).data
            finally:
                ended.append("forward")

        await a.serve("held", held)
        await b.serve("forward", forward)
        await a.flush()
        await b.flush()
        with pytest.raises(DeadlineExceededError):
            await a.request("forward", timeout_s=0.1)
        await until(lambda: held.cancelled == 1 and ended == ["forward"])

    wire.run(talk)


def test_so_many_calls_run_so_many_wait_and_the_next_is_refused(wire: Wire) -> None:
    async def talk(a: Messenger, b: Messenger) -> None:
        held = Held()
        await b.serve("held", held, concurrency_max=2, waiting_max=3)
        await b.flush()
        asked = [asyncio.ensure_future(a.request("held", b"%d" % n, timeout_s=20)) for n in range(5)]
        await until(lambda: b.calls_open == 5)
        with pytest.raises(RemoteError, match="OVERLOADED: 3 calls wait already on 'held'"):
            await a.request("held", timeout_s=20)
        assert held.begun == 2
        held.go.set()
        assert [(await answer).data for answer in asked] == [b"0", b"1", b"2", b"3", b"4"]

    wire.run(talk)


def test_a_call_that_expired_while_it_waited_never_begins(wire: Wire) -> None:
    async def talk(a: Messenger, b: Messenger) -> None:
        held = Held()
        await b.serve("held", held, concurrency_max=1)
        await b.serve("mark", echo)
        await b.flush()
        first = asyncio.ensure_future(a.request("held", timeout_s=20))
        await until(lambda: held.begun == 1)
        with pytest.raises(DeadlineExceededError):
            await a.request("held", timeout_s=0.05)
        await a.request("mark", timeout_s=20)  # what was sent before it has arrived, and has 0.05 s from then
        loop = asyncio.get_running_loop()
        arrived_s = loop.time()
        await until(lambda: loop.time() > arrived_s + 0.05)
        held.go.set()
        await first
        await until(lambda: b.calls_open == 0)
        assert held.begun == 1

    wire.run(talk)


def test_the_members_of_a_queue_share_the_calls(wire: Wire) -> None:
    async def talk(a: Messenger, b: Messenger) -> None:
        async def of_a(call: Call) -> bytes:
            return b"a"

        async def of_b(call: Call) -> bytes:
            return b"b"

        await a.serve("who", of_a, queue="any")
        await b.serve("who", of_b, queue="any")
        await a.flush()
        await b.flush()
        names = [(await a.request("who", timeout_s=5)).data for _ in range(100)]
        assert 15 < names.count(b"a") < 85

    wire.run(talk)


def test_what_a_node_stamps_is_heard_by_the_other_on_every_message(wire: Wire) -> None:
    """As the cluster does with its epoch: on requests, answers, errors, frames and plain messages."""

    async def talk() -> None:
        heard: list[Mapping[str, str]] = []
        a = Messenger(await wire.bus("a"), stamp=lambda: {"Epoch": "7"})
        b = Messenger(await wire.bus("b"), stamp=lambda: {"Epoch": "8"}, heard=heard.append)
        async with a, b:
            await a.serve("echo", echo)
            await b.serve("echo.b", echo)
            await b.subscribe("news", ignore)
            await a.flush()
            await b.flush()
            answer = await a.request("echo.b", timeout_s=5)
            await b.request("echo", timeout_s=5)
            await a.publish("news")
            await until(lambda: len(heard) == 3)
        assert answer.headers["Epoch"] == "8"
        assert [headers["Epoch"] for headers in heard] == ["7", "7", "7"]

    async def ignore(message: Message) -> None:
        pass

    asyncio.run(talk())


def test_a_listener_for_headers_that_fails_does_no_harm(wire: Wire, caplog: pytest.LogCaptureFixture) -> None:
    async def talk() -> None:
        def fail(headers: Mapping[str, str]) -> None:
            raise ValueError("a bad epoch")

        async with Messenger(await wire.bus("a")) as a, Messenger(await wire.bus("b"), heard=fail) as b:
            await b.serve("echo", echo)
            await b.flush()
            assert (await a.request("echo", b"fine", timeout_s=5)).data == b"fine"

    asyncio.run(talk())
    assert "a bad epoch" in caplog.text


def test_a_trace_goes_on_in_the_handler_and_in_what_it_calls(wire: Wire) -> None:
    async def talk(a: Messenger, b: Messenger) -> None:
        seen: list[str] = []

        async def inner(call: Call) -> bytes:
            seen.append(current_traceparent())
            return b""

        async def outer(call: Call) -> bytes:
            seen.append(current_traceparent())
            await b.publish("trail")
            return (await b.request("inner", timeout_s=5)).data

        async def read(message: Message) -> None:
            seen.append(current_traceparent())

        await a.serve("inner", inner)
        await a.subscribe("trail", read)
        await b.serve("outer", outer)
        await a.flush()
        await b.flush()
        trace = new_traceparent()
        with with_traceparent(trace):
            await a.request("outer", timeout_s=5)
        await a.request("outer", timeout_s=5)
        await until(lambda: len(seen) == 6)
        assert sorted(seen) == ["", "", "", trace, trace, trace]

    wire.run(talk)


def test_an_answer_in_pieces_is_joined_for_a_plain_request(wire: Wire) -> None:
    async def pieces(call: Call) -> AsyncIterator[bytes]:
        for word in (b"one ", b"two ", b"three"):
            yield word

    async def talk(a: Messenger, b: Messenger) -> None:
        await b.serve("pieces", pieces)
        await b.flush()
        assert (await a.request("pieces", timeout_s=5)).data == b"one two three"

    wire.run(talk)


def test_a_request_or_an_answer_that_is_too_large_is_refused_by_name(wire: Wire) -> None:
    async def grow(call: Call) -> bytes:
        return bytes(2 << 20)

    async def talk(a: Messenger, b: Messenger) -> None:
        await b.serve("grow", grow)
        await b.flush()
        with pytest.raises(PayloadTooLargeError):
            await a.request("grow", bytes(2 << 20), timeout_s=5)
        with pytest.raises(RemoteError, match="TOO_LARGE"):
            await a.request("grow", timeout_s=5)
        assert a.requests_open == 0

    wire.run(talk)


def test_a_served_subject_with_wildcards_tells_what_was_meant(wire: Wire) -> None:
    async def tell(call: Call) -> bytes:
        return call.subject.encode()

    async def talk(a: Messenger, b: Messenger) -> None:
        await b.serve("node.b.*", tell)
        await b.flush()
        assert (await a.request("node.b.status", timeout_s=5)).data == b"node.b.status"

    wire.run(talk)


def test_ask_puts_nothing_on_the_message_and_returns_the_answer_as_it_is(wire: Wire) -> None:
    """For servers that do not speak our protocol, such as JetStream's API."""

    async def talk(a: Messenger, b: Messenger) -> None:
        async def answer(message: Message) -> None:
            assert dict(message.headers) == {"Nats-Msg-Id": "7"}
            await b.bus.publish(message.reply, b'{"seq":1}', headers={"Nats-Stream": "s"})

        await b.bus.subscribe("$JS.API.INFO", answer)
        await b.flush()
        answered = await a.ask("$JS.API.INFO", b"?", timeout_s=5, headers={"Nats-Msg-Id": "7"})
        assert (answered.data, answered.headers["Nats-Stream"]) == (b'{"seq":1}', "s")
        with pytest.raises(NoRespondersError):
            await a.ask("$JS.API.NONE", timeout_s=5)

    wire.run(talk)


def test_a_plain_request_of_another_program_is_answered_too(wire: Wire) -> None:
    """`nats req` knows nothing of our headers; the service's own deadline holds."""

    async def talk(a: Messenger, b: Messenger) -> None:
        await b.serve("echo", echo)
        await b.flush()
        assert (await a.ask("echo", b"plain", timeout_s=5)).data == b"plain"
        nonsense = {"Af-Timeout": "-1", "Af-Window": "many", "traceparent": "none"}
        assert (await a.ask("echo", b"odd", timeout_s=5, headers=nonsense)).data == b"odd"

    wire.run(talk)
