"""How the feeds are, for ``/actuator/health``."""

from __future__ import annotations

from collections.abc import Sequence

from app_framework.boot import Health, HealthIndicator
from app_framework.feeds.feed import Feed


class FeedsHealth(HealthIndicator):
    """UP while every feed can do its work; what it refused is told and is no fault of the node."""

    def __init__(self, feeds: Sequence[Feed]) -> None:
        self._feeds = feeds

    async def health(self) -> Health:
        """Say what each feed did, what waits, and what is in the way."""
        told = {feed.name: _told(feed) for feed in self._feeds}
        broken = sorted(feed.name for feed in self._feeds if feed.state.problem)
        return Health.down(f"in the way of {', '.join(broken)}", feeds=told) if broken else Health.up(feeds=told)


def _told(feed: Feed) -> dict[str, object]:
    state = feed.state
    told: dict[str, object] = {
        "table": feed.table,
        "commits": state.commits,
        "rows": state.rows,
        "refused": state.refused,
        "dropped": state.dropped,
        "waiting": state.waiting,
        "lag": f"{state.lag_s:.1f}s",
    }
    if state.problem:
        told["problem"] = state.problem
    if state.last_refusal:
        told["lastRefusal"] = state.last_refusal
    return told
