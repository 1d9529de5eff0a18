"""What the nodes of several applications sent, put side by side so that each cell finds its parts; pure.

Where every application has all levels of a frame their rows are simply put together. Otherwise rows are laid out for
each grouping that is wanted: those of an application that lacks a level stand at each member along which they repeat,
and are left out where they have no place. So a total counts each application once, however often its values repeat.
"""

# ruff: noqa: S608 - names are numbers or quoted, types come from the model

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pyarrow as pa

from app_framework.database.sql import quote
from app_framework.olap.aggregation import COUNT_DISTINCT
from app_framework.olap.dimension import Hierarchy, place_of
from app_framework.olap.frames import Frame, asked_groupings
from app_framework.olap.model import CubeModel
from app_framework.olap.partial.answer import PartialAnswerError
from app_framework.olap.partial.gathered import PARTIAL, Cell, FrameColumns, GatheredRows, numbered, wires_of
from app_framework.olap.partial.projection import Knowledge, Replication, read_by
from app_framework.olap.partial.splitting import Split, contexts_of
from app_framework.olap.partial.wire import Wire, order_name, wire_of_numbers

if TYPE_CHECKING:
    from app_framework.olap.partial.dictionaries import KnownDictionaries

OF = "of"
"""The column that says of which grouping a row is."""


@dataclass(frozen=True, slots=True)
class ApplicationPart:
    """What the nodes of one application sent.

    Args:
        application: its name.
        knows: the full names of the levels that it has.
        measures: the names of the measures that it has.
        tables: per frame of the split, in its order, what its nodes sent; nothing where none was asked.
        replication: whether its values repeat along hierarchies that it does not have.
        members: of hierarchies that it does not have all levels of, by full name, all paths that the others know:
            a column for each level by its full name, and one for the sort key of a level that has one.
    """

    application: str
    knows: frozenset[str]
    measures: frozenset[str]
    tables: tuple[tuple[pa.Table, ...], ...]
    replication: Replication = "on-slicer"
    members: Mapping[str, pa.Table] = field(default_factory=dict)

    @property
    def knowledge(self) -> Knowledge:
        """What it has."""
        return Knowledge(self.knows, self.measures, self.replication)


@dataclass(frozen=True, slots=True)
class OfferedPaths:
    """The paths along which the values of one application stand.

    Args:
        hierarchy: theirs.
        table: all of them.
        at_default: whether the values stand at the default member only.
    """

    hierarchy: Hierarchy
    table: pa.Table
    at_default: bool


@dataclass(frozen=True, slots=True)
class Arrangement:
    """What stands for the rows of each frame, and the tables that a statement has to be offered for it.

    Args:
        rows: by frame.
        tables: by name, with numbered columns.
        paths: by name; what the question filters out of them is still there.
        laid_out: whether rows are there for each grouping.
    """

    rows: Mapping[Frame, GatheredRows]
    tables: Mapping[str, pa.Table]
    paths: Mapping[str, OfferedPaths]
    laid_out: bool


def arrange(
    split: Split, model: CubeModel, gathered: Sequence[ApplicationPart], dictionaries: KnownDictionaries
) -> Arrangement:
    """Return how the cells of a split are made of what was sent; what came of dictionaries is kept in them.

    Raises:
        PartialAnswerError: a node sent what it was not asked for.
    """
    arranger = _Arranger(split, model, gathered, dictionaries)
    rows = {frame: arranger.rows_of(number, frame) for number, frame in enumerate(split.frames)}
    return Arrangement(rows, arranger.tables, arranger.paths, any(each.grouping for each in rows.values()))


@dataclass(frozen=True, slots=True)
class _Sent:
    """What one application sent of a frame: the place of the application, its tables, and the keys that it has."""

    place: int
    part: ApplicationPart
    tables: tuple[pa.Table, ...]
    known: tuple[bool, ...]

    @property
    def table(self) -> pa.Table:
        """The rows of all its nodes."""
        return _concatenated(self.tables)


