"""One direction between two nodes of a `MemoryNetwork`: what can go wrong there, and what is still under way."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Literal

Fate = Literal["sent", "delivered", "dropped", "duplicated", "reordered", "held", "lost"]
Deliver = Callable[[], None]

HELD_MAX = 100_000
"""How many messages a held link keeps; what comes beyond is lost, as in any real buffer."""


@dataclass(frozen=True, slots=True)
class Faults:
    """What happens to the messages of one direction between two nodes.

    Args:
        delay_s: how long each is under way; a pair is drawn from evenly.
        drop: the share that is lost without a word.
        duplicate: the share that arrives twice.
        reorder: the share that is overtaken by what was sent after it.
    """

    delay_s: float | tuple[float, float] = 0.0
    drop: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0

    def __post_init__(self) -> None:
        low, high = self.delay_s if isinstance(self.delay_s, tuple) else (self.delay_s, self.delay_s)
        if not 0 <= low <= high:
            raise ValueError(f"delay_s must be seconds, or a pair from low to high, not {self.delay_s!r}")
        for name in ("drop", "duplicate", "reorder"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be a share between 0 and 1, not {getattr(self, name)!r}")

    def delay(self, random: Random) -> float:
        """Draw the time that one message is under way."""
        return random.uniform(*self.delay_s) if isinstance(self.delay_s, tuple) else self.delay_s


NO_FAULTS = Faults()


@dataclass(frozen=True, slots=True)
class Passage:
    """One line of a network's transcript.

    Args:
        time_s: on the clock of the loop that sent the message; virtual in a virtual loop.
        fate: what happened to it.
        sender: the node that sent it.
        receiver: the node that it is for; empty as long as nobody was chosen.
        subject: where it was sent.
        size_bytes: of its payload.
    """

    time_s: float
    fate: Fate
    sender: str
    receiver: str
    subject: str
    size_bytes: int

    def __str__(self) -> str:
        to = f" → {self.receiver}" if self.receiver else ""
        return f"{self.time_s:9.4f} {self.fate:<10} {self.sender}{to} {self.subject} ({self.size_bytes} B)"


class Link:
    """The messages that are under way from one node to another, first in first out unless told otherwise.

    Args:
        lock: the network's; every call but a timer's comes with it held.
    """

    __slots__ = ("_due", "_held", "_lock", "_timer", "is_held")

    def __init__(self, lock: threading.RLock) -> None:
        self.is_held = False
        self._lock = lock
        self._held: deque[Deliver] = deque()
        self._due: deque[tuple[float, Deliver]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits here, so that a message without faults may pass at once."""
        return not self.is_held and not self._due

    def keep(self, deliver: Deliver) -> bool:
        """Put a message with those that wait for `release`; False when there is no room."""
        if len(self._held) >= HELD_MAX:
            return False
        self._held.append(deliver)
        return True

    def release(self) -> deque[Deliver]:
        """Let messages through again and return those that waited, in order."""
        self.is_held = False
        waited, self._held = self._held, deque()
        return waited

    def carry(self, deliver: Deliver, delay_s: float) -> None:
        """Deliver a message after a while, but not before those that were sent earlier."""
        loop = asyncio.get_running_loop()
        due_s = loop.time() + delay_s
        if self._due:
            due_s = max(due_s, self._due[-1][0])
        self._due.append((due_s, deliver))
        if self._timer is None:
            self._timer = loop.call_at(due_s, self._arrive)

    def _arrive(self) -> None:
        """Timers of one moment have no order among themselves, so each link keeps its own and has one timer."""
        loop = asyncio.get_running_loop()
        with self._lock:
            while self._due and self._due[0][0] <= loop.time():
                self._due.popleft()[1]()
            self._timer = loop.call_at(self._due[0][0], self._arrive) if self._due else None
