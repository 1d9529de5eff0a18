"""Bad days on the network in memory, in virtual time: the same seed always gives the same day."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest

from app_framework.messaging.bus import BusEvent, Message
from app_framework.messaging.errors import (
    DeadlineExceededError,
    DisconnectedError,
    NoRespondersError,
    StreamBrokenError,
)
from app_framework.messaging.memory import MemoryNetwork
from app_framework.messaging.memory_bus import BUFFER_BYTES_MAX
from app_framework.messaging.messenger import Call, Messenger
from app_framework.testing.virtual_time import run_virtually


async def echo(call: Call) -> bytes:
    return call.data


async def numbers(call: Call) -> AsyncIterator[bytes]:
    for number in range(int(call.data)):
        yield number.to_bytes(4, "big") * 1000


async def pair(network: MemoryNetwork) -> tuple[Messenger, Messenger]:
    a, b = Messenger(network.bus("a")), Messenger(network.bus("b"))
    await b.serve("echo", echo)
    await b.serve("numbers", numbers)
    await a.request("echo", timeout_s=1)
    return a, b


async def heard_by(network: MemoryNetwork, name: str, subject: str) -> list[bytes]:
    """Subscribe a new connection of a node, and return the list that its messages go to."""
    heard: list[bytes] = []

    async def hear(message: Message) -> None:
        heard.append(message.data)

    await network.bus(name).subscribe(subject, hear)
    return heard


async def send_numbers(network: MemoryNetwork, count: int) -> list[bytes]:
    """Send numbers from a to b, wait a minute, and return what arrived."""
    heard = await heard_by(network, "b", "n")
    a = network.bus("a")
    for number in range(count):
        await a.publish("n", b"%d" % number)
    await asyncio.sleep(60)
    return heard


def test_a_delay_passes_in_virtual_time_and_keeps_the_order() -> None:
    async def day() -> None:
        network = MemoryNetwork(seed=1)
        a, _ = await pair(network)
        network.faults("a", "b", delay_s=2.5)
        began_s = asyncio.get_running_loop().time()
        await a.request("echo", timeout_s=10)
        assert asyncio.get_running_loop().time() - began_s == pytest.approx(5.0)
        network.faults("a", "b", delay_s=(0.1, 5.0))
        assert await send_numbers(network, 200) == [b"%d" % number for number in range(200)]

    run_virtually(day)


def test_a_request_that_is_lost_ends_at_its_deadline() -> None:
    async def day() -> None:
        network = MemoryNetwork()
        a, _ = await pair(network)
        network.faults("a", "b", drop=1.0, one_way=True)
        began_s = asyncio.get_running_loop().time()
        with pytest.raises(DeadlineExceededError):
            await a.request("echo", timeout_s=30)
        assert asyncio.get_running_loop().time() - began_s == pytest.approx(30)
        network.faults("a", "b")
        assert (await a.request("echo", b"whole again", timeout_s=1)).data == b"whole again"

    run_virtually(day)


def test_an_answer_that_is_lost_looks_the_same_and_the_work_was_done() -> None:
    async def day() -> None:
        network = MemoryNetwork()
        a, b = await pair(network)
        done: list[bytes] = []

        async def work(call: Call) -> bytes:
            done.append(call.data)
            return b""

        await b.serve("work", work)
        network.faults("b", "a", drop=1.0, one_way=True)
        with pytest.raises(DeadlineExceededError):
            await a.request("work", b"paid", timeout_s=30)
        assert done == [b"paid"]

    run_virtually(day)


@pytest.mark.parametrize("seed", range(5))
def test_a_share_of_the_messages_is_lost_and_the_rest_keeps_its_order(seed: int) -> None:
    async def day() -> None:
        network = MemoryNetwork(seed=seed)
        network.faults("a", "b", drop=0.3)
        heard = await send_numbers(network, 1000)
        assert 600 < len(heard) < 800
        assert heard == sorted(heard, key=int)

    run_virtually(day)


def test_messages_may_come_twice_or_overtake_each_other() -> None:
    async def day() -> None:
        network = MemoryNetwork(seed=3)
        network.faults("a", "b", duplicate=0.2, reorder=0.2)
        heard = await send_numbers(network, 500)
        assert 560 < len(heard) < 640
        assert len(set(heard)) == 500
        assert heard != sorted(heard, key=int)

    run_virtually(day)


def test_an_answer_that_comes_twice_is_taken_once() -> None:
    async def day() -> None:
        network = MemoryNetwork()
        a, _ = await pair(network)
        network.faults("b", "a", duplicate=1.0, one_way=True)
        assert (await a.request("echo", b"1", timeout_s=1)).data == b"1"
        chunks = [chunk async for chunk in a.stream("numbers", b"50", timeout_s=60)]
        assert len(chunks) == 50

    run_virtually(day)


@pytest.mark.parametrize("seed", range(20))
def test_a_stream_that_loses_or_swaps_frames_breaks_and_is_never_short(seed: int) -> None:
    """Whatever is lost: either all of it comes, or an error does."""

    async def day() -> None:
        network = MemoryNetwork(seed=seed)
        a, _ = await pair(network)
        network.faults("b", "a", drop=0.01, reorder=0.01, delay_s=(0, 0.01), one_way=True)
        read = 0
        try:
            async for chunk in a.stream("numbers", b"100", timeout_s=60):
                assert chunk[:4] == read.to_bytes(4, "big")
                read += 1
        except (StreamBrokenError, DeadlineExceededError):
            assert read < 100
        else:
            assert read == 100

    run_virtually(day)


def test_lost_credit_does_not_stop_a_stream() -> None:
    """The reader tells how much it read in all, and repeats it when a beat shows that the producer waits."""

    async def day() -> None:
        network = MemoryNetwork(seed=5)
        a, _ = await pair(network)
        network.faults("a", "b", drop=0.5, one_way=True)
        for attempt in range(20):
            try:
                answer = a.stream("numbers", b"300", timeout_s=600, window_bytes=20_000, idle_s=30)
                assert len([chunk async for chunk in answer]) == 300
                return
            except DeadlineExceededError:
                assert attempt < 19  # the request itself was lost

    run_virtually(day)


def test_a_producer_that_falls_silent_is_noticed_after_the_idle_time() -> None:
    async def day() -> None:
        network = MemoryNetwork()
        a, b = await pair(network)

        async def slow(call: Call) -> AsyncIterator[bytes]:
            yield b"first"
            await asyncio.sleep(3600)

        await b.serve("slow", slow)
        answer = a.stream("slow", timeout_s=7200, idle_s=5)
        await anext(answer)
        loop = asyncio.get_running_loop()
        loop.call_later(60, network.disconnect, "b")
        began_s = loop.time()
        with pytest.raises(StreamBrokenError, match="nothing came for 5 s"):
            await anext(answer)
        assert 60 <= loop.time() - began_s <= 67

    run_virtually(day)


def test_a_producer_without_data_lives_by_its_beats() -> None:
    async def day() -> None:
        network = MemoryNetwork()
        a, b = await pair(network)

        async def slow(call: Call) -> AsyncIterator[bytes]:
            yield b"first"
            await asyncio.sleep(3600)
            yield b"an hour later"

        await b.serve("slow", slow)
        assert [chunk async for chunk in a.stream("slow", timeout_s=7200)] == [b"first", b"an hour later"]

    run_virtually(day)


def test_held_messages_go_on_in_order_when_they_are_released() -> None:
    async def day() -> None:
        network = MemoryNetwork()
        heard = await heard_by(network, "b", "n")
        a = network.bus("a")
        network.hold("a", "b")
        for number in range(10):
            await a.publish("n", b"%d" % number)
        await asyncio.sleep(60)
        assert heard == []
        network.release("a", "b")
        await asyncio.sleep(1)
        assert heard == [b"%d" % number for number in range(10)]

    run_virtually(day)


def test_across_a_split_nobody_answers_until_it_heals() -> None:
    """Nodes that no group names are together."""

    async def day() -> None:
        network = MemoryNetwork()
        a, _ = await pair(network)
        c = Messenger(network.bus("c"))
        network.split({"a"})
        with pytest.raises(NoRespondersError):
            await a.request("echo", timeout_s=60)
        assert (await c.request("echo", b"c", timeout_s=60)).data == b"c"
        network.split({"a", "b"}, {"c"})
        assert (await a.request("echo", b"a", timeout_s=60)).data == b"a"
        with pytest.raises(NoRespondersError):
            await c.request("echo", timeout_s=60)
        network.heal()
        assert (await c.request("echo", b"healed", timeout_s=60)).data == b"healed"

    run_virtually(day)


def test_a_silent_split_is_noticed_at_the_deadline_only() -> None:
    async def day() -> None:
        network = MemoryNetwork()
        a, _ = await pair(network)
        network.split({"a"}, {"b"}, silent=True)
        with pytest.raises(DeadlineExceededError):
            await a.request("echo", timeout_s=60)

    run_virtually(day)


def test_what_is_under_way_when_the_split_comes_is_lost() -> None:
    async def day() -> None:
        network = MemoryNetwork()
        heard = await heard_by(network, "b", "n")
        network.faults("a", "b", delay_s=1)
        await network.bus("a").publish("n", b"lost")
        network.split({"a"})
        await asyncio.sleep(2)
        assert heard == []
        assert network.transcript[-1].fate == "lost"

    run_virtually(day)


def test_a_disconnected_node_keeps_what_it_publishes_up_to_a_bound() -> None:
    """As a client of NATS does while it reconnects; a request fails at once, for it would be late."""

    async def day() -> None:
        network = MemoryNetwork()
        a, _ = await pair(network)
        heard = await heard_by(network, "b", "n")
        events: list[BusEvent] = []
        a.listen(events.append)
        network.disconnect("a")
        await a.publish("n", b"kept")
        with pytest.raises(DisconnectedError):
            await a.request("echo", timeout_s=60)
        with pytest.raises(DisconnectedError):
            await a.flush()
        for _ in range(BUFFER_BYTES_MAX // 1_000_000):
            await a.publish("other", bytes(1_000_000))
        with pytest.raises(DisconnectedError, match="wait already"):
            await a.publish("other", bytes(1_000_000))
        network.reconnect("a")
        await asyncio.sleep(1)
        assert heard == [b"kept"]
        assert [event.kind for event in events] == ["disconnected", "reconnected"]

    run_virtually(day)


def test_a_disconnected_node_hears_nothing_and_has_its_subscriptions_back_afterwards() -> None:
    async def day() -> None:
        network = MemoryNetwork()
        a, _ = await pair(network)
        network.disconnect("b")
        with pytest.raises(NoRespondersError):
            await a.request("echo", timeout_s=60)
        network.reconnect("b")
        assert (await a.request("echo", b"back", timeout_s=60)).data == b"back"

    run_virtually(day)


def test_interest_takes_a_while_to_be_known_elsewhere() -> None:
    """As over the routes of a cluster; on its own node it is known at once."""

    async def day() -> None:
        network = MemoryNetwork()
        network.interest_delay_s = 0.5
        a, b = Messenger(network.bus("a")), Messenger(network.bus("b"))
        await b.serve("echo", echo)
        with pytest.raises(NoRespondersError):
            await a.request("echo", timeout_s=60)
        assert (await b.request("echo", b"own", timeout_s=60)).data == b"own"
        await asyncio.sleep(0.6)
        assert (await a.request("echo", b"known", timeout_s=60)).data == b"known"

    run_virtually(day)


def test_the_network_tells_whether_one_node_reaches_another() -> None:
    async def day() -> None:
        network = MemoryNetwork()
        await pair(network)
        assert network.reaches("a", "b")
        assert not network.reaches("a", "nobody")
        network.split({"a"})
        assert not network.reaches("a", "b")
        network.heal()
        network.hold("a", "b", one_way=True)
        assert (network.reaches("a", "b"), network.reaches("b", "a")) == (False, True)
        network.release("a", "b")
        network.disconnect("b")
        assert not network.reaches("a", "b")

    run_virtually(day)


def test_the_same_seed_gives_the_same_day_and_another_seed_another() -> None:
    def transcript(seed: int) -> list[str]:
        async def day() -> list[str]:
            network = MemoryNetwork(seed=seed)
            network.faults("*", "*", delay_s=(0.001, 0.1), drop=0.1, duplicate=0.1, reorder=0.1)
            await send_numbers(network, 50)
            a, b = Messenger(network.bus("a")), Messenger(network.bus("b"))
            await b.serve("echo", echo)
            asked = [a.request("echo", b"%d" % number, timeout_s=5) for number in range(20)]
            await asyncio.gather(*asked, return_exceptions=True)
            return [str(passage) for passage in network.transcript]

        return run_virtually(day)

    assert transcript(7) == transcript(7)
    assert transcript(7) != transcript(8)


def test_the_transcript_reads_like_a_story() -> None:
    async def day() -> None:
        network = MemoryNetwork()
        await heard_by(network, "b", "news")
        network.faults("a", "b", delay_s=0.25)
        await network.bus("a").publish("news", b"hello")
        await asyncio.sleep(1)
        assert [str(passage) for passage in network.transcript] == [
            "   0.0000 sent       a news (5 B)",
            "   0.2500 delivered  a → b news (5 B)",
        ]
        assert repr(network) == "<MemoryNetwork b, a, 2 faulty directions>"

    run_virtually(day)


@pytest.mark.parametrize("wrong", [{"drop": 1.5}, {"delay_s": -1}, {"delay_s": (2, 1)}, {"reorder": -0.1}])
def test_faults_that_cannot_be_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be"):
        MemoryNetwork().faults("a", "b", **wrong)


def test_nodes_on_threads_of_their_own_talk_through_one_network() -> None:
    """As the application and its cluster agent do."""
    network = MemoryNetwork()
    ready, done = threading.Event(), threading.Event()

    def serve() -> None:
        async def body() -> None:
            async with Messenger(network.bus("b")) as b:
                await b.serve("echo", echo)
                await b.serve("numbers", numbers)
                ready.set()
                await asyncio.to_thread(done.wait, 30)

        asyncio.run(body())

    async def ask() -> None:
        async with Messenger(network.bus("a")) as a:
            answers = await asyncio.gather(*(a.request("echo", b"%d" % n, timeout_s=5) for n in range(100)))
            assert [answer.data for answer in answers] == [b"%d" % n for n in range(100)]
            assert len([chunk async for chunk in a.stream("numbers", b"1000", timeout_s=20)]) == 1000

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        assert ready.wait(10)
        asyncio.run(ask())
    finally:
        done.set()
        thread.join(10)