class _Arranger:
    def __init__(
        self, split: Split, model: CubeModel, gathered: Sequence[ApplicationPart], dictionaries: KnownDictionaries
    ) -> None:
        self._dictionaries = dictionaries
        self.tables: dict[str, pa.Table] = {}
        self.paths: dict[str, OfferedPaths] = {}
        self._split = split
        self._model = model
        self._gathered = gathered
        self._measures = {measure.name: measure for measure in split.plan.aggregates}

    def rows_of(self, number: int, frame: Frame) -> GatheredRows:
        """Return what stands for the rows of a frame, and keep the tables that it is made of."""
        asked = self._split.frames[frame]
        wires = wires_of(asked, self._measures)
        columns = FrameColumns.of(frame, asked, wires)
        contexts = contexts_of(self._split.plan, frame)
        sent = [one for i, part in enumerate(self._gathered) if (one := self._sent(i, part, number, frame, columns))]
        if counted := self._counted(columns):
            sent = self._united(sent, counted, wires)
            columns = FrameColumns.of(frame, asked, wires)
        if all(all(one.known) for one in sent):
            return GatheredRows(columns, wires, contexts, self._together(f"#partial {number}", sent, columns))
        rows = self._laid_out(number, frame, sent, columns)
        return GatheredRows(columns, wires, contexts, rows, f"{PARTIAL}.{OF}")

    def _sent(
        self, place: int, part: ApplicationPart, number: int, frame: Frame, columns: FrameColumns
    ) -> _Sent | None:
        if not part.tables[number]:
            return None
        known = tuple(key.level.full_name in part.knows for key in frame.keys)
        wanted = [*self._wanted(part, frame, known, columns)]
        return _Sent(place, part, tuple(numbered(table, columns, wanted) for table in part.tables[number]), known)

    def _counted(self, columns: FrameColumns) -> dict[Cell, str]:
        """Return the cells that count distinct values, each with its column."""
        cells = columns.parts.items()
        return {cell: parts[0].name for cell, parts in cells if self._measures[cell[0]].aggregation is COUNT_DISTINCT}

    def _united(self, sent: Sequence[_Sent], counted: Mapping[Cell, str], wires: dict[Cell, Wire]) -> list[_Sent]:
        """Return what was sent with distinct values under one numbering, and note how they merge then."""
        from app_framework.olap.partial.distinct import united

        tables = [[*one.tables] for one in sent]
        for cell, name in counted.items():
            at = [(i, j) for i, own in enumerate(tables) for j, table in enumerate(own) if name in table.column_names]
            if not at:
                continue
            here = [tables[i][j] for i, j in at]
            found = united([t.column(name) for t in here], [t.field(name) for t in here], self._dictionaries)
            for (i, j), column in zip(at, found.columns, strict=True):
                own = tables[i][j]
                tables[i][j] = own.set_column(own.column_names.index(name), name, column)
            if found.numbered:
                wires[cell] = wire_of_numbers(bitmaps=found.bitmaps)
        return [replace(one, tables=tuple(own)) for one, own in zip(sent, tables, strict=True)]

    def _wanted(
        self, part: ApplicationPart, frame: Frame, known: Sequence[bool], columns: FrameColumns
    ) -> Iterator[str]:
        """Yield the columns that an application has to send of a frame."""
        for i, column in enumerate(columns.keys):
            if known[i]:
                yield column.sent
                if i in columns.orders:
                    yield columns.orders[i].sent
        contexts = [*contexts_of(self._split.plan, frame)]
        for (measure, context), parts in columns.parts.items():
            read = (level for condition in contexts[context] for level in read_by(condition))
            if measure in part.measures and all(level.full_name in part.knows for level in read):
                yield from (column.sent for column in parts)

    def _together(self, name: str, sent: Sequence[_Sent], columns: FrameColumns) -> str:
        """Return the rows of all applications, each with the columns that it has."""
        if not sent or not columns.all:
            return f"(SELECT {columns.missing} WHERE false)"
        table = self.tables[name] = _concatenated([table for one in sent for table in one.tables])
        if table.num_columns == len(columns.all):
            return quote(name)
        return f"(SELECT {columns.missing} WHERE false UNION ALL BY NAME FROM {quote(name)})"

    def _laid_out(self, number: int, frame: Frame, sent: Sequence[_Sent], columns: FrameColumns) -> str:
        """Return the rows of all applications for each grouping that is wanted."""
        plan, every, layers = self._split.plan, (1 << len(frame.keys)) - 1, []
        wanted = (
            asked_groupings(len(frame.keys), plan.totals)
            if plan.calculations is None
            else plan.calculations.frames[frame].groupings
        )
        for one in sent:
            self.tables[f"#partial {number} {one.place}"] = one.table
        for grouping in sorted(wanted):
            if grouping == every:  # the cell of everything is there also where no row is
                layers.append(f"SELECT {columns.missing}, {grouping} AS {OF}")
            layers += [layer for one in sent if (layer := self._layer(number, frame, one, columns, grouping))]
        layers = layers or [f"SELECT {columns.missing}, 0 AS {OF} WHERE false"]
        return "(\n  " + "\n  UNION ALL\n  ".join(layers) + "\n)"

    def _layer(self, number: int, frame: Frame, one: _Sent, columns: FrameColumns, grouping: int) -> str:
        """Return the rows of one application at a grouping, nothing where it has no place there."""
        there = {name for table in one.tables for name in table.column_names}
        values = {column.name: f"a.{column.name} AS {column.name}" for column in columns.all if column.name in there}
        joins: dict[tuple[str, str], str] = {}
        for i, key in frame.shown(grouping):
            if one.known[i]:
                continue
            place = place_of(key.level)
            name = self._paths_name(one, place)
            if not name:
                return ""
            alias = f"h{[*joins].index(place) if place in joins else len(joins)}"
            joins.setdefault(place, self._join(frame, one, grouping, name, alias))
            values[f"k{i}"] = f"CAST({alias}.m{key.level.ordinal} AS {columns.keys[i].type}) AS k{i}"
            if i in columns.orders:
                values[f"o{i}"] = f"{alias}.o{key.level.ordinal} AS o{i}"
        for i in range(len(frame.keys)):
            if grouping >> i & 1:
                values.pop(f"k{i}", None)
                values.pop(f"o{i}", None)
        listed = ", ".join(values.get(column.name, column.missing) for column in columns.all)
        rows = f"{quote(f'#partial {number} {one.place}')} AS a{''.join(joins.values())}"
        return f"SELECT {listed}, {grouping} AS {OF} FROM {rows}"

    def _join(self, frame: Frame, one: _Sent, grouping: int, paths: str, alias: str) -> str:
        """Write the join with the members of a hierarchy that an application has no level of, or not all."""
        hierarchy = self.paths[paths].hierarchy
        shown = [(i, key.level) for i, key in frame.shown(grouping) if place_of(key.level) == _place(hierarchy)]
        names = [f"m{level.ordinal}" for _, level in shown]
        names += [f"o{level.ordinal}" for _, level in shown if level.order.key]
        same = [f"{alias}.m{level.ordinal} IS NOT DISTINCT FROM a.k{i}" for i, level in shown if one.known[i]]
        members = f"(SELECT DISTINCT {', '.join(names)} FROM {quote(paths)}) AS {alias}"
        return f" JOIN {members} ON {' AND '.join(same)}" if same else f" CROSS JOIN {members}"

    def _paths_name(self, one: _Sent, place: tuple[str, str]) -> str:
        """Return the name of the paths along which values of an application stand, nothing where there are none."""
        hierarchy = next(h for h in self._model.hierarchies if _place(h) == place)
        repeats = one.part.knowledge.repeats(hierarchy)
        if not repeats and not hierarchy.slicing:
            return ""
        name = f"#paths {one.place} {hierarchy.full_name}"
        if name not in self.paths:
            table = one.part.members.get(hierarchy.full_name)
            if table is None:
                return ""
            self.paths[name] = OfferedPaths(hierarchy, _numbered_paths(table, hierarchy), not repeats)
        return name


def _numbered_paths(table: pa.Table, hierarchy: Hierarchy) -> pa.Table:
    """Return paths with numbered columns."""
    columns = {level.full_name: f"m{level.ordinal}" for level in hierarchy.levels}
    columns |= {order_name(level.full_name): f"o{level.ordinal}" for level in hierarchy.levels if level.order.key}
    return table.select([*columns]).rename_columns([*columns.values()])


def _concatenated(tables: Sequence[pa.Table]) -> pa.Table:
    if len(tables) == 1:
        return tables[0]
    try:
        return pa.concat_tables(tables, promote_options="default")
    except pa.ArrowException as error:
        raise PartialAnswerError(str(error).partition("\n")[0]) from error


def _place(hierarchy: Hierarchy) -> tuple[str, str]:
    return hierarchy.dimension, hierarchy.name
