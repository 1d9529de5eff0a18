"""What the store of the voters does beside the contract: its stream, its watches over crashes, what it forgets."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import aclosing

import pytest

from app_framework.cluster import jetstream_tail
from app_framework.cluster.errors import ConflictError, EntryExistsError, NoQuorumError, UnstableError
from app_framework.cluster.jetstream_api import RefusedError
from app_framework.cluster.jetstream_store import JetStreamConsensusStore
from app_framework.cluster.store import Change, Entry
from app_framework.messaging.messenger import Messenger
from app_framework.messaging.rpc import enter_deadline
from app_framework.testing.virtual_time import until
from tests.cluster.stores import DEADLINE_S, NatsCluster, first, formed

Use = Callable[[JetStreamConsensusStore, Messenger], Awaitable[None]]


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsCluster]:
    """One that tests may kill."""
    cluster = NatsCluster(tmp_path_factory.mktemp("server"), 1)
    asyncio.run(cluster.start())
    yield cluster
    asyncio.run(cluster.stop())


def run(
    cluster: NatsCluster, use: Use, *, replicas: int = 1, deletions_kept_s: int = 60, relist_s: float = 300
) -> None:
    async def whole() -> None:
        async with cluster.node() as messenger:
            store = JetStreamConsensusStore(messenger, deletions_kept_s=deletions_kept_s, relist_s=relist_s)
            if replicas:
                await formed(store, replicas, first_revision=500)
            await use(store, messenger)
            await store.close()

    asyncio.run(asyncio.wait_for(whole(), 2 * DEADLINE_S))


def test_revisions_begin_where_they_shall(server: NatsCluster) -> None:
    """So they go on from those of another store; making the stream again changes nothing."""

    async def use(store: JetStreamConsensusStore, _: Messenger) -> None:
        assert await store.create("a", b"") == 500
        await store.create_stream(1, 1)
        assert await store.create("b", b"") == 501
        assert (await store.info()).last_revision == 501

    run(server, use)


def test_a_server_alone_keeps_one_copy(server: NatsCluster) -> None:
    """More are refused with JetStream's own number; to have what is there already is no change."""

    async def use(store: JetStreamConsensusStore, _: Messenger) -> None:
        info = await store.info()
        assert (info.replicas, info.group) == (1, {"v0": True})
        await store.scale(1)
        with pytest.raises(UnstableError) as refused:
            await store.scale(3)
        assert isinstance(refused.value, RefusedError)
        assert refused.value.number == 10074

    run(server, use)


def test_without_a_stream_nothing_is_decided(server: NatsCluster) -> None:
    """Every call says so, soon."""

    async def use(store: JetStreamConsensusStore, _: Messenger) -> None:
        for attempt in (store.get("a"), store.create("a", b""), store.barrier(), store.read(["a"]), store.info()):
            async with asyncio.timeout(2):
                with pytest.raises(NoQuorumError):
                    await attempt

    run(server, use, replicas=0)


def test_without_a_server_nothing_is_decided(server: NatsCluster) -> None:
    """Soon, and the store goes on when it is back."""

    async def use(store: JetStreamConsensusStore, messenger: Messenger) -> None:
        revision = await store.create("a", b"1")
        server.servers[0].kill()
        await until(lambda: not messenger.connected)
        for attempt in (store.get("a"), store.create("b", b""), store.barrier()):
            async with asyncio.timeout(2):
                with pytest.raises(NoQuorumError):
                    await attempt
        await server.start()
        await until(lambda: messenger.connected)
        assert await store.update("a", b"2", revision) > revision

    run(server, use)


def test_a_short_interruption_is_waited_for(server: NatsCluster) -> None:
    """A call that begins while the connection is away for a moment is done."""

    async def use(store: JetStreamConsensusStore, messenger: Messenger) -> None:
        revision = await store.create("a", b"1")
        await server.servers[0].stop()
        await until(lambda: not messenger.connected)
        update = asyncio.create_task(store.update("a", b"2", revision))
        await server.start()
        assert await update > revision

    run(server, use)


def test_a_repeated_call_is_known_after_all_servers_were_killed(server: NatsCluster) -> None:
    """They forget the ids of messages that were replaced; the entry itself remembers."""

    async def use(store: JetStreamConsensusStore, messenger: Messenger) -> None:
        created = await store.create("a", b"1", op_id="one")
        updated = await store.update("a", b"2", created, op_id="two")
        replaced = updated
        for number in range(10):
            replaced = await store.update("a", b"%d" % number, replaced)
        server.servers[0].kill()
        await server.start()
        await until(lambda: messenger.connected)
        fresh = JetStreamConsensusStore(messenger)
        assert await fresh.create("a", b"1", op_id="one") == created
        assert await fresh.update("a", b"2", created, op_id="two") == updated
        with pytest.raises(ConflictError):
            await fresh.update("a", b"2", created, op_id="three")

    run(server, use)


def test_a_watch_goes_on_over_a_crash(server: NatsCluster) -> None:
    """Nothing is lost, nothing comes twice."""

    async def use(store: JetStreamConsensusStore, messenger: Messenger) -> None:
        async with aclosing(store.watch()) as changes:
            a = await store.create("a", b"1")
            assert await first(changes, 1) == [Change("a", b"1", a)]
            server.servers[0].kill()
            await server.start()
            await until(lambda: messenger.connected)
            b = await store.create("b", b"2")
            gone = await store.delete("a", a)
            assert await first(changes, 2) == [Change("b", b"2", b), Change("a", None, gone)]

    run(server, use)


