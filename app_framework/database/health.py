"""How the database is, for ``/actuator/health``."""

from __future__ import annotations

from app_framework.boot import Health, HealthIndicator
from app_framework.database.database import Database


class DatabaseHealth(HealthIndicator):
    """UP while the engine answers."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def health(self) -> Health:
        """Ask the engine for nothing, and say what it holds."""
        self._database.ping()
        running, capacity = self._database.load
        return Health.up(
            engine=f"DuckDB {self._database.engine_version}",
            path=self._database.path,
            tables=len(self._database.tables),
            version=self._database.version,
            queries=f"{running} of {capacity}",
        )
