"""What the store of a lone node does beside the contract: it lasts, it moves, and it is everybody's in the process."""

from __future__ import annotations

import asyncio
import threading
from contextlib import aclosing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app_framework.cluster import local_store
from app_framework.cluster.errors import (
    ClusterDataError,
    ConflictError,
    EntryExistsError,
    NoQuorumError,
    StoreMovedError,
)
from app_framework.cluster.local_store import LocalConsensusStore
from app_framework.cluster.store import Change, Entry
from tests.cluster.stores import first


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


def test_what_was_written_is_there_after_a_restart(path: Path) -> None:
    """Entries, deletions, revisions and the memory of repeated calls."""

    async def use() -> None:
        store = LocalConsensusStore(path)
        revision = await store.create("a", b"1", op_id="one")
        await store.create("b", b"")
        gone = await store.delete("b", 2)
        rows = store.rows()
        await store.close()
        again = LocalConsensusStore(path)
        assert again.rows() == rows == (Change("a", b"1", revision), Change("b", None, gone))
        assert await again.create("a", b"1", op_id="one") == revision
        assert await again.create("c", b"") == gone + 1
        await again.close()

    asyncio.run(use())


def test_a_revision_is_never_given_out_twice(path: Path) -> None:
    """Not after deletions, not after everything was dropped, not after a restart."""

    async def use() -> None:
        last = 0
        for _ in range(3):
            store = LocalConsensusStore(path)
            for attempt in (store.create("a", b""), store.barrier()):
                revision = await attempt
                assert revision > last
                last = revision
            await store.clear()
            assert store.last_revision == last
            await store.close()

    asyncio.run(use())


def test_the_first_revision_can_be_chosen(path: Path) -> None:
    """Of a new store; an old one goes on where it was."""

    async def use() -> None:
        store = LocalConsensusStore(path, first_revision=1000)
        assert store.last_revision == 999
        assert await store.create("a", b"") == 1000
        store.close_now()
        again = LocalConsensusStore(path, first_revision=5)
        assert await again.create("b", b"") == 1001
        again.close_now()

    asyncio.run(use())


def test_a_damaged_file_is_refused_in_words(path: Path) -> None:
    """It says which file and what to do."""
    path.write_bytes(b"this is no database" * 1000)
    with pytest.raises(ClusterDataError, match=r"store\.db cannot be used: .* 'af cluster recover'"):
        LocalConsensusStore(path)


def test_a_frozen_store_takes_no_writes(path: Path) -> None:
    """Reads and watches go on; thawed it is as before."""

    async def use() -> None:
        store = LocalConsensusStore(path)
        revision = await store.create("a", b"1")
        store.freeze()
        for attempt in (store.create("b", b""), store.update("a", b"", revision), store.barrier()):
            with pytest.raises(StoreMovedError):
                await attempt
        assert await store.get("a") == Entry("a", b"1", revision)
        async with aclosing(store.watch()) as changes:
            await anext(changes)
            store.thaw()
            later = await store.update("a", b"2", revision)
            assert await anext(changes) == Change("a", b"2", later)
        await store.close()

    asyncio.run(use())


def test_a_retired_store_sends_everybody_elsewhere(path: Path) -> None:
    """Also those who watch; its rows can still be read by the node itself."""

    async def use() -> None:
        store = LocalConsensusStore(path)
        await store.create("a", b"1")
        async with aclosing(store.watch()) as changes:
            await anext(changes)
            waiting = asyncio.ensure_future(anext(changes))
            await asyncio.sleep(0)
            store.retire()
            with pytest.raises(StoreMovedError):
                await waiting
        for attempt in (store.get("a"), store.entries(), store.create("b", b"")):
            with pytest.raises(StoreMovedError):
                await attempt
        assert [row.key for row in store.rows()] == ["a"]
        await store.clear()
        assert await store.entries() == ()
        await store.close()

    asyncio.run(use())


def test_rows_are_imported_all_or_none() -> None:
    """Into an empty store only."""

    async def use() -> None:
        store = LocalConsensusStore(None, first_revision=500)
        assert store.import_rows([("a", b"1"), ("b", b"2")]) == 501
        with pytest.raises(EntryExistsError):
            store.import_rows([("c", b"3"), ("a", b"1")])
        assert [entry.key for entry in await store.entries()] == ["a", "b"]
        assert await store.create("c", b"") == 502
        await store.close()

    asyncio.run(use())


def test_facts_are_noted_together_and_outlast_what_is_dropped(path: Path) -> None:
    """They are the node's own, not the cluster's."""

    async def use() -> None:
        store = LocalConsensusStore(path)
        store.set_facts(place="sqlite", ports={"messenger": 20001})
        store.set_facts(place="jetstream", moved_at=17)
        await store.clear()
        await store.close()
        again = LocalConsensusStore(path)
        facts = [again.fact(name) for name in ("place", "ports", "moved_at", "unknown")]
        assert facts == ["jetstream", {"messenger": 20001}, 17, None]
        again.close_now()

    asyncio.run(use())


