"""The watchdog: a pure core with transcripts, and a real loop that is really blocked."""

from __future__ import annotations

import asyncio
import logging
import threading
import time

import pytest

from app_framework.boot.management.availability import APPLICATION, Availability, LivenessState
from app_framework.boot.management.watchdog import Action, Event, LagState, Watchdog, step

START = LagState(limit_s=10, interval_s=1)


def play(*story: tuple[Event, float], state: LagState = START) -> tuple[LagState, list[Action]]:
    """Let things happen one after the other."""
    done: list[Action] = []
    for event, now_s in story:
        state, actions = step(state, event, now_s)
        done += actions
    return state, done


def ticks(first: int, last: int) -> list[tuple[Event, float]]:
    return [(Event.TICK, float(second)) for second in range(first, last + 1)]


def test_a_loop_that_answers_is_asked_again_and_again() -> None:
    """The lag is how late the answer came."""
    state, done = play((Event.TICK, 0.0), (Event.ANSWER, 0.25), (Event.TICK, 1.0))
    assert done == [Action.ASK, Action.ASK]
    assert state.lag_s == 0.25


def test_a_silent_loop_raises_one_alarm_at_the_limit() -> None:
    """Not one for each tick: the log is for people."""
    state, done = play(*ticks(0, 15))
    assert done == [Action.ASK, Action.RAISE_ALARM]
    assert state.alarmed
    assert state.lag_s == 15


def test_the_alarm_ends_with_the_late_answer() -> None:
    """The application is alive again."""
    state, done = play(*ticks(0, 12), (Event.ANSWER, 12.5))
    assert done[-1] is Action.END_ALARM
    assert not state.alarmed
    assert state.lag_s == 12.5


def test_a_process_that_was_stopped_is_not_blamed_on_the_loop() -> None:
    """SIGSTOP and a sleeping laptop hold the watchdog as long as the loop."""
    _, done = play(*ticks(0, 2), (Event.TICK, 60.0), (Event.ANSWER, 60.1))
    assert done == [Action.ASK]


def test_a_blocked_loop_breaks_liveness_and_the_log_says_where_it_stands(caplog: pytest.LogCaptureFixture) -> None:
    """A real loop, blocked by a real call."""
    availability = Availability()
    availability.liveness.recover(owner=APPLICATION)
    watchdog = Watchdog(availability, limit_s=0.05, interval_s=0.01)
    broken, mended = threading.Event(), threading.Event()
    availability.listen(lambda change: (broken if change.state is LivenessState.BROKEN else mended).set())

    def hold_the_loop() -> None:
        assert broken.wait(10)

    async def story() -> None:
        watchdog.start()
        hold_the_loop()
        await asyncio.to_thread(mended.wait, 10)
        watchdog.stop()

    with caplog.at_level(logging.WARNING):
        asyncio.run(story())
    assert mended.is_set()
    assert "hold_the_loop" in caplog.text
    assert "the event loop answers again" in caplog.text


def test_it_stops_at_once_and_leaves_no_thread() -> None:
    """However long its interval is."""
    watchdog = Watchdog(Availability(), interval_s=60)

    async def story() -> float:
        watchdog.start()
        began_s = time.monotonic()
        watchdog.stop()
        return time.monotonic() - began_s

    assert asyncio.run(story()) < 5
    assert not [thread for thread in threading.enumerate() if thread.name == "event-loop-watchdog"]
