"""A tile: the numbers of every combination of a few levels' members, and the answers that they hold."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import groupby
from typing import Any

import numpy as np

from app_framework.olap.cellset import CellSet
from app_framework.olap.plan import QueryPlan
from app_framework.olap.tiles.axis import Axis
from app_framework.olap.tiles.columns import LARGEST, Mask, Numbers
from app_framework.olap.tiles.parts import ROWS, Merge, Part

FEW = 8
BOUND_MAX = float(2**62)
"""Half of what an integer holds: sums of doubles, by which it is proven, are not off by as much."""

_MERGES: Mapping[Merge, Any] = {"add": np.add, "least": np.minimum, "most": np.maximum, "any": np.logical_or}


@dataclass(frozen=True, slots=True)
class Stored:
    """A part with the numbers of all cells.

    Args:
        numbers: one per cell, in a cell without any what leaves others as they are.
        there: which cells have a number; None where all that count rows have.
        bound: of integers that are added, what no sum of any of them exceeds.
    """

    part: Part
    numbers: Numbers
    there: Mask | None = None
    bound: float = 0.0

    @property
    def nbytes(self) -> int:
        """The memory it takes."""
        return self.numbers.nbytes + (0 if self.there is None else self.there.nbytes)


def neutral_of(merge: Merge, dtype: np.dtype[Any]) -> Any:
    """Return the number that leaves others as they are."""
    if merge in ("add", "any"):
        return dtype.type(0)
    most = merge == "most"
    if dtype == np.float64:
        return -np.inf if most else np.inf
    return dtype.type(-LARGEST - 1 if most else LARGEST)


class Tile:
    """Numbers by the members of levels; immutable, so that readers need no lock.

    Args:
        cube: the cube's name.
        axes: the levels, in the order of the arrays' axes.
        parts: what is stored, by its SQL; how many rows a cell has is always there.
    """

    def __init__(self, cube: str, axes: Sequence[Axis], parts: Mapping[str, Stored]) -> None:
        self.cube = cube
        self.axes = tuple(axes)
        self.parts = dict(parts)
        self.places = {axis.level.full_name: i for i, axis in enumerate(axes)}
        assert ROWS.sql in self.parts, "a cell is there when it counts rows"

    @property
    def cells(self) -> int:
        """How many cells there are, those without rows included."""
        return int(self.parts[ROWS.sql].numbers.size)

    @property
    def nbytes(self) -> int:
        """The memory that the numbers take."""
        return sum(stored.nbytes for stored in self.parts.values())

    def answer(self, plan: QueryPlan, rows_max: int | None = None) -> CellSet | None:
        """Return the rows that a plan has, in its order and with its types.

        Returns:
            None where they have to be read from the tables: a level or a measure is not here, a formula does what
            cannot be done here exactly, or there are more rows than `rows_max` or than can be answered at once.
        """
        from app_framework.olap.tiles.answering import answer

        with np.errstate(all="ignore"):  # what is no number is answered as the engine answers it
            return answer(self, plan, rows_max)

    def plus(self, other: Tile) -> Tile | None:
        """Return the tile of the rows of this one and of another along the same axes; both stay as they are.

        Returns:
            None where how many rows there are is not known any more.
        """
        parts: dict[str, Stored] = {}
        for sql, mine in self.parts.items():
            theirs = other.parts.get(sql)
            if theirs is None or mine.bound + theirs.bound > BOUND_MAX:
                continue
            with np.errstate(all="ignore"):
                numbers = _MERGES[mine.part.merge](mine.numbers, theirs.numbers)
            there = None
            if mine.there is not None or theirs.there is not None:
                there = self._present(mine) | other._present(theirs)
            parts[sql] = Stored(mine.part, numbers, there, mine.bound + theirs.bound)
        return Tile(self.cube, self.axes, parts) if ROWS.sql in parts else None

    def _present(self, stored: Stored) -> Mask:
        """Return in which cells a part has a number."""
        counted: Mask = self.parts[ROWS.sql].numbers > 0
        return counted if stored.there is None else stored.there

    def __str__(self) -> str:
        return f"{' x '.join(axis.level.name for axis in self.axes)}, {self.cells:,} cells"

    def __repr__(self) -> str:
        levels = " x ".join(axis.level.full_name for axis in self.axes)
        return f"<Tile of cube {self.cube!r}: {levels}, {self.cells:,} cells, {len(self.parts)} parts>"


def merged(numbers: Any, merge: Merge, axes: Iterable[int]) -> Any:
    """Return an array without some of its axes, whose numbers become one.

    Axes that lie side by side and share their fate are one; the first goes first, for what it leaves is small and in
    one piece: that is several times as fast as leaving the order to numpy.
    """
    gone = {*axes}
    if not gone:
        return numbers
    runs = [(fate, [*run]) for fate, run in groupby(range(numbers.ndim), key=gone.__contains__)]
    shape = numbers.shape
    flat = np.ascontiguousarray(numbers).reshape([math.prod(shape[axis] for axis in run) for _, run in runs])
    axis = 0
    for fate, _ in runs:
        if fate:
            flat = _along(flat, merge, axis)
        else:
            axis += 1
    return flat.reshape([size for axis, size in enumerate(shape) if axis not in gone])


def _along(numbers: Any, merge: Merge, axis: int) -> Any:
    length = numbers.shape[axis]
    if axis == numbers.ndim - 1 > 0 and 0 < length <= FEW:
        # Few numbers each are added column by column: numpy would begin anew for each few.
        return reduce(_MERGES[merge], (numbers[..., i] for i in range(length)))
    return _MERGES[merge].reduce(numbers, axis=axis, initial=neutral_of(merge, numbers.dtype))
