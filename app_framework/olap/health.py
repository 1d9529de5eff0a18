"""How the cubes are, for ``/actuator/health``."""

from __future__ import annotations

from app_framework.boot import Health, HealthIndicator
from app_framework.olap.manager import Manager


class CubesHealth(HealthIndicator):
    """UP with the names of the cubes: a cube that could not be built would have kept the node from starting."""

    def __init__(self, manager: Manager) -> None:
        self._manager = manager

    async def health(self) -> Health:
        """Say which cubes there are."""
        return Health.up(manager=self._manager.name, cubes=sorted(self._manager.cubes))
