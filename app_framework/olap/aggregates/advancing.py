"""From the aggregate of one version to that of a later one: only what changed is read, where that is known; pure.

Rows that were added make groups that merge with those that are kept. Where rows left, exact sums and counts are read
less theirs, and the groups that they were in are made anew: an extreme cannot be taken back, nor what a sum of doubles
has lost. Where a referred table changed, rows may have moved between groups, and all are made anew.
"""

# ruff: noqa: S608 - names are quoted, values are bound

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Protocol

from app_framework.database.history import TableChanges, rows_lost, rows_since
from app_framework.database.sql import names, quote
from app_framework.olap.aggregates.aggregate import Aggregate, AggregateShape
from app_framework.olap.aggregates.rewriting import KEPT, groups_less, groups_of_groups, groups_of_rows
from app_framework.olap.facts import BaseRows
from app_framework.olap.join import JoinTree

TOUCHED = quote("#touched")


class OfOneVersion(Protocol):
    """What was made of the rows of one version: an aggregate, for example."""

    @property
    def version(self) -> int:
        """The version."""

    @property
    def tables(self) -> frozenset[str]:
        """The names of the tables that it is made of, the base left out."""


class Step(Enum):
    """What lies between what was made of rows and a version."""

    NONE = "the aggregate is of that version"
    MERGE = "rows came"
    RENEW = "rows left"
    REBUILD = "rows may be in other groups"
    BACK = "the version is older, or a commit is being made"

    @property
    def is_readable(self) -> bool:
        """Whether all questions of that version can be answered from the aggregate, and from what came later."""
        return self in (Step.NONE, Step.MERGE)

    @property
    def is_due(self) -> bool:
        """Whether it would help questions of that version to advance the aggregate."""
        return self in (Step.MERGE, Step.RENEW, Step.REBUILD)


def step_to(
    version: int, made: OfOneVersion, base: str, changes: Callable[[str], TableChanges], oldest: int = 0
) -> Step:
    """Return what lies between an aggregate, or what else was made of rows, and a version of master.

    Args:
        version: where to.
        made: from where.
        base: the base table of its cube.
        changes: what commits did to a table, those included that nobody sees yet.
        oldest: the oldest version that is kept.
    """
    if made.version >= version:
        return Step.NONE if made.version == version else Step.BACK
    if any(changes(table).last > made.version for table in made.tables):
        return Step.REBUILD
    came = changes(base)
    if came.last <= made.version:
        return Step.NONE
    if came.last > version:
        return Step.BACK  # whether others came before it is not known here
    if came.removed <= made.version:
        return Step.MERGE
    return Step.RENEW if made.version >= oldest else Step.REBUILD


def groups_later(aggregate: Aggregate, tree: JoinTree) -> str:
    """Return the SQL of the groups of the rows that came after an aggregate was made."""
    return groups_of_rows(aggregate.shape, tree.at({tree.base.name: rows_since(tree.base, aggregate.version)}))


def groups_now(aggregate: Aggregate, tree: JoinTree) -> str:
    """Return the SQL of the groups of an aggregate with the rows that came and without those that left; exact parts."""
    lost = groups_of_rows(aggregate.shape, tree.at({tree.base.name: rows_lost(tree.base, aggregate.version)}))
    return groups_less(aggregate.shape, aggregate.table, groups_later(aggregate, tree), lost)


def write_step(step: Step, aggregate: Aggregate, tree: JoinTree) -> str:
    """Return the SQL of the aggregate after a step."""
    shape, columns = aggregate.shape, names(aggregate.shape.columns)
    if step is Step.MERGE:
        both = f"(SELECT {columns} FROM {aggregate.table} UNION ALL {groups_later(aggregate, tree)})"
        return groups_of_groups(shape, both)
    if step is Step.RENEW:
        touched = _touched(aggregate, tree)
        own = _same([f"{KEPT}.{quote(level.full_name)}" for level in shape.levels], shape)
        rows = _same([level.sql for level in shape.levels], shape)
        return (
            f"WITH {TOUCHED} AS ({touched})"
            f" SELECT {columns} FROM {aggregate.table} AS {KEPT} ANTI JOIN {TOUCHED} ON {own}"
            f" UNION ALL {groups_of_rows(shape, tree, f' SEMI JOIN {TOUCHED} ON {rows}')}"
        )
    return groups_of_rows(shape, tree)


def _touched(aggregate: Aggregate, tree: JoinTree) -> str:
    """Return the SQL of the groups that rows came to or left."""
    changed = f"({rows_since(tree.base, aggregate.version)} UNION ALL {rows_lost(tree.base, aggregate.version)})"
    levels = aggregate.shape.levels
    columns = ", ".join(f"{level.sql} AS {quote(level.full_name)}" for level in levels)
    paths = {path for level in levels for path in level.joins}
    source = BaseRows(tree.at({tree.base.name: changed})).source(paths).replace("\n", " ")
    return f"SELECT DISTINCT {columns} FROM {source}"


def _same(keys: list[str], shape: AggregateShape) -> str:
    pairs = zip(keys, shape.levels, strict=True)
    return " AND ".join(f"{sql} IS NOT DISTINCT FROM {TOUCHED}.{quote(level.full_name)}" for sql, level in pairs)
