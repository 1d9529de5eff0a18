"""The same cells from flat facts: grouped by codes, members joined afterwards, filters resolved to codes; pure."""

# ruff: noqa: S608 - names are quoted, values are bound

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from app_framework.database.history import rows_since
from app_framework.database.sql import quote
from app_framework.olap.aggregates.covering import Need
from app_framework.olap.aggregation import Argument
from app_framework.olap.cells import indented
from app_framework.olap.dimension import Level
from app_framework.olap.facts import BaseRows, Facts
from app_framework.olap.flat.shape import NO_MEMBER, FlatFacts, coded_level
from app_framework.olap.frames import Key
from app_framework.olap.join import JoinTree, Path
from app_framework.olap.measure import AggregateMeasure
from app_framework.olap.sorting import sort_key

KEPT = "kept"
"""What flat facts are called in a statement."""
MEMBERS = quote("#members")


class FlatRows(Facts):
    """Flat facts in the place of the rows that they were made of.

    Args:
        flat: that cover what will be asked.
        need: what will be asked.
        later: the tree of the cube, where rows came after they were made; None where none did.
    """

    def __init__(self, flat: FlatFacts, need: Need, later: JoinTree | None = None) -> None:
        self.flat = flat
        self._need = need
        self._later = later and later.at({later.base.name: rows_since(later.base, flat.version)})

    def level(self, level: Level) -> str:
        """Return the column of a level: codes, or the members themselves."""
        return f"{KEPT}.{quote(self.flat.shape.column_of(level))}"

    def sort_key(self, level: Level, member: str) -> str:
        """Return nothing: sort keys come with the members."""
        return ""

    def measure(self, measure: AggregateMeasure) -> str:
        """Return a measure as SQL over the columns of its arguments."""
        return self._kept(measure).sql

    def filtered(self, measure: AggregateMeasure, condition: str) -> tuple[str, int]:
        """Return a measure over the rows that pass a condition too, and how often the condition stands in it."""
        return self._kept(measure).filtered(condition)

    def source(self, joins: Iterable[Path]) -> str:
        """Return what stands after FROM; with what came later, coded by the same numbers."""
        if self._later is None:
            return f"{self.flat.table} AS {KEPT}"
        columns = {**self._levels_later(), **self._arguments()}
        if not columns:
            columns = {"#row": "1"}
        kept = ", ".join(quote(name) if name != "#row" else f"1 AS {quote(name)}" for name in columns)
        came = ", ".join(f"{sql} AS {quote(name)}" for name, sql in columns.items())
        read = {path for level in self._levels() for path in level.joins}
        source = BaseRows(self._later).source(read.union(*(m.joins for m in self._need.measures)))
        for i, level in enumerate(self._levels()):
            if self._dictionary(level):
                source += f"\nLEFT JOIN {self._members(level)} AS {_coding(i)} ON {_coding(i)}.member = {level.sql}"
        later = indented(f"SELECT {came}\nFROM {source}")
        return f"(\n  SELECT {kept} FROM {self.flat.table}\n  UNION ALL\n{later}\n) AS {KEPT}"

    def member(self, level: Level) -> str:
        """Return the member of a level inside of a condition: that of the dictionary where there is one."""
        if self._dictionary(level):
            return f"{MEMBERS}.member"
        own = self.level(level)
        return f"CAST({own} AS {level.type.sql})" if self._narrowed(level) else own

    def among(self, level: Level, condition: str) -> str:
        """Return a condition on members as one on codes."""
        if not self._dictionary(level):
            return condition
        return f"{self.level(level)} IN (SELECT code FROM {self._members(level)} AS {MEMBERS} WHERE {condition})"

    def under(self, levels: Sequence[Level], paths: str) -> str:
        """Return the condition that a row is under one of many paths, whose members are put into codes."""
        source, same = [f"({paths}) AS paths"], []
        for i, level in enumerate(levels):
            if self._dictionary(level):
                joined = f"{_coding(i)}.member IS NOT DISTINCT FROM paths.m{i}"
                source.append(f"JOIN {self._members(level)} AS {_coding(i)} ON {joined}")
                same.append(f"{_coding(i)}.code = {self.level(level)}")
            else:
                same.append(f"paths.m{i} IS NOT DISTINCT FROM {self.member(level)}")
        return f"EXISTS (SELECT 1 FROM {' '.join(source)} WHERE {' AND '.join(same)})"

    def first(self, level: Level) -> str:
        """Return the condition that a row has the first member of a level, as the dictionary sorts them."""
        if not self._dictionary(level):
            return super().first(level)
        terms = ", ".join(level.order.terms(f"{MEMBERS}.member", f"{MEMBERS}.key"))
        members = f"{self._members(level)} AS {MEMBERS}"
        return f"{self.level(level)} = (SELECT code FROM {members} ORDER BY {terms} LIMIT 1)"

    def decoded(self, keys: Sequence[Key], cells: str) -> str:
        """Return the query of cells with members and sort keys in the place of codes."""
        shown, further, joins = [], [], []
        for i, key in enumerate(keys):
            column = f"coded.{quote(key.name)}"
            if self._dictionary(key.level):
                shown.append(f"{_coding(i)}.member AS {quote(key.name)}")
                further += [f", {_coding(i)}.key AS {quote(sort_key(key.name))}"] if key.level.order.key else []
                joins.append(f"\nLEFT JOIN {self._members(key.level)} AS {_coding(i)} ON {_coding(i)}.code = {column}")
            elif self._narrowed(key.level):
                shown.append(f"CAST({column} AS {key.level.type.sql}) AS {quote(key.name)}")
        if not shown:
            return cells
        columns = f"coded.* REPLACE ({', '.join(shown)}){''.join(further)}"
        return f"SELECT {columns}\nFROM (\n{indented(cells)}\n) AS coded{''.join(joins)}"

    def _dictionary(self, level: Level) -> str:
        return self.flat.dictionaries.get(self.flat.shape.column_of(level), "")

    def _narrowed(self, level: Level) -> bool:
        return self.flat.shape.column_of(level) in self.flat.narrowed

    def _members(self, level: Level) -> str:
        """Return the dictionary of a level; members that came later have numbers below zero."""
        known = self._dictionary(level)
        if self._later is None:
            return known
        rows = BaseRows(self._later)
        key = f"min({rows.sort_key(level, level.sql)})" if level.order.key else "NULL"
        source = rows.source(level.joins | level.order.joins).replace("\n", " ")
        came = f"SELECT {level.sql} AS member, {key} AS key FROM {source} GROUP BY {level.sql}"
        new = f"member IS NOT NULL AND NOT EXISTS (SELECT 1 FROM {known} AS known WHERE known.member = came.member)"
        numbered = f"SELECT -row_number() OVER (ORDER BY member), member, key FROM ({came}) AS came WHERE {new}"
        return f"(SELECT code, member, key FROM {known} UNION ALL {numbered})"

    def _levels(self) -> list[Level]:
        """Return the levels whose columns are read."""
        shape = self.flat.shape
        read = {shape.columns[name] for name in self._need.levels}
        counted = (coded_level(shape.levels.values(), measure) for measure in self._need.measures)
        read |= {shape.column_of(level) for level in counted if level is not None}
        return [shape.levels[name] for name in sorted(read)]

    def _levels_later(self) -> dict[str, str]:
        columns = {}
        for i, level in enumerate(self._levels()):
            code = f"coalesce({_coding(i)}.code, {NO_MEMBER})"
            columns[self.flat.shape.column_of(level)] = code if self._dictionary(level) else level.sql
        return columns

    def _arguments(self) -> dict[str, str]:
        arguments = self.flat.shape.arguments
        read = {argument.sql for measure in self._need.measures for argument in measure.arguments}
        return {arguments[sql]: sql for sql in sorted(read) if sql in arguments}

    def _kept(self, measure: AggregateMeasure) -> AggregateMeasure:
        """Return the measure over columns; where codes are as many as members, they are counted."""
        level = coded_level(self.flat.shape.levels.values(), measure)
        if level is not None:
            counted = Argument(f"nullif({self.level(level)}, {NO_MEMBER})", measure.arguments[0].type)
            return replace(measure, arguments=(counted,))
        columns = self.flat.shape.arguments
        kept = (Argument(f"{KEPT}.{quote(columns[a.sql])}", a.type) for a in measure.arguments)
        return replace(measure, arguments=tuple(kept))

    def __str__(self) -> str:
        return f"{self.flat}{', with what came later' if self._later else ''}"


def _coding(number: int) -> str:
    return quote(f"#members {number}")
