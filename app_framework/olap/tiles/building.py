"""From the rows of cells to a tile: members become codes, and every number is proven to stay exact when it is added."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from app_framework.database.datatype import DataType
from app_framework.database.rows import ArrowTable
from app_framework.olap.cellset import with_utc
from app_framework.olap.dimension import Level
from app_framework.olap.frames import Key
from app_framework.olap.model import CubeModel
from app_framework.olap.plan import QueryPlan
from app_framework.olap.query import Order
from app_framework.olap.tiles.axis import Axis, Codes
from app_framework.olap.tiles.columns import Column, UnfitColumnError, fits_python, read_column
from app_framework.olap.tiles.parts import Part, parts_of_all
from app_framework.olap.tiles.tile import BOUND_MAX, Stored, Tile, neutral_of

if TYPE_CHECKING:
    from app_framework.olap.measure import AggregateMeasure

Read = Callable[[QueryPlan], ArrowTable]
"""Answers a plan in Arrow; all plans of one tile are to be answered from one version of the data."""

MEMBERS_MAX = 20_000
"""So many members are looked through in a millisecond, for those that a filter leaves out or that begin like a text."""

CODED = ("integer", "decimal", "text", "boolean", "date", "timestamp", "zoned")
"""The families of levels that have codes; of floating numbers several are written the same."""


def build_tile(
    model: CubeModel,
    levels: Sequence[Level],
    measures: Sequence[AggregateMeasure],
    read: Read,
    *,
    cells_max: int,
    bytes_max: int,
) -> Tile | None:
    """Return the tile of these levels and of those of these measures that can be stored.

    Args:
        model: of the cube.
        levels: its axes.
        measures: what shall be asked.
        read: answers the plans that it is built from.
        cells_max: the most cells, those without rows included.
        bytes_max: the most memory.

    Returns:
        None where there are too many cells, or a level's members have no codes.
    """
    if not all(map(_coded, levels)):
        return None
    axes: list[Axis] = []
    cells = 1
    for level in levels:
        axis = _axis(model, level, read)
        cells *= len(axis) if axis else 0
        if axis is None or cells > cells_max or len(axis) > MEMBERS_MAX:
            return None
        axes.append(axis)
    parts = parts_of_all(measures)
    return _filled(model, axes, parts, read) if 8 * cells * len(parts) <= bytes_max else None


def later_tile(model: CubeModel, tile: Tile, read: Read) -> Tile | None:
    """Return the tile of other rows along the axes of one that is there.

    Returns:
        None where there are members that it has no codes for.
    """
    return _filled(model, tile.axes, [stored.part for stored in tile.parts.values()], read)


def _coded(level: Level) -> bool:
    # Times in other units than microseconds are cut when they are answered: two members would become one.
    return level.type.family in CODED and (level.type.family != "timestamp" or level.type.sql == "TIMESTAMP")


def _axis(model: CubeModel, level: Level, read: Read) -> Axis | None:
    members, backwards = (_members(model, level, read, descending=way) for way in (False, True))
    try:
        return Axis(level, members, backwards)
    except ValueError:
        return None


def _members(model: CubeModel, level: Level, read: Read, *, descending: bool) -> list[object]:
    """Return what a level has, in its order or backwards."""
    joins = model.joins.needed(level.joins | level.order.joins)
    key = Key(level.name, level)
    order = (Order(level.name, descending),)
    plan = QueryPlan(model.name, model.joins, joins, (), (key,), "none", (), (), order, None, 0)
    return _values(level.type, cast("Any", read(plan)).column(0))


def _values(kind: DataType, column: Any) -> list[object]:
    """Return a column of Arrow as the values of an answer."""
    values = [(value,) for value in column.to_pylist()]
    return [row[0] for row in with_utc(cast("Any", values), [0] if kind.family == "zoned" else [])]


def _filled(model: CubeModel, axes: Sequence[Axis], parts: Sequence[Part], read: Read) -> Tile | None:
    """Read the cells and lay them into arrays."""
    # Names that no level or measure has.
    keys = tuple(Key(f"#{i}", axis.level) for i, axis in enumerate(axes))
    aggregates = tuple(replace(part.measure, name=f"#part {i}") for i, part in enumerate(parts))
    paths = {path for axis in axes for path in axis.level.joins | axis.level.order.joins}
    paths |= {path for part in parts for path in part.measure.joins}
    joins = model.joins.needed(paths)
    plan = QueryPlan(model.name, model.joins, joins, (), keys, "none", aggregates, aggregates, (), None, 0)
    table = cast("Any", read(plan))
    shape = tuple(len(axis) for axis in axes)
    codes = [_codes(axis, table.column(i)) for i, axis in enumerate(axes)]
    if any(each is None for each in codes):
        return None
    places = np.ravel_multi_index(cast("Any", codes), shape) if axes else np.zeros(1, dtype=np.intp)
    stored: dict[str, Stored] = {}
    for i, part in enumerate(parts, len(axes)):
        try:
            stored[part.sql] = _laid(part, read_column(table.column(i), part.type), places, shape)
        except UnfitColumnError:
            continue
    return Tile(model.name, axes, stored)


def _codes(axis: Axis, column: Any) -> Codes | None:
    """Return the codes of a column of members."""
    if axis.level.type.family == "text":
        column = column.cast("string")  # an ENUM brings members that no row has
    coded = column.combine_chunks().dictionary_encode()
    known = [axis.code_of.get(member, -1) for member in _values(axis.level.type, coded.dictionary)]
    if -1 in known:
        return None
    nothing = axis.null_code
    # What is missing has no index; it gets one behind the last.
    indices = coded.indices.fill_null(len(known)).to_numpy().astype(np.intp)
    if nothing is None and coded.indices.null_count:
        return None
    return cast("Codes", np.array([*known, -1 if nothing is None else nothing], dtype=np.intp)[indices])


def _laid(part: Part, column: Column, places: Codes, shape: tuple[int, ...]) -> Stored:
    """Return the array of a part.

    Raises:
        UnfitColumnError: numbers would not stay exact when they are added, or cannot be told from nothing.
    """
    numbers, present = column.numbers, column.present
    bound = 0.0
    if part.merge == "add":
        # A sum of any of these numbers is at most that of all, without their signs.
        if numbers.dtype == np.int64:
            bound = float(np.abs(numbers.astype(np.float64)).sum())
        if bound > BOUND_MAX:
            raise UnfitColumnError(part.sql)
    elif numbers.dtype == np.float64 and np.isnan(numbers).any():
        raise UnfitColumnError("NaN is the largest of all in SQL")
    if numbers.dtype == np.int64 and not fits_python(cast("Any", numbers), part.type):
        raise UnfitColumnError(part.sql)
    dtype = numbers.dtype
    neutral = neutral_of(part.merge, dtype)
    array = np.full(shape, neutral, dtype=dtype)
    array.ravel()[places] = numbers if present is None else np.where(present, numbers, neutral)
    there = None
    if present is not None:
        there = np.zeros(shape, dtype=np.bool_)
        there.ravel()[places] = present
    return Stored(part, array, there, bound)