def test_a_watch_outlives_the_call_in_which_it_was_begun(server: NatsCluster) -> None:
    """The deadline of a call bounds what its handler asks, not what it leaves behind."""

    async def use(store: JetStreamConsensusStore, messenger: Messenger) -> None:
        told: asyncio.Queue[Change] = asyncio.Queue()

        async def watch() -> None:
            enter_deadline(asyncio.get_running_loop().time())
            async for change in store.watch():
                told.put_nowait(change)

        task = asyncio.create_task(watch())
        revision = await store.create("a", b"")
        assert await told.get() == Change("a", b"", revision)
        await store.close()
        await task

    run(server, use)


def test_a_lost_message_is_asked_for_again(server: NatsCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """The consumer's own count shows that it is missing."""
    dropped: list[int] = []
    positioned = jetstream_tail._into

    def lossy(queue: asyncio.Queue[object]) -> Callable[[object], Awaitable[None]]:
        put = positioned(queue)  # type: ignore[arg-type]

        async def receive(message: object) -> None:
            if len(dropped) < 3 and "$JS.ACK" in message.reply and message.data == b"7":  # type: ignore[attr-defined]
                dropped.append(1)
                return
            await put(message)  # type: ignore[arg-type]

        return receive

    monkeypatch.setattr(jetstream_tail, "_into", lossy)

    async def use(store: JetStreamConsensusStore, _: Messenger) -> None:
        async with aclosing(store.watch()) as changes:
            for number in range(20):
                await store.create(f"k{number}", b"%d" % number)
            assert [change.value for change in await first(changes, 20)] == [b"%d" % number for number in range(20)]
        assert len(dropped) == 3

    run(server, use)


def test_a_deletion_is_forgotten_after_a_while(server: NatsCluster) -> None:
    """The entry can be created before and after, the stream does not grow with what is gone."""

    async def use(store: JetStreamConsensusStore, messenger: Messenger) -> None:
        for _ in range(2):
            revision = await store.create("a", b"")
            await store.delete("a", revision)

        async def is_forgotten() -> bool:
            subject = "$JS.API.STREAM.MSG.GET.af_consensus"
            answer = await messenger.ask(subject, b'{"last_by_subj": "af.consensus.entry.a"}', timeout_s=5)
            return b"no message found" in answer.data

        await until(is_forgotten)
        assert await store.get("a") is None
        with pytest.raises(ConflictError):
            await store.update("a", b"", revision)
        assert await store.create("a", b"new") > revision

    run(server, use, deletions_kept_s=1)


def test_a_listing_tells_what_a_watch_has_missed(server: NatsCluster) -> None:
    """Here all trace of a deletion is gone before the watcher hears of it."""

    async def use(store: JetStreamConsensusStore, messenger: Messenger) -> None:
        config = b'{"name": "af_consensus", "subjects": ["af.consensus.>"], "max_msgs_per_subject": 1}'
        await messenger.ask("$JS.API.STREAM.CREATE.af_consensus", config, timeout_s=5)
        async with aclosing(store.watch()) as changes:
            doomed = await store.create("doomed", b"")
            assert await first(changes, 1) == [Change("doomed", b"", doomed)]
            purge = b'{"filter": "af.consensus.entry.doomed"}'
            await messenger.ask("$JS.API.STREAM.PURGE.af_consensus", purge, timeout_s=5)
            for number in range(jetstream_tail.BATCH):
                await store.create(f"k{number}", b"")
            told = await first(changes, jetstream_tail.BATCH + 1)
        assert told[-1].key == "doomed"
        assert told[-1].value is None
        assert [change.revision for change in told] == sorted(change.revision for change in told)

    run(server, use, replicas=0, relist_s=0)


def test_two_clusters_may_share_servers(server: NatsCluster) -> None:
    """Each has its own stream and subjects."""

    async def use(store: JetStreamConsensusStore, messenger: Messenger) -> None:
        other = JetStreamConsensusStore(messenger, stream="other", prefix="other.store")
        await formed(other, 1)
        await store.create("a", b"ours")
        await other.create("a", b"theirs")
        with pytest.raises(EntryExistsError):
            await other.create("a", b"again")
        assert [entry.value for entry in await store.entries()] == [b"ours"]
        assert await other.get("a") == Entry("a", b"theirs", 1)

    run(server, use)


def test_a_stream_grows_from_two_copies_to_three(tmp_path_factory: pytest.TempPathFactory) -> None:
    """As the founder's does; it says who has a copy, and more copies than servers are refused for now."""
    cluster = NatsCluster(tmp_path_factory.mktemp("grow"), 3)

    async def use(store: JetStreamConsensusStore, _: Messenger) -> None:
        revision = await store.create("a", b"1")
        assert len((await store.info()).group) == 2
        await store.scale(3)
        await store.scale(3)

        async def has_grown() -> bool:
            info = await store.info()
            return info.replicas == 3 and len(info.group) == 3 and all(info.group.values())

        await until(has_grown)
        assert await store.update("a", b"2", revision) > revision
        with pytest.raises(UnstableError) as refused:
            await store.scale(5)
        assert isinstance(refused.value, RefusedError)
        assert refused.value.number == 10005

    asyncio.run(cluster.start())
    try:
        run(cluster, use, replicas=2)
    finally:
        asyncio.run(cluster.stop())
