"""Calculations: measures that need more than their own cell, each with what it is told.

A calculation walks along a hierarchy, over the rows that also pass a filter, or through finer cells:

| looks at                        | calculations                            |
| ------------------------------- | --------------------------------------- |
| the siblings of its cell        | Rank, Siblings                          |
| a coarser cell                  | Ancestor                                |
| other cells along a level       | Shift, Cumulative, DateShift            |
| its own rows, but not all       | Filtered, At                            |
| the finer cells within its cell | Per, ExtremeMember                      |
| a table beside the cells        | Lookup                                  |
| its own cell, from outside      | Applied                                 |
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from app_framework.database.promise import Promise
from app_framework.olap.aggregation import Aggregation
from app_framework.olap.condition import Condition
from app_framework.olap.dimension import Hierarchy, Level
from app_framework.olap.period import Period, TimeWindow


@dataclass(frozen=True, slots=True)
class Rank:
    """The place of a cell among its siblings, 1 for the largest or, `ascending`, the smallest; ties share one."""

    of: str
    hierarchy: Hierarchy
    ascending: bool = False


@dataclass(frozen=True, slots=True)
class Siblings:
    """The aggregate of a measure over a cell and its siblings, or over the siblings alone.

    Args:
        window: how far in time those are that count; the levels above the time play no part then.
    """

    of: str
    hierarchy: Hierarchy
    aggregation: Aggregation
    exclude_self: bool = False
    window: TimeWindow | None = None


@dataclass(frozen=True, slots=True)
class Ancestor:
    """A measure at a coarser cell, the parent's or that of the whole hierarchy; or, `share`, the part of it here."""

    of: str
    hierarchy: Hierarchy
    parent: bool
    share: bool


@dataclass(frozen=True, slots=True)
class Shift:
    """A measure some members before, or after for a negative offset.

    Args:
        strict: count all members of the level in the cube, not only those whose cells have a value.
        partition: the level whose members are not left.
    """

    of: str
    level: Level
    offset: int = 1
    strict: bool = False
    partition: Level | None = None


@dataclass(frozen=True, slots=True)
class Cumulative:
    """The aggregate of a measure over the cells around one, in order of a level.

    Args:
        window: how many cells after it the first and the last are, None for no end; or how far they are in time.
        partition: the level with each of whose members it begins again.
    """

    of: str
    level: Level
    aggregation: Aggregation
    window: tuple[int | None, int | None] | TimeWindow = (None, 0)
    partition: Level | None = None


@dataclass(frozen=True, slots=True)
class DateShift:
    """A measure one period earlier on a level of dates or times."""

    of: str
    level: Level
    period: Period


@dataclass(frozen=True, slots=True)
class Filtered:
    """A measure over the rows of the cell that also pass conditions."""

    of: str
    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class At:
    """A measure at a member of a hierarchy, whatever member of it the cell has."""

    of: str
    hierarchies: tuple[Hierarchy, ...]
    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Per:
    """A measure computed for each member of some levels within the cell, then aggregated."""

    of: str
    levels: tuple[Level, ...]
    aggregation: Aggregation


@dataclass(frozen=True, slots=True)
class ExtremeMember:
    """The member of a level with the largest or smallest value within the cell; of several the first in order."""

    of: str
    level: Level
    largest: bool


@dataclass(frozen=True, slots=True)
class Lookup:
    """The value of a column in the one row of a table that the members of a cell find; null where there is none.

    Args:
        table, column: where the value is.
        by: levels, each with the column of the table that has its members.
        fixed: further conditions on the row, as SQL over the table.
        promise: that there is at most one such row; None where the table's key says so.
    """

    table: str
    column: str
    by: tuple[tuple[Level, str], ...]
    fixed: tuple[str, ...] = ()
    promise: Promise | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Applied:
    """What a Python function makes of measures of the same cell.

    Args:
        name: ``module:function``.
        uses: the measures that it gets as columns.
        digest: stands for its code.
    """

    name: str
    uses: tuple[str, ...]
    digest: str
    function: Callable[..., object] = field(repr=False, compare=False)


Calculation = Rank | Siblings | Ancestor | Shift | Cumulative | DateShift | Filtered | At | Per | ExtremeMember
"""Those over one measure."""

AnyCalculation = Calculation | Lookup | Applied


def walked_levels(calculation: AnyCalculation) -> tuple[Level, ...]:
    """Return the levels that a calculation needs in a query that is finer than they are."""
    if isinstance(calculation, Shift | Cumulative):
        partition = () if calculation.partition is None else (calculation.partition,)
        return (*partition, calculation.level)
    return (calculation.level,) if isinstance(calculation, DateShift) else ()
