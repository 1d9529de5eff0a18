"""The cells of a plan in words that travel, and what of a cube can be answered by several nodes; pure.

Everything that a plan does to cells it does after they are merged: formulas, shares, ranks, totals, order, limit.
Only the cells of its frames are asked of nodes, by the frames' keys and without totals.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from app_framework.olap.calculation import Applied, Lookup
from app_framework.olap.condition import AnyPath, Condition, FirstMember, Predicate, Slice
from app_framework.olap.dependence import built_on
from app_framework.olap.dimension import Level
from app_framework.olap.filter import AtPath, In
from app_framework.olap.frames import Frame
from app_framework.olap.measure import AggregateMeasure, CalculatedMeasure, Measure
from app_framework.olap.partial.question import PartialCell, PartialFrame, Restriction
from app_framework.olap.partial.wire import wire_of
from app_framework.olap.plan import QueryPlan

Context = tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Split:
    """A plan, and what is asked of nodes for it.

    Args:
        plan: what is done with the cells once they are merged.
        frames: each frame of it as nodes are asked for it.
    """

    plan: QueryPlan
    frames: Mapping[Frame, PartialFrame]

    @property
    def asked(self) -> tuple[PartialFrame, ...]:
        """What nodes are asked for, in the order of the answers."""
        return tuple(self.frames.values())


def split(plan: QueryPlan) -> Split:
    """Return a plan with its frames as nodes are asked for them; the defaults of slicing hierarchies are known."""
    return Split(plan, {frame: _partial(plan, frame) for frame in plan.frames})


def contexts_of(plan: QueryPlan, frame: Frame) -> dict[Context, int]:
    """Return the contexts in which a frame's cells are aggregated, each with its number; that of all rows is 0."""
    if plan.calculations is None:
        return {(): 0}
    asked = (context for context, _ in plan.calculations.frames[frame].aggregates)
    return {context: i for i, context in enumerate(dict.fromkeys([(), *asked]))}


def resolve_defaults(plan: QueryPlan, first: Callable[[Level], object]) -> QueryPlan:
    """Return a plan that names the members by which it fixes slicing hierarchies.

    Args:
        plan: of a question.
        first: finds the first member of a level over all nodes, None where there is none.
    """

    def known(condition: Condition) -> Condition:
        if isinstance(condition, Slice) and isinstance(condition.default, FirstMember):
            return Slice(Predicate(condition.level, In((first(condition.level),))))
        if isinstance(condition, FirstMember):
            return Predicate(condition.level, In((first(condition.level),)))
        return condition

    calculations = plan.calculations
    if calculations is not None and calculations.top.context:
        names = [measure.name for measure in plan.measures]
        calculations = calculations.within(tuple(map(known, calculations.top.context)), names)
    return replace(plan, conditions=tuple(map(known, plan.conditions)), calculations=calculations)


def distributable(measure: Measure, known: Mapping[str, Measure]) -> str | None:
    """Return why a measure cannot be answered by several nodes, in a sentence; None where it can.

    Args:
        measure: of a cube.
        known: all measures of it.
    """
    for used in built_on([measure.name], known):
        if (reason := _alone(used)) is not None:
            through = "" if used.name == measure.name else f" builds on {used.name!r}, which"
            return f"measure {measure.name!r}{through} {reason}; conceal it, or leave it to the data nodes."
    return None


def _alone(measure: Measure) -> str | None:
    """Return why a measure needs all rows at one place."""
    if isinstance(measure, AggregateMeasure):
        if wire_of(measure) is None:
            return f"is aggregated by {measure.kind!r}, of which nobody knows how the parts of several nodes merge"
        if any(argument.type.family == "other" for argument in measure.arguments):
            return "is aggregated of values that do not travel"
        return None
    if isinstance(measure, CalculatedMeasure) and isinstance(measure.calculation, Lookup):
        return f"looks into table {measure.calculation.table!r}, which a query cube does not have"
    if isinstance(measure, CalculatedMeasure) and isinstance(measure.calculation, Applied):
        return f"is computed by the Python function {measure.calculation.name}, which a query cube does not have"
    return None


def _partial(plan: QueryPlan, frame: Frame) -> PartialFrame:
    contexts = contexts_of(plan, frame)
    if plan.calculations is None:
        cells = [PartialCell(measure.name) for measure in plan.aggregates]
    else:
        asked = plan.calculations.frames[frame].aggregates
        cells = [PartialCell(name, contexts[context]) for context, name in asked]
    return PartialFrame(
        tuple(key.level.full_name for key in frame.keys),
        () if frame.everything else _restrictions(plan.conditions),
        tuple(map(_restrictions, contexts)),
        tuple(cells),
    )


def _restrictions(conditions: Iterable[Condition]) -> tuple[Restriction, ...]:
    return tuple(map(_restriction, conditions))


def _restriction(condition: Condition) -> Restriction:
    if isinstance(condition, Slice):
        return _restriction(condition.default)
    if isinstance(condition, AnyPath):
        level = condition.levels[0]
        return Restriction(f"{level.dimension}.{level.hierarchy}", AtPath(condition.paths))
    assert isinstance(condition, Predicate), "the first members of slicing hierarchies were looked up before"
    return Restriction(condition.level.full_name, condition.filter)
