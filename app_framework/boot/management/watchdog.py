"""Notices a blocked event loop: the one failure that no health check on that loop can report.

A thread asks the loop to answer, again and again; how late the answer comes is the lag. Past the limit the
application is not alive any more, and the log says where the loop stands. `step` decides what follows from
what; it knows neither thread nor clock.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum

from app_framework.boot.management.availability import APPLICATION, Availability

_log = logging.getLogger(__name__)

OWNER = "event-loop"
"""The owner under which the watchdog speaks to the liveness."""

_STOP_TIMEOUT_S = 5.0  # A listener may hold the thread; it is a daemon, so the stop need not wait for ever.


class Event(Enum):
    """What can happen to the watchdog."""

    TICK = "the interval is over"
    ANSWER = "the loop has answered"


class Action(Enum):
    """What the watchdog does about it."""

    ASK = "ask the loop to answer"
    RAISE_ALARM = "the loop has been silent for too long"
    END_ALARM = "the loop answers again"


@dataclass(frozen=True, slots=True)
class LagState:
    """What the watchdog remembers.

    Args:
        limit_s: silence from which the loop counts as blocked.
        interval_s: time between two ticks.
        asked_at_s: when the loop was asked, None when it owes no answer.
        ticked_at_s: the last tick, None before the first.
        lag_s: how late the loop is, or was at its last answer.
        alarmed: whether the alarm is on.
    """

    limit_s: float
    interval_s: float
    asked_at_s: float | None = None
    ticked_at_s: float | None = None
    lag_s: float = 0.0
    alarmed: bool = False


def step(state: LagState, event: Event, now_s: float) -> tuple[LagState, tuple[Action, ...]]:
    """Return the state after `event` and what to do.

    >>> state, actions = step(LagState(limit_s=10, interval_s=1), Event.TICK, 0.0)
    >>> [action.name for action in actions]
    ['ASK']
    """
    if event is Event.ANSWER:
        return _answered(state, now_s)
    state = replace(_without_pause(state, now_s), ticked_at_s=now_s)
    if state.asked_at_s is None:
        return replace(state, asked_at_s=now_s), (Action.ASK,)
    state = replace(state, lag_s=now_s - state.asked_at_s)
    if state.lag_s >= state.limit_s and not state.alarmed:
        return replace(state, alarmed=True), (Action.RAISE_ALARM,)
    return state, ()


def _answered(state: LagState, now_s: float) -> tuple[LagState, tuple[Action, ...]]:
    if state.asked_at_s is None:
        return state, ()
    answered = replace(state, asked_at_s=None, lag_s=now_s - state.asked_at_s, alarmed=False)
    return answered, (Action.END_ALARM,) if state.alarmed else ()


def _without_pause(state: LagState, now_s: float) -> LagState:
    """Leave out the time in which the watchdog stood still too: the process was stopped, not the loop."""
    if state.ticked_at_s is None or state.asked_at_s is None:
        return state
    pause_s = now_s - state.ticked_at_s - state.interval_s
    if pause_s <= state.interval_s:
        return state
    return replace(state, asked_at_s=state.asked_at_s + pause_s)


class Watchdog:
    """Watches the loop it is started on.

    Args:
        availability: whose liveness fails while the loop is blocked.
        limit_s: silence from which the loop counts as blocked.
        interval_s: how often it is asked.
        monotonic_s: the time, for tests.
    """

    def __init__(
        self,
        availability: Availability,
        *,
        limit_s: float = 10.0,
        interval_s: float = 0.5,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._availability = availability
        self._monotonic_s = monotonic_s
        self._state = LagState(limit_s, interval_s)
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._loop_thread_id = 0

    @property
    def lag_s(self) -> float:
        """How late the loop is, or was at its last answer."""
        return self._state.lag_s

    def start(self) -> None:
        """Begin to watch the running loop.

        Raises:
            RuntimeError: when no loop runs in this thread.
        """
        self._loop = asyncio.get_running_loop()
        self._loop_thread_id = threading.get_ident()
        self._stopping.clear()
        self._thread = threading.Thread(target=self._run, name="event-loop-watchdog", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the watch and wait for its thread."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(_STOP_TIMEOUT_S)
            self._thread = None

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._happened(Event.TICK)
            self._stopping.wait(self._state.interval_s)

    def _happened(self, event: Event) -> None:
        with self._lock:
            self._state, actions = step(self._state, event, self._monotonic_s())
        for action in actions:
            self._perform(action)

    def _perform(self, action: Action) -> None:
        if action is Action.ASK:
            self._ask()
        elif action is Action.RAISE_ALARM:
            self._raise_alarm()
        else:
            self._availability.liveness.recover(owner=OWNER)
            _log.warning("the event loop answers again, after %.1f s", self.lag_s)

    def _raise_alarm(self) -> None:
        stack = self._stack()  # Taken first: the loop may move on while the log is written.
        # While it starts nobody relies on the application yet, and loading may well take its time.
        level = logging.WARNING if APPLICATION in self._availability.liveness.reasons else logging.ERROR
        self._availability.liveness.fail(f"the event loop is blocked for {self.lag_s:.1f} s", owner=OWNER)
        _log.log(level, "the event loop has not answered for %.1f s; it is at:\n%s", self.lag_s, stack)

    def _ask(self) -> None:
        assert self._loop is not None
        try:
            self._loop.call_soon_threadsafe(self._happened, Event.ANSWER)
        except RuntimeError:  # The loop is closed; there is nothing left to watch.
            self._stopping.set()

    def _stack(self) -> str:
        frame = sys._current_frames().get(self._loop_thread_id)
        return "".join(traceback.format_stack(frame)).rstrip() if frame else "(the loop's thread has ended)"

    def __repr__(self) -> str:
        return f"<Watchdog lag {self.lag_s * 1000:.0f} ms, limit {self._state.limit_s:g} s>"
