"""From the model of a cube to what it publishes; what could not be answered by several nodes is refused here."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, cast

from app_framework.database.datatype import DataType
from app_framework.database.errors import ModelError, ModelProblem
from app_framework.distribution.concealment import Concealed, Concealment
from app_framework.distribution.outline import (
    DimensionOutline,
    HierarchyOutline,
    Json,
    LevelOutline,
    MeasureOutline,
    OrderOutline,
    Outline,
)
from app_framework.olap.calculation import (
    Ancestor,
    AnyCalculation,
    Applied,
    At,
    Cumulative,
    DateShift,
    ExtremeMember,
    Filtered,
    Lookup,
    Per,
    Rank,
    Shift,
    Siblings,
)
from app_framework.olap.condition import AnyPath, Condition, Predicate, levels_of
from app_framework.olap.dimension import Level, place_of
from app_framework.olap.measure import AggregateMeasure, CalculatedMeasure, FormulaMeasure, Measure
from app_framework.olap.member import member_json

if TYPE_CHECKING:
    from app_framework.olap.definition import (
        CubeDefinition,
        HierarchyDefinition,
        LevelDefinition,
        MeasureDefinition,
    )
    from app_framework.olap.dimension import Dimension, Hierarchy
    from app_framework.olap.model import CubeModel


def outline_of(model: CubeModel, concealment: Concealment | None = None) -> Outline:
    """Return what a cube publishes of its model.

    Raises:
        ModelError: with every problem: names to be concealed that mean nothing, measures that use what is concealed,
            and measures that several nodes cannot answer.
    """
    assert model.definition is not None, "a model that was built keeps what it was built from"
    concealed = (concealment or Concealment()).of(model)
    problems = [*_leaks(model, model.definition, concealed), *_undistributable(model, model.definition, concealed)]
    if problems:
        raise ModelError(problems)
    return _Outliner(model, model.definition, concealed).outline()


class _Outliner:
    """One model on its way to an outline."""

    def __init__(self, model: CubeModel, definition: CubeDefinition, concealed: Concealed) -> None:
        self._model = model
        self._definition = definition
        self._concealed = concealed
        self._measures = {each.name: each for each in definition.measures}

    def outline(self) -> Outline:
        visible = self._concealed.visible(self._model)
        hierarchies = {
            f"{dimension.name}.{hierarchy.name}": hierarchy
            for dimension in self._definition.dimensions
            for hierarchy in dimension.hierarchies
        }
        return Outline(
            tuple(_dimension(each) for each in visible.dimensions),
            tuple(_hierarchy(each, hierarchies[each.full_name]) for each in visible.hierarchies),
            tuple(self._measure(self._measures[name], each) for name, each in visible.measures.items()),
            {
                each.full_name: tuple(level.name for level in each.levels)
                for each in self._model.hierarchies
                if each.full_name in self._concealed.hierarchies
            },
            self._concealed.measures,
        )

    def _measure(self, definition: MeasureDefinition, measure: Measure) -> MeasureOutline:
        arguments = measure.arguments if isinstance(measure, AggregateMeasure) else ()
        options = {key: self._option(key, value, measure) for key, value in definition.options.items()}
        return MeasureOutline(
            definition.name, definition.kind, " ".join(definition.argument.split()), _type(measure.type),
            cast("Mapping[str, Json]", json.loads(json.dumps(options))),
            tuple(_type(argument.type) for argument in arguments),
            definition.caption, definition.format, definition.description, definition.folder, definition.visible,
        )  # fmt: skip

    def _option(self, key: str, value: object, measure: Measure) -> object:
        """Return what stands under a key, names of levels and hierarchies in full: elsewhere there may be others."""
        calculation = measure.calculation if isinstance(measure, CalculatedMeasure) else None
        if calculation is None:
            return value
        if key in ("level", "partition"):
            return self._level(value)
        if key == "hierarchy":
            return self._model.find_hierarchies(str(value))[0].full_name
        if key == "per":
            return [self._level(name) for name in cast("Sequence[object]", value)]
        if isinstance(calculation, Filtered | At):
            return _conditions(cast("Mapping[object, object]", value), calculation.conditions)
        return value

    def _level(self, name: object) -> str:
        return self._model.find_levels(str(name))[0].full_name


def _dimension(dimension: Dimension) -> DimensionOutline:
    return DimensionOutline(dimension.name, dimension.caption, dimension.description)


def _hierarchy(hierarchy: Hierarchy, definition: HierarchyDefinition) -> HierarchyOutline:
    levels = {each.name: each for each in definition.levels}
    return HierarchyOutline(
        hierarchy.dimension, hierarchy.name, tuple(_level(each, levels[each.name]) for each in hierarchy.levels),
        hierarchy.slicing, _json(hierarchy.default), hierarchy.caption, hierarchy.description, hierarchy.folder,
        hierarchy.visible,
    )  # fmt: skip


def _level(level: Level, definition: LevelDefinition) -> LevelOutline:
    return LevelOutline(
        level.name, _type(level.type), _order(level, definition), level.expression.text,
        level.caption, level.description, level.format, level.visible,
    )  # fmt: skip


def _order(level: Level, definition: LevelDefinition) -> OrderOutline:
    order, written = level.order, definition.order
    if order.key:
        assert order.type is not None
        return OrderOutline((), _type(order.type), order.descending, order.text)
    listed = written.members if written is not None and order.listed else ()
    return OrderOutline(tuple(_json(member) for member in listed), "", order.descending)


def _type(kind: DataType) -> str:
    """Return a type as every node has it: an enumeration is a text, an array has any length."""
    if kind.family == "array":
        return kind.element.array.sql
    return "VARCHAR" if kind.family == "text" else kind.sql


def _conditions(written: Mapping[object, object], conditions: Sequence[Condition]) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, condition in zip(written, conditions, strict=True):
        if isinstance(condition, AnyPath):
            dimension, hierarchy = place_of(condition.levels[0])
            full, filter_ = f"{dimension}.{hierarchy}", _json({"path": condition.paths})
        else:
            assert isinstance(condition, Predicate)
            full, filter_ = condition.level.full_name, _json(condition.filter.to_json())
        # A level may be named twice, in two ways; both conditions hold.
        found[str(name) if full in found else full] = filter_
    return found


def _json(value: object) -> Json:
    """Return a value of a filter, or a member, as JSON writes it."""
    if isinstance(value, Mapping):
        return {str(key): _json(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_json(each) for each in value]
    return member_json(value)


def _leaks(model: CubeModel, definition: CubeDefinition, concealed: Concealed) -> Iterator[ModelProblem]:
    """Yield the measures that are published and use what is not."""
    for written in definition.measures:
        measure = model.measures[written.name]
        if written.name in concealed.measures or not isinstance(measure, FormulaMeasure | CalculatedMeasure):
            continue
        used = [f"measure {name!r}" for name in measure.uses if name in concealed.measures]
        if isinstance(measure, CalculatedMeasure):
            hierarchies = dict.fromkeys(_hierarchies(measure.calculation))
            used += [f"hierarchy {name}" for name in hierarchies if name in concealed.hierarchies]
        if used:
            text = (
                f"measure {written.name!r} uses {' and '.join(used)}, which query cubes do not see."
                f" Conceal {written.name!r} as well."
            )
            yield ModelProblem(written.path, "USES_CONCEALED", text)


def _undistributable(model: CubeModel, definition: CubeDefinition, concealed: Concealed) -> Iterator[ModelProblem]:
    from app_framework.olap.partial.splitting import distributable

    for written in definition.measures:
        if written.name not in concealed.measures:
            reason = distributable(model.measures[written.name], model.measures)
            if reason is not None:
                yield ModelProblem(written.path, "NOT_DISTRIBUTABLE", reason)


def _hierarchies(calculation: AnyCalculation) -> Iterator[str]:
    """Yield the full names of the hierarchies that a calculation reads or walks along."""
    if isinstance(calculation, Rank | Siblings | Ancestor):
        yield calculation.hierarchy.full_name
    elif not isinstance(calculation, Applied):
        for level in _levels(calculation):
            yield f"{level.dimension}.{level.hierarchy}"


def _levels(
    calculation: Shift | Cumulative | DateShift | Filtered | At | Per | ExtremeMember | Lookup,
) -> Sequence[Level]:
    if isinstance(calculation, Filtered | At):
        return [level for condition in calculation.conditions for level in levels_of(condition)]
    if isinstance(calculation, Per):
        return calculation.levels
    return [level for level, _ in calculation.by] if isinstance(calculation, Lookup) else [calculation.level]
