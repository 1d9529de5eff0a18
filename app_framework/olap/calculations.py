"""From the definitions of calculated measures to calculations with types: names are looked up, fits are checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import cast

from app_framework.database import Database
from app_framework.database.datatype import BIGINT, DOUBLE, DataType
from app_framework.errors import near_matches
from app_framework.olap.aggregation import Aggregation, Aggregations
from app_framework.olap.calculation import (
    Ancestor,
    AnyCalculation,
    At,
    Calculation,
    Cumulative,
    DateShift,
    ExtremeMember,
    Filtered,
    Per,
    Rank,
    Shift,
    Siblings,
)
from app_framework.olap.condition import Condition
from app_framework.olap.definition import ConfigurationPath, CubeDefinition, MeasureDefinition
from app_framework.olap.dimension import Hierarchy, Level
from app_framework.olap.expressions import ExpressionReader
from app_framework.olap.filter import FilterShapeError, In, read_filter
from app_framework.olap.measure import CalculatedMeasure, Measure
from app_framework.olap.model import CubeModel
from app_framework.olap.names import NameReader
from app_framework.olap.period import TIMES, Period, TimeWindow

OVER_CELLS = ("sum", "avg", "min", "max", "count")
"""The aggregations that windows over cells know."""

Built = tuple[Calculation, DataType]


class CalculationBuilder:
    """Builds the calculated measures of one cube.

    Args:
        cube: its definition; a level of it that could not be built has a problem already.
        outline: the model without measures: where levels and hierarchies are looked up.
        database: where lookups find their tables.
    """

    def __init__(
        self,
        cube: CubeDefinition,
        outline: CubeModel,
        aggregations: Aggregations,
        reader: ExpressionReader,
        database: Database,
    ) -> None:
        self._outline = outline
        self._aggregations = aggregations
        self._reader = reader
        self._database = database
        self._broken = _level_names(cube) - set(outline.level_names)
        self._kinds: Mapping[str, Callable[[MeasureDefinition, Measure], Built | None]] = {
            "rank": self._rank,
            "siblings": self._siblings,
            "total": self._ancestor,
            "share": self._ancestor,
            "parent_value": self._ancestor,
            "parent_share": self._ancestor,
            "shift": self._shift,
            "cumulative": self._cumulative,
            "date_shift": self._date_shift,
            "filter": self._filter,
            "at": self._at,
            "per": self._per,
            "max_member": self._extreme,
            "min_member": self._extreme,
        }

    def build(self, definition: MeasureDefinition, of: Measure) -> CalculatedMeasure | None:
        """Return a measure calculated from another, None when there is something wrong with it."""
        return _measure(definition, self._kinds[definition.kind](definition, of))

    def lookup(self, definition: MeasureDefinition) -> CalculatedMeasure | None:
        """Return a measure that is over no other, None when there is something wrong with it."""
        from app_framework.olap.lookups import LookupBuilder

        lookups = LookupBuilder(self._database, self._reader)
        return _measure(definition, lookups.build(definition, lambda told, name: self._level(told, "by", name)))

    def applied(self, definition: MeasureDefinition) -> CalculatedMeasure | None:
        """Return a measure that a Python function computes, None when there is something wrong with it."""
        from app_framework.olap.functions import build_function

        return _measure(definition, build_function(definition, self._reader))

    def _rank(self, definition: MeasureDefinition, of: Measure) -> Built | None:
        hierarchy = self._hierarchy(definition)
        if self._refuses_array(definition, of) or hierarchy is None:
            return None
        return Rank(of.name, hierarchy, bool(definition.options.get("ascending", False))), BIGINT

    def _siblings(self, definition: MeasureDefinition, of: Measure) -> Built | None:
        hierarchy, aggregated = self._hierarchy(definition), self._aggregated(definition, of, OVER_CELLS)
        if hierarchy is None or aggregated is None:
            return None
        aggregation, kind = aggregated
        window = TimeWindow.read(definition.options.get("window"))
        times = [level for level in hierarchy.levels if level.type.family in TIMES] or hierarchy.levels
        if window and times and self._refuses_times(definition, "window", times[-1], window.periods):
            return None
        exclude_self = bool(definition.options.get("exclude_self", False))
        return Siblings(of.name, hierarchy, aggregation, exclude_self, window), kind

    def _ancestor(self, definition: MeasureDefinition, of: Measure) -> Built | None:
        hierarchy = self._hierarchy(definition)
        parent, share = definition.kind.startswith("parent"), definition.kind.endswith("share")
        if hierarchy is None:
            return None
        if hierarchy.slicing:
            text = f"hierarchy {hierarchy.full_name} is slicing: its members are never added up."
            self._refuse(definition, "hierarchy", "SLICING_HIERARCHY", text)
            return None
        if share and not of.type.numeric:
            text = f"{definition.kind} needs numbers; {of.name} is {of.type.name}."
            self._refuse(definition, definition.kind, "TYPE_MISMATCH", text)
            return None
        return Ancestor(of.name, hierarchy, parent, share), DOUBLE if share else of.type

    def _shift(self, definition: MeasureDefinition, of: Measure) -> Built | None:
        walk = self._walk(definition)
        offset, strict = definition.options.get("offset", 1), bool(definition.options.get("strict", False))
        if walk is None:
            return None
        return Shift(of.name, walk[0], cast("int", offset), strict, walk[1]), of.type

    def _cumulative(self, definition: MeasureDefinition, of: Measure) -> Built | None:
        walk, aggregated = self._walk(definition), self._aggregated(definition, of, OVER_CELLS)
        if walk is None or aggregated is None:
            return None
        aggregation, kind = aggregated
        window = TimeWindow.read(definition.options.get("window"))
        if window is not None:
            refused = self._refuses_times(definition, "window", walk[0], window.periods)
            return None if refused else (Cumulative(of.name, walk[0], aggregation, window, walk[1]), kind)
        first, last = cast("Sequence[int | None]", definition.options.get("window", (None, 0)))
        return Cumulative(of.name, walk[0], aggregation, (first, last), walk[1]), kind

    def _date_shift(self, definition: MeasureDefinition, of: Measure) -> Built | None:
        level, period = self._level(definition), Period.parse(str(definition.options["by"]))
        if level is None or period is None:
            return None
        if self._refuses_times(definition, "by", level, [period]):
            return None
        return DateShift(of.name, level, period), of.type

    def _refuses_times(self, definition: MeasureDefinition, key: str, level: Level, periods: Sequence[Period]) -> bool:
        """Return whether the members of a level are no times that are so far from each other, and tell so."""
        if level.type.family not in TIMES:
            text = f"{definition.kind} needs a level of dates or times; {level.name} is {level.type.name}."
            self._refuse(definition, "level" if "level" in definition.options else key, "TYPE_MISMATCH", text)
            return True
        parts = [period for period in periods if period.seconds]
        if level.type.family == "date" and parts:
            text = f"level {level.name!r} has days, and {parts[0].text} is no number of them."
            self._refuse(definition, key, "TYPE_MISMATCH", text)
            return True
        return False

    def _filter(self, definition: MeasureDefinition, of: Measure) -> Built | None:
        where = cast("Mapping[object, object]", definition.options["where"])
        conditions = [self._condition(definition, str(name), body) for name, body in where.items()]
        known = tuple(condition for condition in conditions if condition is not None)
        return (Filtered(of.name, known), of.type) if len(known) == len(conditions) else None

    def _condition(self, definition: MeasureDefinition, name: str, body: object) -> Condition | None:
        path = (*definition.path[:-1], "where", name)
        if name in self._broken:
            return None
        try:
            filter_ = read_filter(body)
        except FilterShapeError as error:
            self._reader.add(path, "INVALID_SHAPE", str(error), error.near)
            return None
        return self._names(path, name).condition(name, name, filter_)

    def _at(self, definition: MeasureDefinition, of: Measure) -> Built | None:
        members = cast("Mapping[object, object]", definition.options["members"])
        places = [self._place(definition, str(name), member) for name, member in members.items()]
        known = [place for place in places if place is not None]
        if len(known) < len(places):
            return None
        hierarchies = {hierarchy.full_name: hierarchy for hierarchy, _ in known}
        return At(of.name, tuple(hierarchies.values()), tuple(condition for _, condition in known)), of.type

    def _place(self, definition: MeasureDefinition, name: str, member: object) -> tuple[Hierarchy, Condition] | None:
        """Return the hierarchy of a level, and the condition that its member is this one."""
        level = self._level(definition, "members", name)
        if level is None:
            return None
        path = (*definition.path[:-1], "members", name)
        condition = self._names(path).condition("", level.full_name, In((member,)))
        return None if condition is None else (self._outline.hierarchy_of(level), condition)

    def _per(self, definition: MeasureDefinition, of: Measure) -> Built | None:
        names = cast("Sequence[str]", definition.options["per"])
        levels = [self._level(definition, "per", name, (i,)) for i, name in enumerate(names)]
        known = [a.name for a in self._aggregations.values() if not a.options and a.factors == a.power == 1]
        aggregated = self._aggregated(definition, of, known)
        found = {level.full_name: level for level in levels if level is not None}
        if aggregated is None or None in levels:
            return None
        aggregation, kind = aggregated
        return Per(of.name, tuple(found.values()), aggregation), kind

    def _extreme(self, definition: MeasureDefinition, of: Measure) -> Built | None:
        level = self._level(definition)
        if self._refuses_array(definition, of) or level is None:
            return None
        return ExtremeMember(of.name, level, definition.kind == "max_member"), level.type

    def _walk(self, definition: MeasureDefinition) -> tuple[Level, Level | None] | None:
        """Return the level that is walked along, and the one whose members are not left."""
        level = self._level(definition)
        if level is None or "partition" not in definition.options:
            return None if level is None else (level, None)
        partition = self._level(definition, "partition")
        if partition is None:
            return None
        if (partition.dimension, partition.hierarchy) != (level.dimension, level.hierarchy) or (
            partition.ordinal >= level.ordinal
        ):
            text = f"`partition` is a level above {level.name!r} in hierarchy {level.dimension}.{level.hierarchy}."
            self._refuse(definition, "partition", "INVALID_PARTITION", text)
            return None
        return level, partition

    def _aggregated(
        self, definition: MeasureDefinition, of: Measure, known: Sequence[str]
    ) -> tuple[Aggregation, DataType] | None:
        name = str(definition.options.get("aggregate", "sum"))
        aggregation = self._aggregations.get(name) if name in known else None
        if aggregation is None:
            near = near_matches(name, known)
            text = f"`aggregate` is one of {', '.join(known)}."
            self._reader.add((*definition.path[:-1], "aggregate"), "UNKNOWN_AGGREGATION", text, near, word=name)
            return None
        kind = aggregation.result(of.type)
        if kind is not None and kind.family == "array" and known is OVER_CELLS:
            text = f"cells are put together as numbers; {of.name} is {of.type.name}. `per` adds arrays up."
            self._refuse(definition, definition.kind, "TYPE_MISMATCH", text)
            return None
        if kind is None:
            text = f"{name} needs {aggregation.needs}; {of.name} is {of.type.name}."
            self._refuse(definition, "aggregate", "TYPE_MISMATCH", text)
            return None
        return aggregation, kind

    def _refuses_array(self, definition: MeasureDefinition, of: Measure) -> bool:
        """Return whether a measure is an array where its cells are compared, and tell so."""
        if of.type.family != "array":
            return False
        text = f"{definition.kind} compares values; {of.name} is {of.type.name}. Take a measure over it."
        self._refuse(definition, definition.kind, "TYPE_MISMATCH", text)
        return True

    def _level(
        self, definition: MeasureDefinition, key: str = "level", name: str = "", at: ConfigurationPath = ()
    ) -> Level | None:
        """Return the level that stands under a key, or is named there."""
        name = name or str(definition.options[key])
        path = (*definition.path[:-1], key, *(at or ((name,) if key in ("members", "by") else ())))
        return None if name in self._broken else self._names(path, name).level("", name)

    def _hierarchy(self, definition: MeasureDefinition) -> Hierarchy | None:
        name = str(definition.options["hierarchy"])
        path = (*definition.path[:-1], "hierarchy")
        return self._names(path, name).hierarchy("", name)

    def _names(self, path: ConfigurationPath, word: str = "") -> NameReader:
        """Return what looks up names; what it refuses is a problem of the model."""

        def refuse(code: str, field: str, detail: str, near: tuple[str, ...]) -> None:
            self._reader.add(path, "INVALID_MEMBER" if code == "INVALID_QUERY" else code, detail, near, word=word)

        return NameReader(self._outline, refuse)

    def _refuse(self, definition: MeasureDefinition, key: str, code: str, text: str) -> None:
        self._reader.add((*definition.path[:-1], key), code, text)


def _measure(definition: MeasureDefinition, built: tuple[AnyCalculation, DataType] | None) -> CalculatedMeasure | None:
    if built is None:
        return None
    calculation, kind = built
    return CalculatedMeasure(
        definition.name, definition.kind, definition.text, kind, "derived", (), definition.caption,
        definition.format, definition.description, definition.folder, definition.visible, calculation=calculation,
    )  # fmt: skip


def _level_names(cube: CubeDefinition) -> set[str]:
    """Return every way to name a level that the cube declares, whether it could be built or not."""
    return {
        name
        for dimension in cube.dimensions
        for hierarchy in dimension.hierarchies
        for level in hierarchy.levels
        for name in (level.name, f"{hierarchy.name}.{level.name}", f"{dimension.name}.{hierarchy.name}.{level.name}")
    }
