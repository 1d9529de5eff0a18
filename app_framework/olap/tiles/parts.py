"""What a tile stores: the parts of measures that merge, and how a measure is put together from them again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from app_framework.database.datatype import BIGINT, DataType
from app_framework.olap.aggregation import (
    AVG,
    COUNT,
    LONG,
    MAX,
    MIN,
    SHORT,
    SINGLE_VALUE,
    SQUARE_SUM,
    SUM,
    SUM_PRODUCT,
    Aggregation,
)
from app_framework.olap.measure import AggregateMeasure

Merge = Literal["add", "least", "most", "any"]
"""How the numbers of several cells become that of one; `any` is for what says whether there is a number."""

ADDED = (SUM, COUNT, SUM_PRODUCT, SQUARE_SUM, LONG, SHORT)


class NotHereError(Exception):
    """A question is not for a tile: a statement answers it."""


@dataclass(frozen=True, slots=True)
class Part:
    """A number of each cell.

    Args:
        measure: what is aggregated, as a measure of its own; its SQL tells parts apart.
        merge: how those of several cells become one.
    """

    measure: AggregateMeasure
    merge: Merge

    @property
    def sql(self) -> str:
        """Its SQL over the rows of a cell."""
        return self.measure.sql

    @property
    def counts(self) -> bool:
        """Whether it is 0 of nothing, and not nothing."""
        return self.measure.aggregation is COUNT

    @property
    def type(self) -> DataType:
        """The type of its numbers."""
        return self.measure.type


ROWS = Part(AggregateMeasure("#rows", "count", "*", BIGINT, "mergeable", aggregation=COUNT), "add")
"""How many rows a cell counts; one without rows is none."""


def parts_of(measure: AggregateMeasure) -> tuple[Part, ...]:
    """Return the parts that a measure is put together from, nothing where it cannot be."""
    aggregation = measure.aggregation
    if aggregation in ADDED:
        return (Part(measure, "add"),)
    if aggregation is MIN or aggregation is MAX:
        return (_extreme(measure, aggregation),)
    if aggregation is AVG:
        return (_added(measure, SUM), _added(measure, COUNT))
    if aggregation is SINGLE_VALUE:
        return (_extreme(measure, MIN), _extreme(measure, MAX))
    return ()


def parts_of_all(measures: Iterable[AggregateMeasure]) -> tuple[Part, ...]:
    """Return the parts of all measures that have some, each once, and first how many rows there are."""
    parts = {ROWS.sql: ROWS}
    for measure in measures:
        for part in parts_of(measure):
            parts.setdefault(part.sql, part)
    return tuple(parts.values())


def _added(measure: AggregateMeasure, aggregation: Aggregation) -> Part:
    return Part(_as(measure, aggregation), "add")


def _extreme(measure: AggregateMeasure, aggregation: Aggregation) -> Part:
    return Part(_as(measure, aggregation), "least" if aggregation is MIN else "most")


def _as(measure: AggregateMeasure, aggregation: Aggregation) -> AggregateMeasure:
    """Return the measure that aggregates the same in another way."""
    kind = aggregation.result(measure.arguments[0].type)
    assert kind is not None, "what has a mean has a sum, and what has one value has a least"
    return AggregateMeasure(
        measure.name, aggregation.name, measure.text, kind, "mergeable", aggregation.parts,
        aggregation=aggregation, arguments=measure.arguments, joins=measure.joins,
    )  # fmt: skip
