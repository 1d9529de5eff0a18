"""Measures: the numbers of a cube."""

from __future__ import annotations

from dataclasses import dataclass

from app_framework.database.datatype import DataType
from app_framework.olap.aggregation import PartialForm
from app_framework.olap.join import Path


@dataclass(frozen=True, slots=True)
class Measure:
    """What every measure says of itself.

    Args:
        kind: ``sum``, ``count``, …, ``formula``.
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


@dataclass(frozen=True, slots=True, repr=False)
class AggregateMeasure(Measure):
    """A measure that aggregates rows: `sql` over the tables of `joins`."""

    sql: str = ""
    joins: frozenset[Path] = frozenset()


@dataclass(frozen=True, slots=True, repr=False)
class FormulaMeasure(Measure):
    """A measure computed from others: `sql` over the aggregate measures `uses`."""

    sql: str = ""
    uses: tuple[str, ...] = ()
