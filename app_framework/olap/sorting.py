"""Cells in the order of their levels, as SQL: what tables carry of sort keys, and what stands after ORDER BY."""

from __future__ import annotations

from collections.abc import Sequence

from app_framework.database.sql import quote
from app_framework.olap.dimension import Level
from app_framework.olap.facts import Facts


def sort_key(name: str) -> str:
    """Return the name of the column that holds the sort key of a level that is called `name` among the cells."""
    return f"#order {name}"


def sort_key_columns(
    levels: Sequence[tuple[str, Level]], expressions: Sequence[str], facts: Facts, *, grouped: bool
) -> list[str]:
    """Write the sort keys of the levels that have one, as columns beside aggregates.

    A member has one key, so any of its rows tells it; where a level is rolled up, `grouped`, there is none.

    Args:
        levels: what is grouped by, with its name among the cells.
        expressions: the SQL of each.
        facts: what is aggregated; of some the keys come with the members when the cells are decoded.
        grouped: whether rows of totals stand among the cells.
    """
    columns = []
    for (name, level), sql in zip(levels, expressions, strict=True):
        if level.order.key:
            if not (key := facts.sort_key(level, sql)):
                continue
            value = f"min({key})"
            value = f"CASE WHEN GROUPING({sql}) = 0 THEN {value} END" if grouped else value
            columns.append(f"{value} AS {quote(sort_key(name))}")
    return columns


def in_level_order(name: str, level: Level, *, reverse: bool = False, table: str = "") -> list[str]:
    """Return the terms that sort cells by a level.

    Args:
        name: what it is called among the cells.
        level: the level.
        reverse: sort from its last member to its first; what is missing is last all the same.
        table: what stands before the columns: ``c.``.
    """
    return level.order.terms(f"{table}{quote(name)}", f"{table}{quote(sort_key(name))}", reverse=reverse)
