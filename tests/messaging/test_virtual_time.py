"""The event loop whose clock jumps: the tests of faults, leases and elections rest on it."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta

import pytest

from app_framework.testing.virtual_time import EPOCH, LoopClock, StalledError, VirtualLoop, run_virtually, until


def test_a_year_of_timers_takes_no_time_and_they_fire_in_order() -> None:
    async def year() -> list[int]:
        fired: list[int] = []
        loop = asyncio.get_running_loop()
        for day in (300, 7, 365, 1):
            loop.call_later(day * 86_400, fired.append, day)
        await asyncio.sleep(366 * 86_400)
        return fired

    began_s = time.monotonic()
    assert run_virtually(year) == [1, 7, 300, 365]
    assert time.monotonic() - began_s < 5


def test_the_clock_shows_the_time_of_the_loop() -> None:
    async def look() -> LoopClock:
        clock = LoopClock()
        assert (clock.monotonic_s(), clock.now()) == (0.0, EPOCH)
        await asyncio.sleep(90)
        assert clock.now() == EPOCH + timedelta(seconds=90)
        return clock

    assert repr(run_virtually(look)) == "<LoopClock 2026-01-01T00:01:30+00:00>"


def test_the_clock_stands_still_while_a_thread_works() -> None:
    """Else the time-out of a query would be over before the query began."""

    async def work() -> float:
        async with asyncio.timeout(1):
            await asyncio.to_thread(time.sleep, 0.02)
        return asyncio.get_running_loop().time()

    assert run_virtually(work) == 0.0


def test_work_of_other_threads_can_hold_the_clock() -> None:
    async def work() -> float:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        answer = loop.create_future()
        other = asyncio.new_event_loop()
        with loop.real_work():
            async with asyncio.timeout(1):
                worker = loop.run_in_executor(None, lambda: loop.call_soon_threadsafe(answer.set_result, None))
                await answer
                await worker
        other.close()
        return loop.time()

    assert run_virtually(work) == 0.0


def test_a_program_that_waits_for_nothing_says_who_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app_framework.testing.virtual_time.STALLED_AFTER_S", 0.01)

    async def wait() -> None:
        await asyncio.get_running_loop().create_future()

    async def stall() -> None:
        await asyncio.create_task(wait(), name="the reader")

    with pytest.raises(StalledError, match="the reader"):
        run_virtually(stall)


def test_until_waits_for_a_condition_and_not_for_ever() -> None:
    async def wait() -> float:
        loop = asyncio.get_running_loop()
        loop.call_later(5, come.append, "here")
        await until(lambda: come)
        with pytest.raises(TimeoutError):
            await until(lambda: False, timeout_s=100)
        return loop.time()

    come: list[str] = []
    assert run_virtually(wait) == pytest.approx(105, abs=0.1)
