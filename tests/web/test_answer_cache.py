"""The cache of encoded answers: kept, shared while they are made, bounded, and nothing kept of what went wrong."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app_framework.testing.virtual_time import run_virtually
from app_framework.web.answer_cache import Answer, AnswerCache


def answer(text: str = "1", size: int = 0) -> Answer:
    return Answer(text.encode() + bytes(size), "application/json")


class Kitchen:
    """Makes answers when it is let go, and counts them."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.begun = 0
        self.cancelled = 0

    async def __call__(self) -> Answer:
        self.begun += 1
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return answer(str(self.begun))


async def soon() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


def test_an_answer_is_made_once_and_then_found() -> None:
    async def talk() -> None:
        cache, kitchen = AnswerCache(1 << 20), Kitchen()
        kitchen.go.set()
        first = await cache.get("k", kitchen)
        assert await cache.get("k", kitchen) is first
        assert (kitchen.begun, cache.hits, cache.misses, len(cache)) == (1, 1, 1, 1)

    run_virtually(talk)


def test_questions_at_the_same_time_share_one_answer_also_without_room() -> None:
    async def talk() -> None:
        cache, kitchen = AnswerCache(0), Kitchen()
        asking = [asyncio.ensure_future(cache.get("k", kitchen)) for _ in range(10)]
        await soon()
        kitchen.go.set()
        assert len({id(each) for each in await asyncio.gather(*asking)}) == 1
        assert (kitchen.begun, len(cache)) == (1, 0)
        await cache.get("k", kitchen)
        assert kitchen.begun == 2

    run_virtually(talk)


def test_who_goes_away_does_not_end_what_others_wait_for_and_the_last_one_does() -> None:
    async def talk() -> None:
        cache, kitchen = AnswerCache(1 << 20), Kitchen()
        one, two = (asyncio.ensure_future(cache.get("k", kitchen)) for _ in range(2))
        await soon()
        one.cancel()
        await soon()
        assert (kitchen.cancelled, one.cancelled()) == (0, True)
        two.cancel()
        await soon()
        assert kitchen.cancelled == 1
        kitchen.go.set()
        assert (await cache.get("k", kitchen)).body == b"2"

    run_virtually(talk)


def test_what_goes_wrong_is_told_to_all_who_wait_and_tried_again_by_the_next() -> None:
    async def talk() -> None:
        cache = AnswerCache(1 << 20)
        tries = 0

        async def fail() -> Answer:
            nonlocal tries
            tries += 1
            await asyncio.sleep(1)
            raise ValueError("no")

        told = await asyncio.gather(*(cache.get("k", fail) for _ in range(3)), return_exceptions=True)
        assert [str(each) for each in told] == ["no"] * 3
        with pytest.raises(ValueError, match="no"):
            await cache.get("k", fail)
        assert (tries, len(cache)) == (2, 0)

    run_virtually(talk)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3000)), max_size=40))
def test_it_keeps_to_its_bound_and_forgets_what_was_asked_longest_ago(
    asked: list[tuple[int, int]],
) -> None:
    """Against a list in the order of use."""

    async def talk() -> None:
        cache = AnswerCache(20_000)
        used: list[tuple[int, int]] = []
        for key, size in asked:

            async def make(size: int = size) -> Answer:
                return answer(size=size)

            known = dict(used).get(key)
            made = await cache.get(str(key), make)
            used = [(k, s) for k, s in used if k != key]
            if known is not None:
                assert made.size_bytes == known
            if made.size_bytes * 8 <= 20_000:
                used.append((key, made.size_bytes))
            while sum(s for _, s in used) > 20_000:
                used.pop(0)
            assert cache.size_bytes == sum(s for _, s in used) <= 20_000
            assert all((cache._kept.get(str(k)) is not None) == (k in dict(used)) for k in range(10))

    run_virtually(talk)


def test_an_answer_is_kept_under_what_it_turned_out_to_be_the_answer_to() -> None:
    """Data that changes while an answer is made makes it the answer of the newer version."""

    async def talk() -> None:
        cache = AnswerCache(1 << 20)

        async def newer() -> Answer:
            return Answer(b"2", "application/json", key="version 2")

        await cache.get("version 1", newer)
        assert cache.peek("version 1") is None
        assert cache.peek("version 2") is not None

    run_virtually(talk)
