"""Measures: the numbers of a cube."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from app_framework.olap.aggregation import FORMULA, Argument
from app_framework.olap.calculation import Applied, Lookup

if TYPE_CHECKING:
    from app_framework.database.datatype import DataType
    from app_framework.database.expression import Expression
    from app_framework.olap.aggregation import Aggregation, PartialForm
    from app_framework.olap.calculation import AnyCalculation
    from app_framework.olap.join import Path


@dataclass(frozen=True, slots=True)
class Measure:
    """What every measure says of itself.

    Args:
        kind: ``sum``, ``count``, …, ``formula``, ``rank``, ….
        text: its definition as written.
        partial: how the answers of several nodes become one.
        parts: what a node sends for it.
        format: how a person wants to see it, for example ``#,##0.00``; values are never formatted for a program.
    """

    name: str
    kind: str
    text: str
    type: DataType
    partial: PartialForm
    parts: tuple[str, ...] = ()
    caption: str | None = None
    format: str | None = None
    description: str | None = None
    folder: str | None = None
    visible: bool = True

    def __repr__(self) -> str:
        return f"<Measure {self.name} = {self.kind}({self.text}) {self.type}>"


@dataclass(frozen=True, slots=True, repr=False, kw_only=True)
class AggregateMeasure(Measure):
    """A measure that aggregates rows.

    Args:
        aggregation: how.
        arguments: what, first the aggregated, then what its options name; none for ``count(*)``.
        fractions: the numbers of its options.
        joins: the paths of the tables that the arguments read.
    """

    aggregation: Aggregation
    arguments: tuple[Argument, ...] = ()
    fractions: tuple[float, ...] = ()
    joins: frozenset[Path] = frozenset()

    @property
    def by_element(self) -> bool:
        """Whether it puts arrays together element by element: then `sql` is how long the shortest and longest are."""
        return self.type.family == "array" and bool(self.aggregation.by_element)

    @property
    def sql(self) -> str:
        """Its SQL over the rows of a cell."""
        if self.by_element:
            return _lengths(self.arguments[0].sql)
        return self.aggregation.render(self.arguments, self.fractions) if self.arguments else "count(*)"

    def filtered(self, condition: str) -> tuple[str, int]:
        """Return its SQL over the rows that pass a condition too, and how often the condition stands in it.

        Aggregations leave nulls out, so what is aggregated becomes null where the condition fails: that works for
        every aggregation, those of an application's own included.
        """
        if not self.arguments:
            return f"count(*) FILTER (WHERE {condition})", 1
        value, *others = self.arguments
        kept = Argument(f"CASE WHEN {condition} THEN {value.sql} END", value.type)
        sql = _lengths(kept.sql) if self.by_element else self.aggregation.render([kept, *others], self.fractions)
        return sql, sql.count(kept.sql)


def _lengths(array: str) -> str:
    return f"[min(len({array})), max(len({array}))]"


@dataclass(frozen=True, slots=True, repr=False)
class FormulaMeasure(Measure):
    """A measure computed from others: `sql` over the measures `uses`, aggregated or calculated.

    Args:
        sql: what is computed.
        uses: the measures that stand in it.
        expression: what `sql` was written from; None where the engine took its narrow form.
    """

    sql: str = ""
    uses: tuple[str, ...] = ()
    expression: Expression | None = field(default=None, compare=False)

    @property
    def written(self) -> str:
        """What it computes, as a plan shows it."""
        return self.text if self.kind == FORMULA else f"{self.kind}({self.text})"


@dataclass(frozen=True, slots=True, repr=False, kw_only=True)
class CalculatedMeasure(Measure):
    """A measure that needs more than its own cell."""

    calculation: AnyCalculation

    @property
    def uses(self) -> tuple[str, ...]:
        """The measure it is computed from; a lookup is computed from none, a function from some."""
        if isinstance(self.calculation, Applied):
            return self.calculation.uses
        return () if isinstance(self.calculation, Lookup) else (self.calculation.of,)
