"""Which questions an aggregate answers: those whose levels it keeps apart and whose measures it keeps parts of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from app_framework.olap.aggregates.aggregate import AggregateShape
from app_framework.olap.condition import Condition, levels_of
from app_framework.olap.frames import Frame
from app_framework.olap.measure import AggregateMeasure
from app_framework.olap.plan import QueryPlan


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
    return need.levels <= shape.names and all(measure.name in shape.answers for measure in need.measures)
