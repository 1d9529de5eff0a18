"""Whether a commit can change an answer: which tables a plan reads, and whether a changed row passes its filters."""

# ruff: noqa: S608 - names are quoted, values are bound

from __future__ import annotations

from collections.abc import Mapping

from app_framework.olap.condition import AnyPath, Predicate
from app_framework.olap.facts import BaseRows
from app_framework.olap.plan import QueryPlan
from app_framework.olap.sql import Statement
from app_framework.olap.where import ConditionWriter


def tables_read(plan: QueryPlan) -> frozenset[str]:
    """Return the tables whose rows an answer may depend on.

    Measures that look beyond their cell, and defaults that are looked up, may read any table of the cube.
    """
    joins = plan.joins if _rows_decide(plan) else plan.tree.joins.values()
    return plan.tables | {join.table.name for join in joins}


def may_be_untouched(plan: QueryPlan, changed: frozenset[str]) -> bool:
    """Whether it is worth looking at the rows that changed: without a filter, any of them changes the answer."""
    read = changed & tables_read(plan)
    return not read or (read == {plan.tree.base.name} and bool(plan.conditions) and _rows_decide(plan))


def write_touched(plan: QueryPlan, rows: Mapping[str, str]) -> Statement:
    """Return the statement that says whether an answer may have changed.

    An answer of plain aggregates follows from the base rows that pass its filters, each with what its references lead
    to. While no other table has changed, it is as it was unless a row that came or left passes.

    Args:
        plan: of the answer.
        rows: what stands for the rows that came or left, by table; the others have none.
    """
    base, writer = plan.tree.base.name, ConditionWriter(BaseRows(plan.tree))
    touched = []
    for table in sorted(tables_read(plan) & rows.keys()):
        if table == base and _rows_decide(plan):
            source = plan.tree.at({base: rows[base]}).from_clause(plan.joins)
            conditions = " AND ".join(writer.write(condition) for condition in plan.conditions) or "true"
            touched.append(f"EXISTS (SELECT 1 FROM {source} WHERE {conditions})")
        else:
            touched.append(f"EXISTS (SELECT 1 FROM {rows[table]} AS changed)")
    return Statement(f"SELECT {' OR '.join(touched) or 'false'}", tuple(writer.parameters), False)


def _rows_decide(plan: QueryPlan) -> bool:
    """Whether each row tells by itself which cells it is in and whether it passes."""
    return plan.calculations is None and all(isinstance(each, Predicate | AnyPath) for each in plan.conditions)
