"""Leases: at most one holder at any time, a larger token each time, and no clock that is compared with another."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app_framework.cluster.errors import NoQuorumError, UnknownOutcomeError
from app_framework.cluster.lease import Lease
from app_framework.cluster.local_store import LocalConsensusStore
from app_framework.testing.virtual_time import LoopClock, run_virtually

TTL_S = 10.0


class Shaky(LocalConsensusStore):
    """A store that is away now and then, and now and then does not say what became of a write."""

    def __init__(self, random: Random | None = None) -> None:
        super().__init__(None, gate=self._refuse)
        self.random = random
        self.is_away = False
        self.swallows = 0

    async def update(self, key: str, value: bytes, revision: int, *, op_id: str = "") -> int:
        """Write, and perhaps forget to say so."""
        await self._delay()
        return self._answer(key, await super().update(key, value, revision, op_id=op_id))

    async def create(self, key: str, value: bytes, *, op_id: str = "") -> int:
        """Write, and perhaps forget to say so."""
        await self._delay()
        return self._answer(key, await super().create(key, value, op_id=op_id))

    def _refuse(self) -> None:
        if self.is_away or (self.random and self.random.random() < 0.1):
            raise NoQuorumError

    async def _delay(self) -> None:
        if self.random:
            await asyncio.sleep(self.random.random() * 2)

    def _answer(self, key: str, revision: int) -> int:
        if self.swallows or (self.random and self.random.random() < 0.1):
            self.swallows = max(0, self.swallows - 1)
            raise UnknownOutcomeError(key)
        return revision


def lease(store: LocalConsensusStore, holder: str) -> Lease:
    return Lease(store, "lease.task", holder, ttl_s=TTL_S, clock=LoopClock())


def test_the_first_one_gets_it_and_the_second_sees_who_has_it() -> None:
    """The token is the revision of the acquisition."""

    async def use() -> None:
        store = LocalConsensusStore(None, first_revision=100)
        a, b = lease(store, "a"), lease(store, "b")
        assert await a.acquire()
        assert (a.held, a.token, a.remaining_s) == (True, 100, 9.5)
        assert not await b.acquire()
        assert (b.held, b.token, b.holder_seen) == (False, None, "a")

    run_virtually(use)


def test_a_renewed_lease_lasts_and_keeps_its_token() -> None:
    """However long others wait."""

    async def use() -> None:
        store = LocalConsensusStore(None)
        a, b = lease(store, "a"), lease(store, "b")
        await a.acquire()
        for _ in range(20):
            await asyncio.sleep(a.renew_s)
            assert await a.renew()
            assert not await b.acquire()
        assert a.token == 1

    run_virtually(use)


def test_a_holder_that_is_gone_is_followed_after_its_time() -> None:
    """Counted from when the other one first saw its last renewal; the token grows."""

    async def use() -> None:
        store = LocalConsensusStore(None)
        a, b = lease(store, "a"), lease(store, "b")
        await a.acquire()
        await asyncio.sleep(60)
        assert not a.held
        assert not await b.acquire()  # it may have renewed a moment ago, as far as b can know
        await asyncio.sleep(9.9)
        assert not await b.acquire()
        await asyncio.sleep(0.1)
        assert await b.acquire()
        assert (b.token or 0) > (a.token or 0)
        assert not await a.renew()
        assert a.token is None

    run_virtually(use)


def test_a_released_lease_is_free_at_once() -> None:
    """Also when its last renewal went unanswered."""

    async def use() -> None:
        store = Shaky()
        a, b = lease(store, "a"), lease(store, "b")
        await a.acquire()
        store.swallows = 1
        assert await a.renew()
        await a.release()
        assert not a.held
        assert await b.acquire()

    run_virtually(use)


def test_an_unanswered_renewal_is_found_by_the_next() -> None:
    """It was written, so the revision is not the one that the holder knows."""

    async def use() -> None:
        store = Shaky()
        a = lease(store, "a")
        await a.acquire()
        store.swallows = 1
        assert await a.renew()
        await asyncio.sleep(a.renew_s)
        assert await a.renew()
        assert (a.token, a.remaining_s) == (1, 9.5)

    run_virtually(use)


def test_an_unanswered_acquisition_is_not_held_until_it_is_seen() -> None:
    """The next attempt finds its own name, and need not wait."""

    async def use() -> None:
        store = Shaky()
        a = lease(store, "a")
        store.swallows = 1
        assert not await a.acquire()
        assert not a.held
        assert await a.acquire()

    run_virtually(use)


def test_without_a_store_it_ends_by_itself() -> None:
    """The holder's own clock says when; a failed renewal changes nothing."""

    async def use() -> None:
        store = Shaky()
        a = lease(store, "a")
        await a.acquire()
        store.is_away = True
        with pytest.raises(NoQuorumError):
            await a.renew()
        assert a.held
        await asyncio.sleep(9.6)
        assert a.remaining_s == 0
        store.is_away = False
        assert await a.renew()  # nobody else was there
        assert (a.held, a.token) == (True, 1)

    run_virtually(use)


@settings(max_examples=40)
@given(st.integers(0, 10**9))
def test_there_are_never_two_holders(seed: int) -> None:
    """Whatever the store refuses or swallows, however long they pause; and tokens only grow."""

    async def compete(store: Shaky, name: str, random: Random, everybody: list[Lease], tokens: list[int]) -> None:
        mine = lease(store, name)
        everybody.append(mine)
        for _ in range(60):
            had = mine.token
            with suppress(NoQuorumError):
                await (mine.release() if random.random() < 0.05 else mine.acquire())
            if mine.token is not None and mine.token != had:
                assert all(mine.token > token for token in tokens)
                tokens.append(mine.token)
            await asyncio.sleep(random.choice([0.1, 1.0, 3.0, 3.0, 12.0, 30.0]) * random.random())

    async def watch(everybody: list[Lease]) -> None:
        while True:
            assert sum(each.held for each in everybody) <= 1
            await asyncio.sleep(0.05)

    async def trial() -> None:
        random, everybody, tokens = Random(seed), list[Lease](), list[int]()
        store = Shaky(random)
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(watch(everybody))
            async with asyncio.TaskGroup() as candidates:
                for name in ("a", "b", "c"):
                    candidates.create_task(compete(store, name, random, everybody, tokens))
            watching.cancel()
        assert tokens

    run_virtually(trial)
