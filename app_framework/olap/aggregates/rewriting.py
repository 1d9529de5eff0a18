"""The same cells from an aggregate: its columns stand for levels, and its merged parts for measures; pure."""

# ruff: noqa: S608 - names are quoted, values are bound

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from app_framework.database.sql import names, quote
from app_framework.olap.aggregates.aggregate import Aggregate, AggregateShape, member_level
from app_framework.olap.aggregates.parts import ROWS, Part, parts_of
from app_framework.olap.aggregation import Argument
from app_framework.olap.cells import key_expressions
from app_framework.olap.dimension import Level
from app_framework.olap.facts import BaseRows, Facts
from app_framework.olap.frames import Key
from app_framework.olap.join import JoinTree, Path
from app_framework.olap.measure import AggregateMeasure
from app_framework.olap.sorting import sort_key, sort_key_columns

KEPT = "kept"
"""What an aggregate is called in a statement."""


class AggregateRows(Facts):
    """The groups of an aggregate, in the place of the rows that they were made of.

    Args:
        aggregate: that covers what will be asked.
        later: the SQL of the groups of rows that came after it was made, nothing where there are none.
        renewed: the SQL of its groups with what came and without what left, where rows did; exact numbers only.
    """

    of_rows = False

    def __init__(self, aggregate: Aggregate, later: str = "", renewed: str = "") -> None:
        self.aggregate = aggregate
        self._later = later
        self._renewed = renewed

    def level(self, level: Level) -> str:
        """Return the column of a level."""
        return f"{KEPT}.{quote(level.full_name)}"

    def sort_key(self, level: Level, member: str) -> str:
        """Return the column of the sort key of a level; it is null where there is no `member`."""
        return f"{KEPT}.{quote(sort_key(level.full_name))}"

    def measure(self, measure: AggregateMeasure) -> str:
        """Return a measure as SQL over its merged parts."""
        return self.filtered(measure, "")[0]

    def filtered(self, measure: AggregateMeasure, condition: str) -> tuple[str, int]:
        """Return a measure over the groups that pass a condition too, and how often the condition stands in it."""
        parts = parts_of(measure)
        if parts is None or not all(map(self.keeps, parts.each)):
            of_members = self.of_members(measure)
            return of_members.filtered(condition) if condition else (of_members.sql, 0)
        merged = [self.part(part, condition) for part in parts.each]
        times = sum(parts.answer.count(f"{{{i}}}") for i in range(len(merged)))
        return parts.answer.format(*merged), times

    def keeps(self, part: Part) -> bool:
        """Return whether the groups have a part, exactly as the version that is asked for has it."""
        return part.sql in self.aggregate.shape.parts and (not self._renewed or bool(part.counted))

    def part(self, part: Part, condition: str = "") -> str:
        """Return a part that is kept as SQL over the groups that pass a condition too."""
        return merged_part(part, self.aggregate.shape, f"{KEPT}.", condition)

    def of_members(self, measure: AggregateMeasure) -> AggregateMeasure:
        """Return a measure over the members of the level that it aggregates, in place of its parts."""
        level = member_level(self.aggregate.shape.levels, measure)
        assert level is not None, "an aggregate that covers a question has its measures one way or the other"
        return replace(measure, arguments=(Argument(self.level(level), measure.arguments[0].type),))

    def source(self, joins: Iterable[Path]) -> str:
        """Return what stands after FROM."""
        table = self.aggregate.table
        if self._renewed:
            return f"(\n  {self._renewed}\n) AS {KEPT}"
        if not self._later:
            return f"{table} AS {KEPT}"
        columns = names(self.aggregate.shape.columns)
        return f"(\n  SELECT {columns} FROM {table}\n  UNION ALL\n  {self._later}\n) AS {KEPT}"

    def __str__(self) -> str:
        changed = (
            ", with what came and left later" if self._renewed else ", with what came later" if self._later else ""
        )
        return f"{self.aggregate}{changed}"


def merged_part(part: Part, shape: AggregateShape, table: str = "", condition: str = "") -> str:
    """Return a part as SQL over groups that keep it."""
    columns = [f"{table}{quote(shape.parts[sql][1])}" for sql in (part.sql, part.beside) if sql]
    return part.merge.format(*columns, where=f" FILTER (WHERE {condition})" if condition else "")


def groups_of_rows(shape: AggregateShape, tree: JoinTree, among: str = "") -> str:
    """Return the SQL that makes the groups of a shape of rows; `among` is a further join."""
    facts = BaseRows(tree)
    keys = key_expressions([Key(level.full_name, level) for level in shape.levels], facts)
    parts = [f"{part.sql} AS {quote(name)}" for part, name in shape.parts.values()]
    columns = ", ".join([*_key_columns(shape, keys, facts), *parts])
    source = facts.source(shape.joins).replace("\n", " ")
    return f"SELECT {columns} FROM {source}{among} GROUP BY {', '.join(keys)}"


def groups_of_groups(shape: AggregateShape, source: str, of: AggregateShape | None = None) -> str:
    """Return the SQL that makes the groups of a shape of those of another that covers it, or of the same."""
    kept = [f"{KEPT}.{quote(level.full_name)}" for level in shape.levels]
    parts = [f"{merged_part(part, of or shape, f'{KEPT}.')} AS {quote(name)}" for part, name in shape.parts.values()]
    keys = [f"{sql} AS {quote(level.full_name)}" for level, sql in zip(shape.levels, kept, strict=True)]
    order = [sort_key(level.full_name) for level in shape.levels if level.order.key]
    keys += [f"min({KEPT}.{quote(name)}) AS {quote(name)}" for name in order]
    return f"SELECT {', '.join([*keys, *parts])} FROM {source} AS {KEPT} GROUP BY {', '.join(kept)}"


def groups_less(shape: AggregateShape, groups: str, later: str, lost: str) -> str:
    """Return the SQL of the groups of a shape with others and without those of rows that left; exact parts only."""
    keys = names(level.full_name for level in shape.levels)
    order = [sort_key(level.full_name) for level in shape.levels if level.order.key]
    kept = [*(level.full_name for level in shape.levels), *order]
    exact = [(part, name) for part, name in shape.parts.values() if part.counted]
    plus = names([*kept, *(name for _, name in exact)])
    minus = ", ".join([names(kept), *(f"-{quote(name)}" for _, name in exact)])
    rows = f"sum({quote(shape.parts[ROWS.sql][1])})"
    columns = [keys, *(f"min({quote(name)}) AS {quote(name)}" for name in order)]
    for part, name in exact:
        total, count = f"sum({quote(name)})", f"sum({quote(shape.parts[part.counted][1])})"
        sql = total if part.counted == part.sql else f"CASE WHEN {count} > 0 THEN {total} END"
        columns.append(f"{sql} AS {quote(name)}")
    return (
        f"SELECT {', '.join(columns)} FROM (SELECT {plus} FROM {groups} UNION ALL SELECT {plus} FROM ({later})"
        f" UNION ALL SELECT {minus} FROM ({lost})) GROUP BY {keys} HAVING {rows} > 0"
    )


def _key_columns(shape: AggregateShape, keys: list[str], facts: BaseRows) -> list[str]:
    named = [f"{sql} AS {quote(level.full_name)}" for level, sql in zip(shape.levels, keys, strict=True)]
    return named + sort_key_columns([(level.full_name, level) for level in shape.levels], keys, facts, grouped=False)
