"""The paths of members of a hierarchy, as columns: those of one data cube, how they change, those of several together.

A path is a row with a member of each level from the coarsest to the finest, and the sort keys of the levels that have
one. Paths never change; what is computed of them is kept with them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC
from math import isnan, nan
from uuid import UUID

import pyarrow as pa
import pyarrow.compute as pc

from app_framework.database.datatype import DataType
from app_framework.olap.arrow import arrow_type
from app_framework.olap.partial.wire import order_name

CAME, LEFT = 1, -1


@dataclass(frozen=True, slots=True)
class PathLevel:
    """A level, and how its members are sorted.

    Args:
        name: its full name, that of its column.
        type: of its members.
        key: the type of its sort key, where it has one.
        listed: the members that come first.
        descending: whether the largest comes first.
    """

    name: str
    type: DataType
    key: DataType | None = None
    listed: tuple[object, ...] = ()
    descending: bool = False

    @property
    def columns(self) -> list[pa.Field]:
        """Its columns: the members, and their sort keys."""
        own = pa.field(self.name, arrow_type(self.type.answered.name))
        if self.key is None:
            return [own]
        return [own, pa.field(order_name(self.name), arrow_type(self.key.answered.name))]


class WrongPathsError(ValueError):
    """What arrived are not the paths of a hierarchy, or do not change them."""


@dataclass(frozen=True, slots=True)
class PathsDelta:
    """The paths that came and those that left between two versions of a data cube."""

    came: pa.Table
    left: pa.Table

    def __len__(self) -> int:
        return int(self.came.num_rows) + int(self.left.num_rows)

    def __repr__(self) -> str:
        return f"<PathsDelta +{self.came.num_rows:,} -{self.left.num_rows:,}>"


@dataclass(frozen=True, slots=True, eq=False)
class Paths:
    """The paths of a hierarchy, each once.

    Args:
        levels: from the coarsest.
        table: a row for each path.
    """

    levels: tuple[PathLevel, ...]
    table: pa.Table
    _sorted: dict[str, pa.Table] = field(default_factory=dict, repr=False)
    _held: dict[str, frozenset[object]] = field(default_factory=dict, repr=False)

    @staticmethod
    def read(levels: Sequence[PathLevel], tables: Iterable[pa.Table]) -> Paths:
        """Return the paths that tables have, in whatever order.

        Raises:
            WrongPathsError: a table has other columns.
        """
        schema = _schema(levels)
        fitting = [_fitting(table, schema) for table in tables]
        table = pa.concat_tables(fitting) if fitting else schema.empty_table()
        return Paths(tuple(levels), _distinct(table))

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @property
    def size(self) -> int:
        """How many bytes they take."""
        return int(self.table.nbytes)

    def delta(self, newer: Paths) -> PathsDelta:
        """Return what came and what left until newer ones."""
        counted = _counted([(self.table, LEFT), (newer.table, CAME)])
        return PathsDelta(_where(counted, CAME), _where(counted, LEFT))

    def read_delta(self, came: pa.Table, left: pa.Table) -> PathsDelta:
        """Return the change that two tables from elsewhere write.

        Raises:
            WrongPathsError: they have other columns.
        """
        schema = _schema(self.levels)
        return PathsDelta(_fitting(came, schema), _fitting(left, schema))

    def advanced(self, delta: PathsDelta) -> Paths:
        """Return the paths after a change.

        Raises:
            WrongPathsError: a path left that is not there, or came that is there already.
        """
        if not len(delta):
            return self
        counted = _counted([(self.table, CAME), (delta.left, LEFT), (delta.came, CAME)])
        if not pc.all(pc.is_in(counted.column("#n"), pa.array([0, CAME]))).as_py():
            raise WrongPathsError("a path came that is there already, or left that is not")
        return Paths(self.levels, _where(counted, CAME))

    def held(self, level: str) -> frozenset[object]:
        """Return the members of a level, as values of its type."""
        if level not in self._held:
            self._held[level] = frozenset(_values(self.table.column(level).unique(), self._level(level)))
        return self._held[level]

    def members(self, level: str) -> pa.Table:
        """Return the members of a level in its order, each once, with sort keys where it has them; null is last."""
        if level not in self._sorted:
            self._sorted[level] = _in_order(self._level(level), [self.table])
        return self._sorted[level]

    def _level(self, name: str) -> PathLevel:
        return next(level for level in self.levels if level.name == name)

    def __repr__(self) -> str:
        return f"<Paths {len(self):,} of {' > '.join(level.name for level in self.levels)}>"


def members_of(
    paths: Sequence[Paths], level: str, prefix: str | None = None, limit: int | None = None
) -> tuple[object, ...]:
    """Return the members of a level in several paths together, in its order, each once; missing ones are last.

    Args:
        paths: of one hierarchy, of several data cubes.
        level: the full name of the level.
        prefix: keeps the texts that begin so.
        limit: how many at most.
    """
    if not paths:
        return ()
    one = next(each for each in paths[0].levels if each.name == level)
    found = [_first(_beginning(each.members(level), one, prefix), limit) for each in paths]
    merged = found[0] if len(found) == 1 else _in_order(one, found)
    return _values(_first(merged, limit).column(0), one)


def together(paths: Sequence[Paths]) -> Paths:
    """Return all paths of several data cubes, each once; of several sort keys of a member the first in order counts."""
    levels, first = paths[0].levels, paths[0]
    if len(paths) == 1:
        return first
    names = [level.name for level in levels]
    keys = [(order_name(e.name), "max" if e.descending else "min") for e in levels if e.key is not None]
    whole = pa.concat_tables([each.table for each in paths]).group_by(names, use_threads=False).aggregate(keys)
    # What is aggregated comes after what it is grouped by; the columns go back to their places.
    table = whole.rename_columns([*names, *(key for key, _ in keys)]).select(first.table.column_names)
    return Paths(levels, table)


def _in_order(level: PathLevel, tables: Sequence[pa.Table]) -> pa.Table:
    """Return the members of a level in tables, each once, in its order."""
    wanted = [column.name for column in level.columns]
    table = pa.concat_tables([table.select(wanted) for table in tables])
    if level.key is None:
        table = _distinct(table)
    else:
        # Of several sort keys, which only several data cubes can have, the first in order is the member's.
        first = "max" if level.descending else "min"
        table = table.group_by(level.name, use_threads=False).aggregate([(order_name(level.name), first)])
        table = table.rename_columns(wanted)
    return table.take(pc.sort_indices(_sortable(level, table), sort_keys=_sort_keys(level)))


def _sortable(level: PathLevel, table: pa.Table) -> pa.Table:
    member = table.column(level.name)
    if pa.types.is_boolean(member.type):
        member = member.cast(pa.int8())
    if level.key is not None:
        key = table.column(order_name(level.name))
        return pa.table({"key": key.cast(pa.int8()) if pa.types.is_boolean(key.type) else key, "member": member})
    if not level.listed:
        return pa.table({"member": member})
    listed = pa.array(level.listed, table.column(level.name).type)
    place = pc.fill_null(pc.index_in(table.column(level.name), listed), len(listed))
    return pa.table({"key": pc.if_else(pc.is_valid(member), place, pa.scalar(None, pa.int32())), "member": member})


def _sort_keys(level: PathLevel) -> list[tuple[str, str]]:
    way = "descending" if level.descending else "ascending"
    if level.key is not None:
        return [("key", way), ("member", "ascending")]
    return [("key", way), ("member", way)] if level.listed else [("member", way)]


def _beginning(members: pa.Table, level: PathLevel, prefix: str | None) -> pa.Table:
    return members if prefix is None else members.filter(pc.starts_with(members.column(level.name), prefix))


def _first(members: pa.Table, limit: int | None) -> pa.Table:
    return members if limit is None else members.slice(0, limit)


def _values(column: pa.ChunkedArray | pa.Array, level: PathLevel) -> tuple[object, ...]:
    """Return a column as values of a level's type."""
    values = column.to_pylist()
    if level.type.family == "uuid":
        return tuple(None if value is None else UUID(value) for value in values)
    if level.type.family == "zoned":
        return tuple(None if value is None else value.astimezone(UTC) for value in values)
    if level.type.family == "float":
        return tuple(nan if value is not None and isnan(value) else value for value in values)
    return tuple(values)


def _schema(levels: Iterable[PathLevel]) -> pa.Schema:
    return pa.schema([column for level in levels for column in level.columns])


def _fitting(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return the columns of a table that a schema names, in its types."""
    try:
        return table.select(schema.names).cast(schema)
    except (KeyError, ValueError, pa.ArrowException) as error:
        raise WrongPathsError(str(error)) from error


def _distinct(table: pa.Table) -> pa.Table:
    return table.group_by(table.column_names, use_threads=False).aggregate([])


def _counted(tables: Sequence[tuple[pa.Table, int]]) -> pa.Table:
    """Return each row once, with the sum of the numbers of the tables that have it."""
    marked = [
        table.append_column("#n", pa.repeat(pa.scalar(number, pa.int8()), table.num_rows)) for table, number in tables
    ]
    whole = pa.concat_tables(marked)
    names = [name for name in whole.column_names if name != "#n"]
    return whole.group_by(names, use_threads=False).aggregate([("#n", "sum")]).rename_columns([*names, "#n"])


def _where(counted: pa.Table, number: int) -> pa.Table:
    return counted.filter(pc.equal(counted.column("#n"), number)).drop_columns("#n")
