"""The loop of the membership service ends in order, whatever runs on it."""

from __future__ import annotations

import asyncio

from app_framework.cluster.loop import OwnLoop


def test_what_is_being_cancelled_when_the_loop_stops_may_tidy_up() -> None:
    """A start that is given up closes its connections and ends its servers, which takes a while."""
    told: list[str] = []

    async def work() -> None:
        try:
            told.append("begun")
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.05)
            told.append("tidy")

    async def give_up() -> None:
        loop = OwnLoop("own")
        loop.start()
        working = asyncio.ensure_future(loop.call(work))
        while not told:  # noqa: ASYNC110 it is told on another thread
            await asyncio.sleep(0.001)
        working.cancel()
        await asyncio.wait({working})
        loop.stop()

    asyncio.run(give_up())
    assert told == ["begun", "tidy"]


def test_a_loop_that_never_began_has_nothing_to_end() -> None:
    OwnLoop("own").stop()
