"""The aggregation of rows to cells as SQL: the first thing a statement does, and the only one that reads tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from app_framework.olap.facts import Facts
from app_framework.olap.frames import Key

GROUPING = "#grouping"
ROW = "#row"
"""The number of a cell, in the order of its levels, among those that Python functions are given."""


def key_expressions(keys: Iterable[Key], facts: Facts) -> list[str]:
    """Write the levels over a row; two that read the same column stay two, or a subtotal could not roll up only one."""
    expressions: list[str] = []
    for key in keys:
        sql = facts.level(key.level)
        while sql in expressions:
            sql = f"CASE WHEN true THEN {sql} END"
        expressions.append(sql)
    return expressions


def select_cells(columns: Sequence[str], source: str, conditions: Sequence[str], group_by: str) -> str:
    """Write the aggregation: one row per combination of members, and per total."""
    lines = [f"SELECT{listed(columns)}", f"FROM {source}"]
    if conditions:
        lines.append("WHERE " + "\n  AND ".join(conditions))
    if group_by:
        lines.append(f"GROUP BY {group_by}")
    return "\n".join(lines)


def listed(columns: Sequence[str]) -> str:
    """Write what stands after SELECT: several columns on lines of their own."""
    return f" {columns[0]}" if len(columns) == 1 else "\n  " + ",\n  ".join(columns)


def indented(text: str) -> str:
    """Return a text with each line moved in."""
    return "\n".join(f"  {line}" for line in text.split("\n"))
