"""From definitions to dimensions: hierarchies and levels over one base table, every problem kept."""

# ruff: noqa: S608 - names are quoted, values are bound

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from app_framework.database.database import Database
from app_framework.database.datatype import VARCHAR, DataType
from app_framework.database.errors import EngineError, QueryTimeoutError
from app_framework.database.promise import Promise
from app_framework.olap.calendar import PARTS
from app_framework.olap.definition import (
    ConfigurationPath,
    DimensionDefinition,
    HierarchyDefinition,
    LevelDefinition,
    OrderDefinition,
)
from app_framework.olap.dimension import Dimension, Hierarchy, Level
from app_framework.olap.expressions import ExpressionReader, RowReader, RowValue
from app_framework.olap.join import JoinTree
from app_framework.olap.member import Member, MemberError, member_fits, parse_member
from app_framework.olap.ordering import NATURAL, LevelOrder, listed_first

EXAMPLES_MAX = 3


class DimensionBuilder:
    """Builds the dimensions of one cube."""

    def __init__(self, database: Database, tree: JoinTree, reader: ExpressionReader) -> None:
        self._database = database
        self._tree = tree
        self._reader = reader
        self._rows = RowReader(reader, tree)

    def build(self, dimension: DimensionDefinition) -> Dimension:
        """Return a dimension with the levels that make sense."""
        hierarchies = tuple(self._hierarchy(hierarchy, dimension) for hierarchy in dimension.hierarchies)
        return Dimension(dimension.name, hierarchies, dimension.caption, dimension.description)

    def _hierarchy(self, hierarchy: HierarchyDefinition, dimension: DimensionDefinition) -> Hierarchy:
        levels: dict[str, Level] = {}
        for definition in self._definitions(hierarchy):
            if definition.name in levels:
                text = f"hierarchy {dimension.name}.{hierarchy.name} has two levels called {definition.name!r}."
                self._reader.add(definition.path, "DUPLICATE_LEVEL", text)
            elif level := self._level(definition, hierarchy, dimension, len(levels)):
                levels[level.name] = level
        return Hierarchy(
            hierarchy.name,
            dimension.name,
            tuple(levels.values()),
            hierarchy.slicing,
            self._default(hierarchy, tuple(levels.values())),
            hierarchy.caption,
            hierarchy.description,
            hierarchy.folder,
            hierarchy.visible,
        )

    def _definitions(self, hierarchy: HierarchyDefinition) -> Sequence[LevelDefinition]:
        """Return the levels; of what is no date none, for then one problem tells what is wrong with all of them."""
        if hierarchy.date is None:
            return hierarchy.levels
        path = (*hierarchy.path, "date")
        value = self._rows.read(hierarchy.date, path)
        if value is None:
            return ()
        if value.type.family not in ("date", "timestamp", "zoned"):
            text = f"a date hierarchy needs a date or a timestamp; {hierarchy.date} is {value.type.name}."
            self._reader.add(path, "TYPE_MISMATCH", text)
            return ()
        if value.type.family == "date":
            return [level for level in hierarchy.levels if not self._refused_of_dates(level, hierarchy.date)]
        return hierarchy.levels

    def _refused_of_dates(self, level: LevelDefinition, date: str) -> bool:
        for name, part in PARTS.items():
            if part.timed and part.expression(date) == level.text:
                self._reader.add(
                    level.path, "TYPE_MISMATCH", f"{date} is a date; only a timestamp has the part {name!r}."
                )
                return True
        return False

    def _default(self, hierarchy: HierarchyDefinition, levels: Sequence[Level]) -> object:
        if hierarchy.default is None or not levels:
            return None
        return self._member(hierarchy.default, levels[0].type, (*hierarchy.path, "default"))

    def _level(
        self,
        definition: LevelDefinition,
        hierarchy: HierarchyDefinition,
        dimension: DimensionDefinition,
        ordinal: int,
    ) -> Level | None:
        value = self._rows.read(definition.text, definition.path)
        if value is None:
            return None
        if not value.joins:
            self._reader.add(definition.path, "COLUMN_REQUIRED", f"level {definition.name!r} reads no column.")
            return None
        if value.type.family in ("array", "other"):
            text = f"a level cannot have members of type {value.type.name}; take a part of it."
            self._reader.add(definition.path, "TYPE_MISMATCH", text)
            return None
        value = _without_enum(value)
        self._reader.check_format(definition.format, value.type, (*definition.path[:-1], "format"))
        return Level(
            definition.name,
            dimension.name,
            hierarchy.name,
            ordinal,
            value.type,
            value.sql,
            value.joins,
            value.expression,
            definition.caption,
            definition.description,
            definition.format,
            definition.visible,
            self._order(definition, value) if definition.order else NATURAL,
        )

    def _order(self, level: LevelDefinition, members: RowValue) -> LevelOrder:
        order = level.order
        assert order is not None
        if order.by is not None:
            return self._order_by(level, order, order.by, members)
        listed = [self._member(m, members.type, (*order.path, i)) for i, m in enumerate(order.members)]
        known = [member for member in listed if member is not None]
        return listed_first(known, members.type) if known else LevelOrder(descending=order.descending)

    def _order_by(self, level: LevelDefinition, order: OrderDefinition, by: str, members: RowValue) -> LevelOrder:
        path = (*order.path, "by")
        key = self._rows.read(by, path)
        if key is None:
            return NATURAL
        if key.type.family in ("array", "other"):
            self._reader.add(path, "TYPE_MISMATCH", f"values of type {key.type.name} have no order; take a part of it.")
            return NATURAL
        key = _without_enum(key)
        promise = self._one_key(level.name, members, key)
        self._refuse_breaches(promise, path)
        return LevelOrder(
            key=key.sql, text=by, joins=key.joins, descending=order.descending, promise=promise, type=key.type
        )

    def _one_key(self, level: str, members: RowValue, key: RowValue) -> Promise:
        """Return what has to be true of a sort key: by several ones a member would have several places."""
        joins = self._tree.needed(members.joins | key.joins)
        pairs = (
            f"SELECT DISTINCT {members.sql} AS m, {key.sql} AS k FROM {self._tree.from_clause(joins)}"
            f" WHERE {members.sql} IS NOT NULL"
        )
        keys = (
            f"list_transform(list(k ORDER BY k NULLS LAST)[:{EXAMPLES_MAX}], lambda k: coalesce(k::VARCHAR, 'nothing'))"
        )
        return Promise(
            frozenset({self._tree.base.name, *(join.table.name for join in joins)}),
            f"SELECT concat(m, ': ', array_to_string({keys}, ', ')) FROM ({pairs}) GROUP BY m HAVING count(*) > 1"
            f" ORDER BY m LIMIT {EXAMPLES_MAX}",
            f"a member of level {level!r} has several sort keys; it needs one.",
        )

    def _refuse_breaches(self, promise: Promise, path: ConfigurationPath) -> None:
        try:
            breaches = [str(row[0]) for row in self._database.query(promise.sql)]
        except (EngineError, QueryTimeoutError) as error:
            self._reader.add(path, "INVALID_EXPRESSION", f"the sort keys cannot be looked at: {error}")
            return
        if breaches:
            self._reader.add(path, "SEVERAL_SORT_KEYS", promise.sentence(breaches))

    def _member(self, value: object, kind: DataType, path: ConfigurationPath) -> Member | None:
        try:
            member = parse_member(value, kind)
        except MemberError as error:
            self._reader.add(path, "INVALID_MEMBER", f"{error}.")
            return None
        if not member_fits(kind, member):
            self._reader.add(path, "INVALID_MEMBER", f"{value!r} is out of the range of type {kind.name}.")
            return None
        return member


def _without_enum(value: RowValue) -> RowValue:
    """An ENUM compares by its declaration; answers order text by code point."""
    if not value.type.sql.upper().startswith("ENUM"):
        return value
    return replace(value, sql=f"CAST({value.sql} AS VARCHAR)", type=VARCHAR)
