"""What every feed is: a name, a table, a beginning and an end, and numbers about what it did."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Protocol


@dataclass(slots=True)
class FeedState:
    """What a feed did since it began; only the feed writes it.

    Attributes:
        commits: how many versions it made.
        rows: how many rows they put in.
        rejected: how many rows they left out.
        refused: how many files or messages were refused as a whole.
        dropped: how many messages nobody will see again: there was no room for them, or no way to commit them.
        waiting: how many files or messages are known and not committed.
        waiting_since_s: since when the oldest of them waits, on the monotonic clock.
        problem: what is in the way now; None when nothing is.
        last_refusal: what was wrong with what was refused last.
    """

    commits: int = 0
    rows: int = 0
    rejected: int = 0
    refused: int = 0
    dropped: int = 0
    waiting: int = 0
    waiting_since_s: float | None = None
    problem: str | None = None
    last_refusal: str | None = None

    @property
    def lag_s(self) -> float:
        """How long the oldest file or message waits."""
        return 0.0 if self.waiting_since_s is None else max(0.0, time.monotonic() - self.waiting_since_s)


class Feed(Protocol):
    """Rows that come by themselves."""

    @property
    def name(self) -> str:
        """What it is called."""

    @property
    def table(self) -> str:
        """Where its rows go."""

    @property
    def state(self) -> FeedState:
        """What it did."""

    async def start(self) -> None:
        """Begin; return when it listens."""

    async def stop(self) -> None:
        """Take nothing more, and return when the commit under way is made."""
