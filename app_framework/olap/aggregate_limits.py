"""What the aggregates of a cube may cost."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AggregateLimits:
    """The bounds of the aggregates of one cube.

    Args:
        rows_min: a base table with fewer rows is read as it is.
        share_max: the largest part of the rows of the base table that one aggregate may have groups.
        rows_max: how many groups all of them may have together.
        questions: after so many questions that had to read rows it is considered again what to keep.
        floor_rows: reading fewer groups than these is no faster: the engine needs the time for anything.
        tile_cells: the most cells of a tile: an answer is computed where it is asked for, so many in a millisecond.
        tile_bytes: what all tiles, the dense copies of aggregates in memory, may take; 0 for none.
        flat_rows: the most rows of flat facts.
        flat_bytes: what flat facts may take in memory, as it is estimated before they are made.
    """

    rows_min: int = 200_000
    share_max: float = 0.05
    rows_max: int = 1_000_000
    questions: int = 50
    floor_rows: int = 60_000
    tile_cells: int = 250_000
    tile_bytes: int = 64 * 1024 * 1024
    flat_rows: int = 100_000_000
    flat_bytes: int = 1024 * 1024 * 1024
