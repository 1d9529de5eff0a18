"""What a measure needs of a question because of the measures that it builds on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from app_framework.olap.calculation import AnyCalculation, At, ExtremeMember, Filtered, Per, walked_levels
from app_framework.olap.condition import levels_of
from app_framework.olap.dimension import Level, place_of
from app_framework.olap.measure import AggregateMeasure, CalculatedMeasure, FormulaMeasure, Measure


def is_calculated(measure: Measure, known: Mapping[str, Measure]) -> bool:
    """Return whether a measure needs more than its own cell, or more than one aggregation of its rows."""
    return any(
        isinstance(each, CalculatedMeasure) or (isinstance(each, AggregateMeasure) and each.by_element)
        for each in built_on([measure.name], known)
    )


def lifted_hierarchies(names: Iterable[str], known: Mapping[str, Measure]) -> set[tuple[str, str]]:
    """Return the hierarchies, each after its dimension, whose members measures choose themselves."""
    return {
        place_of(level)
        for measure in built_on(names, known)
        if isinstance(measure, CalculatedMeasure) and isinstance(measure.calculation, Filtered | At)
        for condition in measure.calculation.conditions
        for level in levels_of(condition)
    }


def missing_levels(name: str, known: Mapping[str, Measure], levels: tuple[Level, ...]) -> tuple[Level, ...]:
    """Return the levels that a measure walks along and that a query with these levels leaves out.

    They are needed where the query names one so fine in the hierarchy: the walk would not know where it is.
    """
    missing: dict[Level, None] = {}
    left, seen = [(name, levels)], {(name, levels)}
    while left:
        one, shown = left.pop()
        measure, within = known[one], shown
        if isinstance(measure, CalculatedMeasure):
            missing |= dict.fromkeys(_walked_unseen(measure.calculation, shown))
            within = _levels_within(measure.calculation, shown)
        more = [(used, within) for used in _uses(measure) if (used, within) not in seen]
        left += more
        seen.update(more)
    return tuple(missing)


def built_on(names: Iterable[str], known: Mapping[str, Measure]) -> Iterator[Measure]:
    """Yield measures and all that they are computed from, each once."""
    left = list(dict.fromkeys(names))
    seen = set(left)
    while left:
        measure = known[left.pop()]
        yield measure
        more = [used for used in _uses(measure) if used not in seen]
        left += more
        seen.update(more)


def _uses(measure: Measure) -> tuple[str, ...]:
    return measure.uses if isinstance(measure, FormulaMeasure | CalculatedMeasure) else ()


def _walked_unseen(calculation: AnyCalculation, levels: tuple[Level, ...]) -> list[Level]:
    """Return the levels of a walk that are not among those of a query that goes down to it, or below."""
    walked = walked_levels(calculation)
    so_fine = any(
        place_of(other) == place_of(level) and other.ordinal >= level.ordinal
        for level in walked[-1:]
        for other in levels
    )
    return [level for level in walked if level not in levels] if so_fine else []


def _levels_within(calculation: AnyCalculation, levels: tuple[Level, ...]) -> tuple[Level, ...]:
    """Return the levels of the cells in which a calculation reads its measure."""
    if isinstance(calculation, At):
        away = {(hierarchy.dimension, hierarchy.name) for hierarchy in calculation.hierarchies}
        return tuple(level for level in levels if place_of(level) not in away)
    if isinstance(calculation, Per):
        return tuple(dict.fromkeys([*levels, *calculation.levels]))
    return tuple(dict.fromkeys([*levels, calculation.level])) if isinstance(calculation, ExtremeMember) else levels
