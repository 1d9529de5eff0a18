"""The store of another node over a network that loses, doubles, delays and splits."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app_framework.cluster.errors import ConflictError, NoQuorumError, StoreMovedError, UnknownOutcomeError
from app_framework.cluster.local_store import LocalConsensusStore
from app_framework.cluster.remote_store import RemoteConsensusStore, serve_store
from app_framework.cluster.store import Change, Entry
from app_framework.messaging.memory import MemoryNetwork
from app_framework.messaging.messenger import Messenger
from app_framework.messaging.rpc import enter_deadline
from app_framework.testing.virtual_time import run_virtually
from tests.cluster.linearizability import NEVER, Operation, Read, Write, explained
from tests.cluster.stores import first

Use = Callable[[MemoryNetwork, LocalConsensusStore, RemoteConsensusStore], Awaitable[None]]


def run(use: Use, *, seed: int = 0) -> None:
    """In virtual time: no timeout is waited for."""

    async def whole() -> None:
        network, holder = MemoryNetwork(seed=seed), LocalConsensusStore(None)
        async with Messenger(network.bus("holder")) as there, Messenger(network.bus("node")) as here:
            service = await serve_store(holder, there, "h1")
            store = RemoteConsensusStore(here, "h1")
            await use(network, holder, store)
            network.heal()
            network.faults("*", "*")
            await store.close()
            await service.unsubscribe()

    run_virtually(whole)


def test_a_holder_that_is_not_there_is_no_quorum() -> None:
    """Reads and writes are refused within a second; nothing was done."""

    async def use(network: MemoryNetwork, holder: LocalConsensusStore, store: RemoteConsensusStore) -> None:
        network.split(["holder"], ["node"])
        for attempt in (store.create("a", b""), store.get("a"), store.entries(), store.read(["a"]), store.barrier()):
            async with asyncio.timeout(1):
                with pytest.raises(NoQuorumError):
                    await attempt
        network.heal()
        assert holder.rows() == ()
        assert await store.create("a", b"") == 1

    run(use)


def test_a_write_that_nobody_answers_may_have_happened() -> None:
    """It is repeated within the time, and told to be unknown; the same call later tells."""

    async def use(network: MemoryNetwork, holder: LocalConsensusStore, store: RemoteConsensusStore) -> None:
        await store.create("warm", b"")
        network.faults("holder", "node", drop=1.0, one_way=True)
        with pytest.raises(UnknownOutcomeError):
            await store.create("a", b"1", op_id="one")
        network.faults("holder", "node", one_way=True)
        assert await holder.get("a") == Entry("a", b"1", 2)
        assert await store.create("a", b"1", op_id="one") == 2

    run(use)


def test_a_holder_without_a_quorum_says_so_itself() -> None:
    """In its own words, without waiting."""

    async def use(network: MemoryNetwork, holder: LocalConsensusStore, store: RemoteConsensusStore) -> None:
        def gate() -> None:
            raise NoQuorumError("the disk is gone")

        holder.gate = gate
        for attempt in (store.create("a", b""), store.get("a"), store.entries()):
            with pytest.raises(NoQuorumError, match="the disk is gone"):
                await attempt
        holder.gate = None

    run(use)


def test_a_store_that_moves_refuses_writes_and_then_everything() -> None:
    """Frozen it is still read and watched; retired it sends everybody elsewhere."""

    async def use(network: MemoryNetwork, holder: LocalConsensusStore, store: RemoteConsensusStore) -> None:
        revision = await store.create("a", b"1")
        async with aclosing(store.watch()) as changes:
            assert await first(changes, 1) == [Change("a", b"1", revision)]
            holder.freeze()
            with pytest.raises(StoreMovedError):
                await store.update("a", b"2", revision)
            assert await store.get("a") == Entry("a", b"1", revision)
            holder.retire()
            with pytest.raises(StoreMovedError):
                await anext(changes)
        for attempt in (store.get("a"), store.entries(), store.read(["a"]), store.barrier()):
            with pytest.raises(StoreMovedError):
                await attempt

    run(use)


def test_a_watch_goes_on_after_a_split() -> None:
    """With the newest of each entry that changed meanwhile."""

    async def use(network: MemoryNetwork, holder: LocalConsensusStore, store: RemoteConsensusStore) -> None:
        async with aclosing(store.watch()) as changes:
            await holder.create("a", b"1")
            await first(changes, 1)
            network.split(["holder"], ["node"], silent=True)
            later = asyncio.ensure_future(first(changes, 2))
            await asyncio.sleep(60)
            await holder.update("a", b"2", 1)
            await holder.update("a", b"3", 2)
            await holder.create("b", b"")
            await holder.delete("b", 4)
            network.heal()
            assert await later == [Change("a", b"3", 3), Change("b", None, 5)]

    run(use)


def test_a_watch_goes_on_when_the_holder_comes_back() -> None:
    """Its doors were closed and are open again."""

    async def use(network: MemoryNetwork, holder: LocalConsensusStore, store: RemoteConsensusStore) -> None:
        async with Messenger(network.bus("holder")) as again:
            service = await serve_store(holder, again, "h2")
            other = RemoteConsensusStore(store._messenger, "h2")
            async with aclosing(other.watch()) as changes:
                await holder.create("a", b"")
                await first(changes, 1)
                await service.unsubscribe()
                await holder.create("b", b"")
                with pytest.raises(NoQuorumError):
                    await other.get("b")
                service = await serve_store(holder, again, "h2")
                assert (await first(changes, 1))[0].key == "b"
            await other.close()
            await service.unsubscribe()

    run(use)


def test_a_watch_outlives_the_call_in_which_it_was_begun() -> None:
    """The deadline of a call bounds what its handler asks, not what it leaves behind."""

    async def use(network: MemoryNetwork, holder: LocalConsensusStore, store: RemoteConsensusStore) -> None:
        told: asyncio.Queue[Change] = asyncio.Queue()

        async def watch() -> None:
            enter_deadline(asyncio.get_running_loop().time() + 1)
            async for change in store.watch():
                told.put_nowait(change)

        task = asyncio.create_task(watch())
        await asyncio.sleep(10)
        network.split(["holder"], ["node"])
        await asyncio.sleep(10)
        network.heal()
        await holder.create("a", b"")
        assert await told.get() == Change("a", b"", 1)
        await store.close()
        await task

    run(use)


@settings(max_examples=25)
@given(st.integers(0, 10**9))
def test_whatever_the_network_does_everything_seen_has_an_explanation(seed: int) -> None:
    """Three nodes count with compare-and-set over links that lose, double, delay and reorder."""

    async def client(store: RemoteConsensusStore, name: str, history: list[Operation]) -> None:
        loop = asyncio.get_running_loop()
        for number in range(12):
            called = loop.time()
            try:
                (entry,) = await store.read(["k"])
            except NoQuorumError:
                continue
            seen = entry.value.decode() if entry else None
            history.append(Operation(called, loop.time(), Read(seen)))
            act, called = Write(seen, f"{name}{number}"), loop.time()
            value = f"{name}{number}".encode()
            try:
                await (store.update("k", value, entry.revision) if entry else store.create("k", value))
            except (ConflictError, NoQuorumError):
                continue
            except UnknownOutcomeError:
                history.append(Operation(called, NEVER, act))
                continue
            history.append(Operation(called, loop.time(), act))

    async def whole() -> None:
        network, holder, history = MemoryNetwork(seed=seed), LocalConsensusStore(None), list[Operation]()
        network.faults("holder", "*", delay_s=(0.0, 1.0), drop=0.1, duplicate=0.1, reorder=0.2)
        network.faults("*", "holder", delay_s=(0.0, 1.0), drop=0.1, duplicate=0.1, reorder=0.2)
        async with Messenger(network.bus("holder")) as there:
            service = await serve_store(holder, there, "h1")
            async with Messenger(network.bus("a")) as a, Messenger(network.bus("b")) as b:
                stores = [RemoteConsensusStore(each, "h1") for each in (a, b)]
                await asyncio.gather(*(client(each, name, history) for each, name in zip(stores, "xy", strict=True)))
            await service.unsubscribe()
        assert explained(history)

    run_virtually(whole)
