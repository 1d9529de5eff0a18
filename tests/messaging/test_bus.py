"""What every bus does, in memory and on NATS: the same claims with the same proofs."""

from __future__ import annotations

import asyncio

import pytest

from app_framework.errors import UserError
from app_framework.messaging.bus import Bus, BusEvent, Message
from app_framework.messaging.errors import DisconnectedError, InvalidSubjectError, PayloadTooLargeError
from app_framework.testing.virtual_time import until
from tests.messaging.conftest import Wire


class Inbox:
    """A handler that keeps what it gets."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    async def __call__(self, message: Message) -> None:
        self.messages.append(message)

    @property
    def data(self) -> list[bytes]:
        return [message.data for message in self.messages]

    async def has(self, count: int) -> None:
        await until(lambda: len(self.messages) >= count)


def test_a_message_arrives_with_its_subject_payload_headers_and_reply(wire: Wire) -> None:
    """Bytes and text headers, an empty payload and letters beyond ASCII among them."""

    async def talk(a: Bus, b: Bus) -> None:
        inbox = Inbox()
        await b.subscribe("orders.*", inbox)
        await b.flush()
        await a.publish("orders.7", b"\x00\xff", reply="answers.7", headers={"Who": "Zoë", "Trace-Id": "4f"})
        await a.publish("orders.8")
        await inbox.has(2)
        assert inbox.messages[0] == Message("orders.7", b"\x00\xff", {"Who": "Zoë", "Trace-Id": "4f"}, "answers.7")
        assert inbox.messages[1] == Message("orders.8")

    wire.run_buses(talk)


def test_wildcards_stand_for_one_word_or_for_the_rest(wire: Wire) -> None:
    async def talk(a: Bus, b: Bus) -> None:
        one, rest, everything = Inbox(), Inbox(), Inbox()
        await b.subscribe("w.*.c", one)
        await b.subscribe("w.>", rest)
        await b.subscribe("last", everything)
        await b.flush()
        for subject in ("w.b.c", "w.b", "w", "w.b.c.d", "last"):
            await a.publish(subject)
        await everything.has(1)
        assert [message.subject for message in one.messages] == ["w.b.c"]
        assert [message.subject for message in rest.messages] == ["w.b.c", "w.b", "w.b.c.d"]

    wire.run_buses(talk)


def test_a_queue_shares_its_messages_and_others_get_all_of_them(wire: Wire) -> None:
    """The publisher's own subscriptions are no exception."""

    async def talk(a: Bus, b: Bus) -> None:
        first, second, all_of_them = Inbox(), Inbox(), Inbox()
        await a.subscribe("jobs.x", first, queue="workers")
        await b.subscribe("jobs.x", second, queue="workers")
        await a.subscribe("jobs.*", all_of_them)
        await a.flush()
        await b.flush()
        for _ in range(200):
            await a.publish("jobs.x")
        await all_of_them.has(200)
        await until(lambda: len(first.messages) + len(second.messages) == 200)
        assert min(len(first.messages), len(second.messages)) > 40

    wire.run_buses(talk)


def test_messages_of_one_publisher_stay_in_order_over_all_subjects(wire: Wire) -> None:
    async def talk(a: Bus, b: Bus) -> None:
        inbox = Inbox()
        await b.subscribe("order.>", inbox)
        await b.flush()
        for number in range(1000):
            await a.publish(f"order.{number % 7}", b"%d" % number)
        await inbox.has(1000)
        assert inbox.data == [b"%d" % number for number in range(1000)]

    wire.run_buses(talk)


def test_a_message_that_nobody_wants_is_gone_without_a_word(wire: Wire) -> None:
    async def talk(a: Bus, b: Bus) -> None:
        await a.publish("nobody.hears", b"this")
        await a.flush()
        assert a.connected

    wire.run_buses(talk)


