"""Lookups: a value that the members of a cell find in a table which no reference need lead to, such as a rate.

A lookup never adds rows up: there is one row for the members, or none. That is looked at with the model and promised of
every commit; where an older version or a branch breaks it all the same, the measure is refused and not wrong.
"""

# ruff: noqa: S608 - names and texts are quoted

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import cast

from app_framework.database import Database
from app_framework.database.datatype import VARCHAR, DataType
from app_framework.database.errors import EngineError, QueryTimeoutError
from app_framework.database.promise import Promise
from app_framework.database.schema import Column, TableSchema
from app_framework.database.sql import literal, names, quote
from app_framework.errors import near_matches
from app_framework.olap.calculation import Lookup
from app_framework.olap.definition import ConfigurationPath, MeasureDefinition
from app_framework.olap.dimension import Level
from app_framework.olap.expressions import ExpressionReader
from app_framework.olap.joining import found_by
from app_framework.olap.member import MemberError, member_fits, member_text, parse_member

EXAMPLES_MAX = 3
FindLevel = Callable[[MeasureDefinition, str], Level | None]
"""Returns the level that is named under ``by``, and tells what is wrong with the name."""


class LookupBuilder:
    """Builds the lookups of one cube; what is wrong with one is told to the reader."""

    def __init__(self, database: Database, reader: ExpressionReader) -> None:
        self._database = database
        self._reader = reader

    def build(self, definition: MeasureDefinition, level: FindLevel) -> tuple[Lookup, DataType] | None:
        """Return a lookup and the type of what it finds, None when it makes no sense."""
        path = definition.path[:-1]
        table_name, _, column_name = definition.argument.partition(".")
        table = self._table(table_name, definition.path)
        if table is None:
            return None
        found = self._column(table, column_name, definition.path, table_name)
        if found is not None and found.type.family == "other":
            text = f"a measure cannot be of type {found.type.name}."
            self._reader.add(definition.path, "TYPE_MISMATCH", text)
            found = None
        by = cast("Mapping[object, object]", definition.options["by"])
        fixed = cast("Mapping[object, object]", definition.options.get("where", {}))
        keys = [self._key(definition, table, str(name), str(column), level) for name, column in by.items()]
        conditions = [self._fixed(table, str(c), member, (*path, "where", str(c))) for c, member in fixed.items()]
        known_keys = tuple(key for key in keys if key is not None)
        known = tuple(condition for condition in conditions if condition is not None)
        if found is None or len(known_keys) < len(keys) or len(known) < len(conditions):
            return None
        lookup = Lookup(table.name, found.name, known_keys, known)
        promise = _one_row(lookup, table, [column for _, column in known_keys], {*map(str, fixed)})
        if promise is not None:
            self._refuse_breaches(promise, definition.path)
            lookup = replace(lookup, promise=promise)
        return lookup, VARCHAR if found.type.sql.upper().startswith("ENUM") else found.type

    def _table(self, name: str, path: ConfigurationPath) -> TableSchema | None:
        table = self._database.tables.get(name)
        if table is None:
            near = near_matches(name, self._database.tables)
            self._reader.add(path, "UNKNOWN_TABLE", f"there is no table {name!r}.", near, word=name)
        return table

    def _column(self, table: TableSchema, name: str, path: ConfigurationPath, before: str = "") -> Column | None:
        column = table.columns.get(name)
        if column is None and before and not name:
            text = f"a lookup names a column: `{before}.{next(iter(table.columns), 'column')}`."
            self._reader.add(path, "COLUMN_REQUIRED", text)
        elif column is None:
            near = near_matches(name, table.columns)
            text = f"table {table.name!r} has no column {name!r}."
            self._reader.add(path, "UNKNOWN_COLUMN", text, near, word=name)
        return column

    def _key(
        self, definition: MeasureDefinition, table: TableSchema, name: str, column_name: str, find: FindLevel
    ) -> tuple[Level, str] | None:
        path = (*definition.path[:-1], "by", name)
        level, column = find(definition, name), self._column(table, column_name, path)
        if level is None or column is None:
            return None
        if not level.type.comparable_to(column.type):
            text = (
                f"level {level.name!r} is {level.type.name} and {table.name}.{column.name} is {column.type.name}:"
                " they can never be equal."
            )
            self._reader.add(path, "TYPE_MISMATCH", text)
            return None
        return level, column.name

    def _fixed(self, table: TableSchema, name: str, value: object, path: ConfigurationPath) -> str | None:
        """Return the condition that a column has one value."""
        column = self._column(table, name, path)
        if column is None:
            return None
        if value is None:
            return f"{quote(name)} IS NULL"
        try:
            member = parse_member(value, column.type)
        except MemberError:
            self._reader.add(path, "INVALID_MEMBER", f"{value!r} is no value of {column.type.name}.")
            return None
        if not member_fits(column.type, member):
            self._reader.add(path, "INVALID_MEMBER", f"{value!r} is out of the range of type {column.type.name}.")
            return None
        return f"{quote(name)} = CAST({literal(member_text(member))} AS {column.type.sql})"

    def _refuse_breaches(self, promise: Promise, path: ConfigurationPath) -> None:
        try:
            breaches = [str(row[0]) for row in self._database.query(promise.sql)]
        except (EngineError, QueryTimeoutError) as error:
            self._reader.add(path, "INVALID_EXPRESSION", f"the rows of a lookup cannot be looked at: {error}")
            return
        if breaches:
            self._reader.add(path, "NOT_UNIQUE", promise.sentence(breaches))


def _one_row(lookup: Lookup, table: TableSchema, columns: list[str], fixed: set[str]) -> Promise | None:
    """Return that no rows share what a lookup finds them by, None where the table's key says so already."""
    if table.key and {*table.key} <= {*columns, *fixed}:
        return None
    texts, start = ", ', ', ".join(map(quote, columns)), literal(f"({', '.join(columns)}) = (")
    by = names(columns)
    return Promise(
        frozenset({table.name}),
        f"SELECT concat({start}, {texts}, '): ', count(*), ' rows') FROM {quote(table.name)}"
        f" WHERE {found_by(lookup)} GROUP BY {by} HAVING count(*) > 1 ORDER BY {by} LIMIT {EXAMPLES_MAX}",
        f"a lookup of {table.name}.{lookup.column} needs at most one row for ({', '.join(columns)}).",
    )
