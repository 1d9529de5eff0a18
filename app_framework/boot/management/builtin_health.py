"""The indicators that every application has: it answers, it is alive, it wants traffic, its disk has room."""

from __future__ import annotations

import shutil
from pathlib import Path

from app_framework.boot.management.availability import Availability, LivenessState, ReadinessState
from app_framework.boot.management.health import Health, HealthIndicator

DISK_FREE_MIN = 10 * 1024 * 1024
"""Less free space than this is DOWN: databases and logs are about to fail."""


class PingHealth(HealthIndicator):
    """UP, because somebody answers."""

    async def health(self) -> Health:
        """Answer."""
        return Health.up()


class LivenessStateHealth(HealthIndicator):
    """What the liveness says."""

    def __init__(self, availability: Availability) -> None:
        self._liveness = availability.liveness

    async def health(self) -> Health:
        """Return UP while it is CORRECT, else DOWN with the reasons."""
        state, reasons = self._liveness.state, dict(self._liveness.reasons)
        return Health.up() if state is LivenessState.CORRECT else Health.down(_joined(reasons))


class ReadinessStateHealth(HealthIndicator):
    """What the readiness says."""

    def __init__(self, availability: Availability) -> None:
        self._readiness = availability.readiness

    async def health(self) -> Health:
        """Return UP while traffic is accepted, else OUT_OF_SERVICE with the reasons."""
        state, reasons = self._readiness.state, dict(self._readiness.reasons)
        if state is ReadinessState.ACCEPTING_TRAFFIC:
            return Health.up()
        return Health.out_of_service(_joined(reasons))


class DiskSpaceHealth(HealthIndicator):
    """How much room the disk has.

    Args:
        path: a folder on that disk.
        free_min: bytes below which it is DOWN.
    """

    def __init__(self, path: Path, free_min: int = DISK_FREE_MIN) -> None:
        self._path = path
        self._free_min = free_min

    def health(self) -> Health:
        """Ask the operating system, which may block on a network disk."""
        usage = shutil.disk_usage(self._path)
        details = {"total": usage.total, "free": usage.free, "threshold": self._free_min, "path": str(self._path)}
        return Health.up(**details) if usage.free >= self._free_min else Health.down("the disk is full", **details)


def _joined(reasons: dict[str, str]) -> str:
    return "; ".join(f"{owner}: {reason}" for owner, reason in sorted(reasons.items()))
