"""Which questions an aggregate answers: those whose levels it keeps apart and whose measures it keeps parts of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from app_framework.olap.aggregates.aggregate import AggregateShape
from app_framework.olap.aggregates.parts import parts_of
from app_framework.olap.aggregation import COUNT_DISTINCT, MAX, MIN, SINGLE_VALUE, Argument
from app_framework.olap.condition import Condition, levels_of
from app_framework.olap.dimension import Level
from app_framework.olap.frames import Frame
from app_framework.olap.measure import AggregateMeasure
from app_framework.olap.plan import QueryPlan

_OF_MEMBERS = (COUNT_DISTINCT, MIN, MAX, SINGLE_VALUE)
"""The aggregations that are the same over rows and over the members that stand in them."""


@dataclass(frozen=True, slots=True)
class Need:
    """What a frame of cells needs of the rows that it is aggregated from.

    Args:
        levels: those that it is grouped by, filtered by and sorted by, by full name.
        measures: those that are aggregated.
    """

    levels: frozenset[str]
    measures: tuple[AggregateMeasure, ...]


def needs_of(plan: QueryPlan) -> Iterator[tuple[Frame, Need]]:
    """Yield what each frame of a plan needs."""
    for frame in plan.frames:
        conditions: list[Condition] = [] if frame.everything else [*plan.conditions]
        measures = plan.aggregates
        if plan.calculations is not None:
            asked = plan.calculations.frames[frame].aggregates
            conditions += [condition for context, _ in asked for condition in context]
            measures = tuple({measure.name: measure for measure in asked.values()}.values())
        levels = [key.level for key in frame.keys]
        levels += [level for condition in conditions for level in levels_of(condition)]
        yield frame, Need(frozenset(level.full_name for level in levels), measures)


def covers(shape: AggregateShape, need: Need) -> bool:
    """Return whether cells can be aggregated from the groups of an aggregate as they are from rows."""
    return shape.names >= need.levels and all(is_kept(shape, measure) for measure in need.measures)


def is_kept(shape: AggregateShape, measure: AggregateMeasure) -> bool:
    """Return whether a measure can be made of what an aggregate keeps."""
    parts = parts_of(measure)
    if parts is not None and all(part.sql in shape.parts for part in parts.each):
        return True
    return member_level(shape, measure) is not None


def member_level(shape: AggregateShape, measure: AggregateMeasure) -> Level | None:
    """Return the level whose members are what is aggregated, where it does not matter how often each stands there."""
    if not any(measure.aggregation is known for known in _OF_MEMBERS) or not measure.arguments:
        return None
    argument: Argument = measure.arguments[0]
    return next((level for level in shape.levels if level.sql == argument.sql), None)