def test_a_message_with_a_reply_that_nobody_wants_comes_back_as_503(wire: Wire) -> None:
    async def talk(a: Bus, b: Bus) -> None:
        inbox = Inbox()
        reply = a.new_inbox()
        await a.subscribe(reply, inbox)
        await a.publish("nobody.hears", b"this", reply=reply)
        await inbox.has(1)
        assert (inbox.messages[0].data, inbox.messages[0].headers["Status"]) == (b"", "503")

    wire.run_buses(talk)


def test_what_a_sender_changes_after_publishing_is_not_seen(wire: Wire) -> None:
    async def talk(a: Bus, b: Bus) -> None:
        inbox = Inbox()
        await b.subscribe("copies", inbox)
        await b.flush()
        buffer, headers = bytearray(b"abc"), {"State": "new"}
        await a.publish("copies", buffer, headers=headers)
        buffer[0], headers["State"] = 0, "changed"
        await inbox.has(1)
        assert (inbox.messages[0].data, inbox.messages[0].headers) == (b"abc", {"State": "new"})

    wire.run_buses(talk)


def test_payload_and_headers_together_may_have_so_many_bytes(wire: Wire) -> None:
    """One byte more is refused before anything is sent, and the connection lives."""

    async def talk(a: Bus, b: Bus) -> None:
        inbox = Inbox()
        await b.subscribe("large", inbox)
        await b.flush()
        headers = {"A": "é" * 10}
        room = a.message_bytes_max - 12 - len("A") - 4 - 20
        await a.publish("large", bytes(room), headers=headers)
        with pytest.raises(PayloadTooLargeError) as refused:
            await a.publish("large", bytes(room + 1), headers=headers)
        await inbox.has(1)
        assert refused.value.size_bytes == a.message_bytes_max + 1
        assert (len(inbox.data[0]), a.connected) == (room, True)

    wire.run_buses(talk)


@pytest.mark.parametrize("subject", ["", "a..b", ".a", "a.", "a b", "a.*", "a.>", "a\r\nPUB b 0", "x" * 1025])
def test_a_subject_with_holes_spaces_or_wildcards_cannot_be_published_to(wire: Wire, subject: str) -> None:
    async def talk(a: Bus, b: Bus) -> None:
        with pytest.raises(InvalidSubjectError):
            await a.publish(subject)
        await a.flush()

    wire.run_buses(talk)


@pytest.mark.parametrize("subject", ["", "a..b", "a.>.b", "a*", "a b"])
def test_a_pattern_with_holes_or_misplaced_wildcards_cannot_be_subscribed_to(wire: Wire, subject: str) -> None:
    async def talk(a: Bus, b: Bus) -> None:
        with pytest.raises(InvalidSubjectError):
            await a.subscribe(subject, Inbox())

    wire.run_buses(talk)


def test_headers_cannot_smuggle_lines(wire: Wire) -> None:
    """Line ends in a value become spaces; a name with anything but token characters is refused."""

    async def talk(a: Bus, b: Bus) -> None:
        inbox = Inbox()
        await b.subscribe("headers", inbox)
        await b.flush()
        await a.publish("headers", headers={"Note": " one\r\nStatus: 503 "})
        await inbox.has(1)
        assert inbox.messages[0].headers == {"Note": "one  Status: 503"}
        with pytest.raises(UserError, match="not a header's name"):
            await a.publish("headers", headers={"Bad Name": "x"})

    wire.run_buses(talk)


def test_handlers_of_one_subscription_run_one_after_the_other(wire: Wire) -> None:
    async def talk(a: Bus, b: Bus) -> None:
        running, most, done = 0, 0, 0

        async def handle(message: Message) -> None:
            nonlocal running, most, done
            running += 1
            most = max(most, running)
            await asyncio.sleep(0)
            running, done = running - 1, done + 1

        await b.subscribe("one", handle)
        await b.flush()
        for _ in range(20):
            await a.publish("one")
        await until(lambda: done == 20)
        assert most == 1

    wire.run_buses(talk)