def test_a_gate_cuts_the_quorum() -> None:
    """Nothing is read or written behind it, and a watch is silent."""
    is_cut = False

    def gate() -> None:
        if is_cut:
            raise NoQuorumError

    async def use() -> None:
        nonlocal is_cut
        store = LocalConsensusStore(None, gate=gate)
        revision = await store.create("a", b"")
        is_cut = True
        for attempt in (store.get("a"), store.update("a", b"x", revision), store.entries(), store.read(["a"])):
            with pytest.raises(NoQuorumError):
                await attempt
        is_cut = False
        assert await store.get("a") == Entry("a", b"", revision)
        await store.close()

    asyncio.run(use())


def test_every_thread_may_use_it_and_is_told(path: Path) -> None:
    """Writers on several loops race, a watcher on yet another one hears of every win."""
    store, threads, increments = LocalConsensusStore(path), 4, 25

    async def count() -> None:
        done = 0
        while done < increments:
            entry = await store.get("counter")
            assert entry is not None
            try:
                await store.update("counter", b"%d" % (int(entry.value) + 1), entry.revision)
            except ConflictError:
                continue
            done += 1

    async def watch() -> None:
        async with aclosing(store.watch("counter")) as changes:
            assert (await anext(changes)).value == b"0"
            workers = [threading.Thread(target=lambda: asyncio.run(count())) for _ in range(threads)]
            for worker in workers:
                worker.start()
            async with asyncio.timeout(30):
                async for change in changes:
                    if change.value == b"%d" % (threads * increments):
                        break
            for worker in workers:
                worker.join()

    asyncio.run(store.create("counter", b"0"))
    asyncio.run(watch())
    store.close_now()


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last deletions and the last calls that can be repeated."""
    for name, value in (("DELETIONS_KEPT", 5), ("OPERATIONS_KEPT", 5), ("SWEEP_EVERY", 10)):
        monkeypatch.setattr(local_store, name, value)

    async def use() -> None:
        store = LocalConsensusStore(None)
        for number in range(50):
            revision = await store.create(f"k{number}", b"", op_id="x")
            await store.delete(f"k{number}", revision)
        deletions = store.rows()
        assert len(deletions) <= 15
        assert deletions[-1] == Change("k49", None, 100)
        assert await store.create("k49", b"", op_id="x") == 99
        assert await store.create("k0", b"", op_id="x") == 101
        await store.close()

    asyncio.run(use())


def test_a_watch_ends_when_everything_is_dropped() -> None:
    """Whoever watched looks at what comes next anew."""

    async def use() -> None:
        store = LocalConsensusStore(None)
        await store.create("a", b"")
        async with aclosing(store.watch()) as changes:
            await first(changes, 1)
            await store.clear()
            with pytest.raises(StopAsyncIteration):
                await anext(changes)
        await store.close()

    asyncio.run(use())


KEYS = st.sampled_from(["a", "a.b", "b"])
CALLS = st.lists(
    st.tuples(st.sampled_from(["create", "update", "delete"]), KEYS, st.booleans(), st.sampled_from(["", "x", "y"])),
    max_size=30,
)


@given(CALLS)
def test_it_does_what_a_dictionary_with_revisions_does(calls: list[tuple[str, str, bool, str]]) -> None:
    """Any sequence of calls, with right and wrong revisions, repeated or not."""

    async def use() -> None:
        store, model, done, last = LocalConsensusStore(None), dict[str, tuple[bytes, int]](), dict[object, int](), 0
        for number, (action, key, is_right, op_id) in enumerate(calls):
            value, now = b"%d" % number, model.get(key, (b"", 0))[1]
            expected = 0 if action == "create" else now if is_right else now + 7
            call = (action, key, expected, op_id)
            agrees = now == expected and (action == "create" or now > 0)
            try:
                if action == "create":
                    revision = await store.create(key, value, op_id=op_id)
                elif action == "update":
                    revision = await store.update(key, value, expected, op_id=op_id)
                else:
                    revision = await store.delete(key, expected, op_id=op_id)
            except ConflictError:
                assert not agrees
                assert not (op_id and call in done)
                continue
            if op_id and call in done:
                assert revision == done[call]
                continue
            assert agrees
            assert revision == (last := last + 1)
            done[call] = revision
            model.pop(key, None)
            if action != "delete":
                model[key] = value, revision
        assert {entry.key: (entry.value, entry.revision) for entry in await store.entries()} == model
        await store.close()

    asyncio.run(use())
