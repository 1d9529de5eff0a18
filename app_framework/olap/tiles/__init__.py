"""Tiles: the cells of a few levels as dense arrays in memory, from which a question is answered in microseconds.

    tile = build_tile(cube.model, [month, carrier], [flights, delay], read)
    tile.answer(plan)       # the rows that the plan has in SQL, or None where a tile could only approximate them

numpy lives here, and is imported by whoever makes a tile, not by a start.
"""

from __future__ import annotations

from app_framework.olap.tiles.building import build_tile, later_tile
from app_framework.olap.tiles.tile import Tile

__all__ = ["Tile", "build_tile", "later_tile"]