def test_a_handler_that_fails_is_an_event_and_the_next_message_is_handled(wire: Wire) -> None:
    """Also one that awaits something cancelled, which in a task looks like its own end."""

    async def talk(a: Bus, b: Bus) -> None:
        events: list[BusEvent] = []
        inbox = Inbox()

        async def handle(message: Message) -> None:
            if message.data == b"raise":
                raise ValueError("no such order")
            if message.data == b"cancelled":
                raise asyncio.CancelledError
            await inbox(message)

        b.listen(events.append)
        await b.subscribe("fragile", handle)
        await b.flush()
        for data in (b"raise", b"cancelled", b"fine"):
            await a.publish("fragile", data)
        await inbox.has(1)
        assert [event.kind for event in events] == ["error", "error"]
        assert "no such order" in events[0].detail

    wire.run_buses(talk)


def test_a_slow_consumer_loses_messages_and_hears_of_it(wire: Wire) -> None:
    async def talk(a: Bus, b: Bus) -> None:
        events: list[BusEvent] = []
        inbox, go = Inbox(), asyncio.Event()

        async def handle(message: Message) -> None:
            await go.wait()
            await inbox(message)

        b.listen(events.append)
        await b.subscribe("slow.*", handle, pending_max=10)
        await b.flush()
        for number in range(100):
            await a.publish("slow.x", b"%d" % number)
        await until(lambda: BusEvent("slow-consumer", "slow.*") in events)
        await b.flush()
        go.set()
        await inbox.has(10)
        assert inbox.data[:10] == [b"%d" % number for number in range(10)]
        assert len(inbox.messages) < 20

    wire.run_buses(talk)


def test_unsubscribing_handles_what_came_and_takes_nothing_more(wire: Wire) -> None:
    async def talk(a: Bus, b: Bus) -> None:
        inbox, go = Inbox(), asyncio.Event()

        async def handle(message: Message) -> None:
            await go.wait()
            await inbox(message)

        subscription = await b.subscribe("until", handle)
        await b.flush()
        for number in range(5):
            await a.publish("until", b"%d" % number)
        await a.flush()
        await b.flush()
        ending = asyncio.ensure_future(subscription.unsubscribe())
        await asyncio.sleep(0)
        go.set()
        await ending
        await a.publish("until", b"too late")
        await a.flush()
        await b.flush()
        assert inbox.data == [b"0", b"1", b"2", b"3", b"4"]

    wire.run_buses(talk)


def test_a_handler_may_end_its_own_subscription(wire: Wire) -> None:
    async def talk(a: Bus, b: Bus) -> None:
        finished = asyncio.Event()

        async def handle(message: Message) -> None:
            await subscription.unsubscribe()
            await asyncio.sleep(0)
            finished.set()

        subscription = await b.subscribe("once", handle)
        await b.flush()
        await a.publish("once")
        await finished.wait()
        await subscription.unsubscribe()

    wire.run_buses(talk)


def test_draining_handles_what_waits_and_closes(wire: Wire) -> None:
    async def talk(a: Bus, b: Bus) -> None:
        events: list[BusEvent] = []
        inbox = Inbox()
        b.listen(events.append)
        await b.subscribe("last.words", inbox)
        await b.flush()
        for number in range(50):
            await a.publish("last.words", b"%d" % number)
        await a.flush()
        await b.flush()
        await b.drain(5)
        assert len(inbox.messages) == 50
        assert (b.connected, events[-1].kind) == (False, "closed")

    wire.run_buses(talk)


def test_a_closed_bus_refuses_everything(wire: Wire) -> None:
    async def talk(a: Bus, b: Bus) -> None:
        await a.close()
        await a.close()
        with pytest.raises(DisconnectedError, match="closed"):
            await a.publish("x")
        with pytest.raises(DisconnectedError, match="closed"):
            await a.subscribe("x", Inbox())
        with pytest.raises(DisconnectedError):
            await a.flush()

    wire.run_buses(talk)


def test_inboxes_differ(wire: Wire) -> None:
    async def talk(a: Bus, b: Bus) -> None:
        assert len({a.new_inbox(), a.new_inbox(), b.new_inbox(), b.new_inbox()}) == 4

    wire.run_buses(talk)
