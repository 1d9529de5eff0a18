"""What every consensus store promises, wherever it keeps its entries."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import cast

import pytest

from app_framework.cluster.errors import (
    ConflictError,
    EntryExistsError,
    InvalidKeyError,
    NoQuorumError,
    ValueTooLargeError,
)
from app_framework.cluster.store import VALUE_BYTES_MAX, Change, ConsensusStore, Entry
from tests.cluster.stores import JetStreamKind, LocalKind, NatsCluster, RemoteKind, StoreKind, first, run, won

RACES = 200
WRITERS = 6


def servers(folder: Path, count: int) -> Iterator[NatsCluster]:
    cluster = NatsCluster(folder, count)
    asyncio.run(cluster.start())
    yield cluster
    asyncio.run(cluster.stop())


@pytest.fixture(scope="module")
def one_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsCluster]:
    """A server that stands alone."""
    yield from servers(tmp_path_factory.mktemp("one"), 1)


@pytest.fixture(scope="module")
def three_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsCluster]:
    """Three that agree."""
    yield from servers(tmp_path_factory.mktemp("three"), 3)


@pytest.fixture(
    params=["memory", "file", "remote", "jetstream-1", pytest.param("jetstream-3", marks=pytest.mark.acceptance)]
)
def kind(request: pytest.FixtureRequest, tmp_path: Path) -> StoreKind:
    """Each implementation in turn."""
    match request.param:
        case "memory":
            return LocalKind(None)
        case "file":
            return LocalKind(tmp_path)
        case "remote":
            return RemoteKind()
        case "jetstream-1":
            return JetStreamKind(request.getfixturevalue("one_server"))
        case _:
            return JetStreamKind(request.getfixturevalue("three_servers"))


def watching(store: ConsensusStore, prefix: str = "", after: int = 0) -> AsyncGenerator[Change, None]:
    return cast("AsyncGenerator[Change, None]", store.watch(prefix, after=after))


def test_an_entry_is_created_changed_and_deleted(kind: StoreKind) -> None:
    """Every write has a later revision, and another node sees it."""

    async def use(store: ConsensusStore, other: ConsensusStore) -> None:
        created = await store.create("members.n1", b"one")
        assert await other.get("members.n1") == Entry("members.n1", b"one", created)
        updated = await other.update("members.n1", b"two", created)
        deleted = await store.delete("members.n1", updated)
        assert created < updated < deleted
        assert await other.get("members.n1") is None

    run(kind, use)


def test_what_exists_is_not_created_again(kind: StoreKind) -> None:
    """The error says where it is."""

    async def use(store: ConsensusStore, other: ConsensusStore) -> None:
        revision = await store.create("leader", b"n1")
        with pytest.raises(EntryExistsError) as refused:
            await other.create("leader", b"n2")
        assert refused.value.found == revision
        assert await store.get("leader") == Entry("leader", b"n1", revision)

    run(kind, use)


def test_an_old_revision_writes_nothing(kind: StoreKind) -> None:
    """Neither an update nor a deletion; the error knows both revisions."""

    async def use(store: ConsensusStore, other: ConsensusStore) -> None:
        old = await store.create("leader", b"n1")
        new = await store.update("leader", b"n2", old)
        for attempt in (other.update("leader", b"n3", old), other.delete("leader", old)):
            with pytest.raises(ConflictError) as refused:
                await attempt
            assert (refused.value.expected, refused.value.found) == (old, new)
        assert await other.get("leader") == Entry("leader", b"n2", new)

    run(kind, use)


def test_what_is_not_there_cannot_be_changed(kind: StoreKind) -> None:
    """It never was, it is gone, or no revision was given."""

    async def use(store: ConsensusStore, other: ConsensusStore) -> None:
        revision = await store.create("gone", b"")
        mark = await store.delete("gone", revision)
        for key, expected in (("gone", revision), ("gone", mark), ("never", 7), ("never", 0)):
            for attempt in (other.update(key, b"x", expected), other.delete(key, expected)):
                with pytest.raises(ConflictError) as refused:
                    await attempt
                assert refused.value.found is None
        assert await store.entries() == ()

    run(kind, use)


def test_what_was_deleted_can_be_created_again(kind: StoreKind) -> None:
    """As often as wanted, at ever later revisions."""

    async def use(store: ConsensusStore, other: ConsensusStore) -> None:
        revisions = []
        for turn in (store, other, store):
            revisions.append(await turn.create("lease", b"n1"))
            revisions.append(await turn.delete("lease", revisions[-1]))
        assert revisions == sorted(set(revisions))

    run(kind, use)


def test_an_empty_value_is_a_value(kind: StoreKind) -> None:
    """It is not the absence of one."""

    async def use(store: ConsensusStore, other: ConsensusStore) -> None:
        revision = await store.create("flag", b"")
        entry = Entry("flag", b"", revision)
        assert await other.get("flag") == entry
        assert await other.entries() == (entry,)
        assert await other.read(["flag"]) == (entry,)
        async with aclosing(watching(other)) as changes:
            assert await anext(changes) == Change("flag", b"", revision)

    run(kind, use)


def test_entries_are_listed_by_the_words_of_their_keys(kind: StoreKind) -> None:
    """A prefix is a whole word, so ``a`` stands for ``a.b`` and not for ``ab``; deleted ones are left out."""

    async def use(store: ConsensusStore, other: ConsensusStore) -> None:
        for key in ("ab", "a.c", "a", "a.b.c", "a/b", "a-b"):
            await store.create(key, key.encode())
        gone = await store.create("a.gone", b"")
        await store.delete("a.gone", gone)
        assert [entry.key for entry in await other.entries("a")] == ["a", "a.b.c", "a.c"]
        assert [entry.key for entry in await other.entries()] == ["a", "a-b", "a.b.c", "a.c", "a/b", "ab"]
        assert await other.entries("nothing") == ()

    run(kind, use)


def test_a_listing_contains_what_was_written_before_it(kind: StoreKind) -> None:
    """Also right after the write and from another node."""

    async def use(store: ConsensusStore, other: ConsensusStore) -> None:
        for number in range(20):
            await store.create(f"k{number}", b"")
            assert len(await other.entries()) == number + 1

    run(kind, use)


@pytest.mark.parametrize("key", ["", ".a", "a.", "a..b", "a b", "a*", ">", "ä", "a\n", "x" * 513])
def test_a_key_that_cannot_be_is_refused(key: str) -> None:
    """Before anything is sent."""

    async def use(store: ConsensusStore, other: ConsensusStore) -> None:
        for attempt in (store.create(key, b""), store.get(key), store.update(key, b"", 1), store.delete(key, 1)):
            with pytest.raises(InvalidKeyError):
                await attempt

    run(LocalKind(None), use)


def test_a_value_may_be_as_large_as_the_limit(kind: StoreKind) -> None:
    """It comes back whole by every way; one byte more is refused."""

    async def use(store: ConsensusStore, other: ConsensusStore) -> None:
        value = bytes(range(256)) * (VALUE_BYTES_MAX // 256)
        entry = Entry("large", value, await store.create("large", value))
        assert await other.get("large") == entry
        assert await other.entries() == (entry,)
        assert await other.read(["large"]) == (entry,)
        async with aclosing(watching(other)) as changes:
            assert await anext(changes) == Change("large", value, entry.revision)
        with pytest.raises(ValueTooLargeError):
            await store.update("large", value + b"!", entry.revision)

    run(kind, use)


def test_a_repeated_call_is_done_once(kind: StoreKind) -> None:
    """It returns what the first one returned, also when others have written since."""

    async def use(store: ConsensusStore, other: ConsensusStore) -> None:
        created = await store.create("k", b"1", op_id="one")
        assert await other.create("k", b"1", op_id="one") == created
        updated = await store.update("k", b"2", created, op_id="two")
        assert await other.update("k", b"2", created, op_id="two") == updated
        replaced = await other.update("k", b"3", updated)
        assert await store.update("k", b"2", created, op_id="two") == updated
        assert await other.create("k", b"1", op_id="one") == created
        deleted = await store.delete("k", replaced, op_id="three")
        assert await other.delete("k", replaced, op_id="three") == deleted
        again = await store.create("k", b"4", op_id="four")
        assert await other.delete("k", replaced, op_id="three") == deleted
        assert await other.get("k") == Entry("k", b"4", again)

    run(kind, use)


def test_another_call_is_not_taken_for_a_repeated_one(kind: StoreKind) -> None:
    """The same op_id with another key, action or revision is a call of its own."""

    async def use(store: ConsensusStore, other: ConsensusStore) -> None:
        a = await store.create("a", b"", op_id="one")
        b = await store.create("b", b"", op_id="one")
        assert a < b
        a2 = await store.update("a", b"x", a, op_id="one")
        assert await store.update("a", b"y", a2, op_id="one") > a2
        with pytest.raises(EntryExistsError):
            await other.create("a", b"", op_id="two")

    run(kind, use)


def test_a_watch_tells_what_is_and_then_what_happens(kind: StoreKind) -> None:
    """In the order of revisions, with deletions."""

    async def use(store: ConsensusStore, other: ConsensusStore) -> None:
        a = await store.create("a", b"1")
        b = await store.create("b", b"1")
        a2 = await store.update("a", b"2", a)
        async with aclosing(watching(other)) as changes:
            assert await first(changes, 2) == [Change("b", b"1", b), Change("a", b"2", a2)]
            c = await store.create("c", b"1")
            gone = await store.delete("b", b)
            assert await first(changes, 2) == [Change("c", b"1", c), Change("b", None, gone)]

    run(kind, use)


def test_a_watch_resumes_where_another_ended(kind: StoreKind) -> None:
    """Nothing comes twice, and a deletion in between is told."""

    async def use(store: ConsensusStore, other: ConsensusStore) -> None:
        a = await store.create("a", b"1")
        b = await store.create("b", b"1")
        gone = await store.delete("a", a)
        async with aclosing(watching(other, after=b)) as changes:
            assert await anext(changes) == Change("a", None, gone)
            c = await store.create("c", b"")
            assert await anext(changes) == Change("c", b"", c)

    run(kind, use)


def test_a_watch_of_a_prefix_is_told_nothing_else(kind: StoreKind) -> None:
    """The prefix itself belongs to it."""

    async def use(store: ConsensusStore, other: ConsensusStore) -> None:
        async with aclosing(watching(other, "a")) as changes:
            for key in ("ab", "a.b", "b.a", "a"):
                await store.create(key, b"")
            assert [change.key for change in await first(changes, 2)] == ["a.b", "a"]

    run(kind, use)


def test_many_changes_come_once_and_in_order(kind: StoreKind) -> None:
    """More than fit into one batch of anything, while they are being written."""

    async def use(store: ConsensusStore, other: ConsensusStore) -> None:
        async with aclosing(watching(other)) as changes:
            told = asyncio.create_task(first(changes, 600))
            for start in range(0, 600, 50):
                await asyncio.gather(*(store.create(f"k{number}", b"") for number in range(start, start + 50)))
            revisions = [change.revision for change in await told]
        assert revisions == sorted(set(revisions))

    run(kind, use)


def test_watches_end_with_the_store(kind: StoreKind) -> None:
    """And further calls are refused."""

    async def use(store: ConsensusStore, other: ConsensusStore) -> None:
        await store.create("a", b"")
        heard = asyncio.Event()

        async def watch() -> None:
            async for _ in other.watch():
                heard.set()

        task = asyncio.create_task(watch())
        await heard.wait()
        await other.close()
        await task
        for attempt in (other.get("a"), other.create("b", b""), other.barrier()):
            with pytest.raises(NoQuorumError):
                await attempt

    run(kind, use)


def test_a_barrier_is_later_than_everything_before_it(kind: StoreKind) -> None:
    """It is no entry, and no watcher hears of it."""

    async def use(store: ConsensusStore, other: ConsensusStore) -> None:
        a = await store.create("a", b"")
        mark = await other.barrier()
        b = await store.create("b", b"")
        assert a < mark < b
        async with aclosing(watching(other)) as changes:
            assert [change.revision for change in await first(changes, 2)] == [a, b]

    run(kind, use)


def test_a_read_returns_the_last_write(kind: StoreKind) -> None:
    """Of several keys at once, with those that are not there."""

    async def use(store: ConsensusStore, other: ConsensusStore) -> None:
        revision = await store.create("a", b"0")
        gone = await store.create("gone", b"")
        await store.delete("gone", gone)
        b = Entry("b", b"", await store.create("b", b""))
        for number in range(1, 10):
            revision = await store.update("a", b"%d" % number, revision)
            found = await other.read(["a", "never", "b", "gone", "a"])
            a = Entry("a", b"%d" % number, revision)
            assert found == (a, None, b, None, a)

    run(kind, use)


def test_reads_do_not_disturb_each_other(kind: StoreKind) -> None:
    """Many at once of the same entry, while it is written."""

    async def use(store: ConsensusStore, other: ConsensusStore) -> None:
        revision = await store.create("a", b"0")
        reads = [asyncio.create_task(turn.read(["a"])) for turn in (store, other) for _ in range(8)]
        for number in range(1, 6):
            revision = await store.update("a", b"%d" % number, revision)
        for (entry,) in await asyncio.gather(*reads):
            assert entry is not None

    run(kind, use)


def test_of_several_writers_with_one_revision_one_wins(kind: StoreKind) -> None:
    """In every one of many races, over two connections."""

    async def use(store: ConsensusStore, other: ConsensusStore) -> None:
        revision = await store.create("race", b"")
        for number in range(RACES):
            writers = [(store, other)[writer % 2] for writer in range(WRITERS)]
            attempts = [each.update("race", b"%d" % writer, revision) for writer, each in enumerate(writers)]
            assert await won(attempts) == 1, f"race {number}"
            entry = await store.get("race")
            assert entry is not None
            revision = entry.revision

    run(kind, use)


def test_of_several_creators_one_wins(kind: StoreKind) -> None:
    """Of an entry that never was, and of one that was deleted."""

    async def use(store: ConsensusStore, other: ConsensusStore) -> None:
        for number in range(RACES // 4):
            for _ in range(2):
                writers = [(store, other)[writer % 2] for writer in range(WRITERS)]
                assert await won([each.create(f"race{number}", b"") for each in writers]) == 1
                entry = await store.get(f"race{number}")
                assert entry is not None
                await store.delete(entry.key, entry.revision)

    run(kind, use)


def test_a_counter_counts_every_increment(kind: StoreKind) -> None:
    """Read, add one, write over the revision that was read; again after a conflict."""

    async def use(store: ConsensusStore, other: ConsensusStore) -> None:
        await store.create("counter", b"0")

        async def count(turn: ConsensusStore, times: int) -> None:
            while times:
                entry = await turn.get("counter")
                assert entry is not None
                try:
                    await turn.update("counter", b"%d" % (int(entry.value) + 1), entry.revision)
                except ConflictError:
                    continue
                times -= 1

        await asyncio.gather(*(count(turn, 10) for turn in (store, other, store, other)))
        (entry,) = await other.read(["counter"])
        assert entry is not None
        assert entry.value == b"40"

    run(kind, use)


def test_three_servers_agree(three_servers: NatsCluster) -> None:
    """The whole suite runs on them as acceptance; this much of it always."""
    kind = JetStreamKind(three_servers)
    test_a_repeated_call_is_done_once(kind)
    test_a_watch_tells_what_is_and_then_what_happens(kind)
    test_a_read_returns_the_last_write(kind)
    test_of_several_creators_one_wins(kind)
