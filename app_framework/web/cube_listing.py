"""In which order pages list cubes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app_framework.olap.manager import Manager


def widest_first(manager: Manager) -> list[str]:
    """Return the names of the cubes, first those that answer for several nodes: people ask for the whole."""
    return sorted(manager.cubes, key=lambda name: manager.describe(name).get("kind") != "query cube")
