"""From a question to a plan: names become levels and measures, filters become typed predicates; pure.

Output ← Limit ← Sort ← Compute(formulas) ← Aggregate(keys, grouping sets) ← Filter ← Scan(base, joins)
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from app_framework.errors import near_matches
from app_framework.olap.dimension import Hierarchy, Level
from app_framework.olap.errors import (
    INVALID_QUERY,
    UNKNOWN_LEVEL,
    UNKNOWN_MEASURE,
    QueryError,
    QueryProblem,
)
from app_framework.olap.filter import AtPath, Between, Filter, In, NotIn, StartsWith
from app_framework.olap.join import Join, JoinTree
from app_framework.olap.measure import AggregateMeasure, FormulaMeasure, Measure
from app_framework.olap.member import MemberError, parse_member
from app_framework.olap.model import CubeModel
from app_framework.olap.query import CubeQuery, Order, Totals

T = TypeVar("T", Level, Hierarchy)


@dataclass(frozen=True, slots=True)
class Key:
    """A level in the answer, under the name the answer gives it."""

    name: str
    level: Level


@dataclass(frozen=True, slots=True)
class Predicate:
    """A filter on one level, its members of the level's type."""

    level: Level
    filter: In | NotIn | Between | StartsWith


@dataclass(frozen=True, slots=True)
class AnyPath:
    """A filter on a hierarchy: under one of several paths, each a member per level."""

    levels: tuple[Level, ...]
    paths: tuple[tuple[object, ...], ...]


@dataclass(frozen=True, slots=True)
class FirstMember:
    """The default of a slicing hierarchy that names none: its first level's first member in order."""

    level: Level


Condition = Predicate | AnyPath | FirstMember


@dataclass(frozen=True, slots=True, repr=False)
class QueryPlan:
    """What has to be done for an answer, before it is put into SQL.

    Args:
        joins: the tables besides the base, parents first.
        aggregates: all that must be aggregated, those that only formulas need included.
        measures: the measures of the answer, in its order.
    """

    cube: str
    tree: JoinTree
    joins: tuple[Join, ...]
    conditions: tuple[Condition, ...]
    keys: tuple[Key, ...]
    totals: Totals
    aggregates: tuple[AggregateMeasure, ...]
    measures: tuple[Measure, ...]
    order: tuple[Order, ...]
    limit: int | None
    offset: int

    @property
    def formulas(self) -> tuple[FormulaMeasure, ...]:
        """The measures that are computed from aggregates."""
        return tuple(measure for measure in self.measures if isinstance(measure, FormulaMeasure))

    @property
    def bounded(self) -> bool:
        """Whether only a part of the detail rows is wanted; without levels there is one row in any case."""
        return bool(self.keys) and (self.limit is not None or self.offset > 0)

    def only(self, *measures: Measure) -> QueryPlan:
        """Return the plan of the same cells with these measures, or none, in the order of the levels."""
        used = {name for m in measures for name in (m.uses if isinstance(m, FormulaMeasure) else (m.name,))}
        aggregates = tuple(aggregate for aggregate in self.aggregates if aggregate.name in used)
        return replace(self, measures=measures, aggregates=aggregates, order=())

    def at(self, sources: Mapping[str, str]) -> QueryPlan:
        """Return the plan over other rows of the same tables, such as those of an older version."""
        return replace(self, tree=self.tree.at(sources)) if sources else self

    def lines(self) -> Iterator[tuple[int, str]]:
        """Yield the steps of the plan with their depth, the last step first."""
        steps = [f"Output {', '.join([*(key.name for key in self.keys), *(m.name for m in self.measures)])}"]
        if self.bounded:
            kept = ", totals kept" if self.totals != "none" else ""
            steps.append(f"Limit {'all' if self.limit is None else self.limit} from {self.offset}{kept}")
        if self.keys:
            by = [f"{order.by} descending" if order.descending else order.by for order in self.order]
            steps.append(f"Sort {', '.join([*by, *(key.name for key in self.keys)])}, null last")
        if self.formulas:
            steps.append(f"Compute {', '.join(f'{f.name} = {f.text}' for f in self.formulas)}")
        by_keys = f" by {', '.join(key.level.full_name for key in self.keys)}" if self.keys else ""
        totals = f", totals {self.totals}" if self.totals != "none" and self.keys else ""
        numbers = ", ".join(f"{a.name} = {a.kind}({a.text})" for a in self.aggregates) or "nothing"
        steps.append(f"Aggregate {numbers}{by_keys}{totals}")
        steps += [f"Filter {_shown(condition)}" for condition in self.conditions]
        yield from enumerate(steps)
        depth = len(steps)
        for join in reversed(self.joins):
            yield depth, f"Join {'.'.join(join.path)}: {join.reference}"
            depth += 1
        yield depth, f"Scan {self.tree.base.name}"

    def __repr__(self) -> str:
        return "\n".join(f"{'  ' * depth}{text}" for depth, text in self.lines())


def plan_query(model: CubeModel, query: CubeQuery, known: Sequence[QueryProblem] = ()) -> QueryPlan:
    """Return the plan of a question.

    Problems found before, when the question was read, are given as `known` and raised with the new ones.

    Raises:
        QueryError: it names what the cube does not have, or compares what cannot be compared; all of it at once.
    """
    return _Planner(model, query, known).plan()


def plan_members(model: CubeModel, level: str, prefix: str | None) -> QueryPlan:
    """Return the plan that lists the members of a level.

    Raises:
        QueryError: there is no such level, or a prefix is asked of one that is not text.
    """
    return _Planner(model, CubeQuery(measures=("-",), levels=(level,))).members(prefix)


class _Planner:
    """One question on its way to a plan."""

    def __init__(self, model: CubeModel, query: CubeQuery, known: Sequence[QueryProblem] = ()) -> None:
        self._model = model
        self._query = query
        self._known = tuple(known)
        self._problems = list(known)

    def plan(self) -> QueryPlan:
        query = self._query
        measures = [m for at, name in self._listed("measures", query.measures) if (m := self._measure(at, name))]
        levels = self._listed("levels", query.levels)
        keys = self._keys([(at, name, level) for at, name in levels if (level := self._level(at, name))])
        conditions = [c for name, f in query.filters.items() if (c := self._condition(name, f)) is not None]
        slices = self._slices([key.level for key in keys], conditions)
        self._check_order([*(key.name for key in keys), *(measure.name for measure in measures)])
        if self._problems:
            raise QueryError.of(self._problems)
        aggregates = self._aggregates(measures)
        return QueryPlan(
            self._model.name,
            self._model.joins,
            self._joins(keys, [*slices, *conditions], aggregates),
            (*slices, *conditions),
            keys,
            query.totals,
            aggregates,
            tuple(measures),
            query.orders,
            query.limit,
            query.offset,
        )

    def members(self, prefix: str | None) -> QueryPlan:
        level = self._level("level", self._query.levels[0])
        conditions: tuple[Condition, ...] = ()
        if level is not None and prefix is not None:
            if level.type.family != "text":
                self._add(INVALID_QUERY, "prefix", f"level {level.name!r} is {level.type.name}, not text.")
            conditions = (Predicate(level, StartsWith(prefix)),)
        if level is None or self._problems:
            raise QueryError.of(self._problems)
        joins = self._model.joins
        key = Key(level.name, level)
        return QueryPlan(
            self._model.name, joins, joins.needed(level.joins), conditions, (key,), "none", (), (), (), None, 0
        )

    def _listed(self, field: str, names: Sequence[str]) -> list[tuple[str, str]]:
        """Return names with their places; one that could not be read, or is there twice, has a problem already."""
        told = {problem.field for problem in self._known}
        return [(at, name) for i, name in enumerate(names) if (at := f"{field}[{i}]") not in told]

    def _measure(self, field: str, name: str) -> Measure | None:
        measure = self._model.measures.get(name)
        if measure is None:
            near = near_matches(name, self._model.measures)
            self._add(UNKNOWN_MEASURE, field, f"cube {self._model.name!r} has no measure {name!r}.", near)
        return measure

    def _level(self, field: str, name: str) -> Level | None:
        found = self._model.find_levels(name)
        if not found:
            near = near_matches(name, self._model.level_names)
            self._add(UNKNOWN_LEVEL, field, f"cube {self._model.name!r} has no level {name!r}.", near)
        return self._only("level", field, name, found)

    def _only(self, what: str, field: str, name: str, found: tuple[T, ...]) -> T | None:
        if len(found) > 1:
            choices = tuple(each.full_name for each in found)
            text = f"{what} {name!r} is ambiguous: it may be {', '.join(choices)}."
            self._add(UNKNOWN_LEVEL, field, text, choices)
        return found[0] if len(found) == 1 else None

    def _keys(self, found: list[tuple[str, str, Level]]) -> tuple[Key, ...]:
        """Name each level as it is called, or as it was written where two would be called the same."""
        names = Counter(level.name for _, _, level in found)
        seen: dict[str, str] = {}
        keys: list[Key] = []
        for field, written, level in found:
            if level.full_name in seen:
                text = f"{written!r} and {seen[level.full_name]!r} are the same level."
                self._add(INVALID_QUERY, field, text)
            seen[level.full_name] = written
            keys.append(Key(level.name if names[level.name] == 1 else written, level))
        return tuple(keys)

    def _condition(self, name: str, filter_: Filter) -> Condition | None:
        field = f"where.{name}"
        if isinstance(filter_, AtPath):
            return self._any_path(field, name, filter_)
        level = self._level(field, name)
        if level is None:
            return None
        if isinstance(filter_, StartsWith):
            if level.type.family != "text":
                self._add(INVALID_QUERY, f"{field}.prefix", f"level {name!r} is {level.type.name}, not text.")
            return Predicate(level, filter_)
        if isinstance(filter_, Between):
            low = self._member(f"{field}.from", filter_.low, level)
            return Predicate(level, Between(low, self._member(f"{field}.to", filter_.high, level)))
        within = f"{field}.not" if isinstance(filter_, NotIn) else field
        several = len(filter_.members) > 1
        members = [
            self._member(f"{within}[{i}]" if several else within, member, level)
            for i, member in enumerate(filter_.members)
        ]
        return Predicate(level, type(filter_)(tuple(members)))

    def _any_path(self, field: str, name: str, filter_: AtPath) -> AnyPath | None:
        found = self._model.find_hierarchies(name)
        if not found:
            near = near_matches(name, [h.name for h in self._model.hierarchies])
            text = f"cube {self._model.name!r} has no hierarchy {name!r}; `path` filters a hierarchy."
            self._add(UNKNOWN_LEVEL, field, text, near)
        hierarchy = self._only("hierarchy", field, name, found)
        if hierarchy is None:
            return None
        paths = []
        for i, path in enumerate(filter_.paths):
            if len(path) > len(hierarchy.levels):
                text = f"the path is longer than hierarchy {name!r} with {len(hierarchy.levels)} levels."
                self._add(INVALID_QUERY, f"{field}.path[{i}]", text)
            steps = enumerate(zip(path, hierarchy.levels, strict=False))
            paths.append(tuple(self._member(f"{field}.path[{i}][{d}]", m, level) for d, (m, level) in steps))
        return AnyPath(hierarchy.levels, tuple(paths))

    def _member(self, field: str, value: object, level: Level) -> object:
        if value is None:
            return None
        try:
            return parse_member(value, level.type)
        except MemberError as error:
            self._add(INVALID_QUERY, field, f"{error}.")
            return None

    def _slices(self, levels: list[Level], conditions: list[Condition]) -> list[Condition]:
        """Fix each slicing hierarchy that the query leaves alone; refuse to add up one that it names."""
        named = {(level.dimension, level.hierarchy) for level in levels}
        touched = named | {(c.dimension, c.hierarchy) for condition in conditions for c in _levels(condition)}
        slices: list[Condition] = []
        for hierarchy in self._model.hierarchies:
            place = (hierarchy.dimension, hierarchy.name)
            if not hierarchy.slicing or not hierarchy.levels:
                continue
            if self._query.totals != "none" and place in named:
                text = f"hierarchy {hierarchy.full_name} is slicing: its members are never added up."
                self._add(INVALID_QUERY, "totals", text)
            if place not in touched:
                slices.append(_default_of(hierarchy))
        return slices

    def _check_order(self, columns: list[str]) -> None:
        """Refuse to sort by what is no column, nor would be one if the wrong names were put right."""
        names = [*columns, *self._columns_meant()]
        for position, order in enumerate(self._query.orders):
            if order.by not in names:
                text = f"the answer has no column {order.by!r}."
                self._add(INVALID_QUERY, f"order[{position}].by", text, near_matches(order.by, names))

    def _columns_meant(self) -> Iterator[str]:
        """Yield the columns that names with a problem may stand for: of one that cannot be read, any."""
        if any(problem.concerns("measures") or problem.concerns("levels") for problem in self._known):
            yield from (*self._model.measures, *self._model.level_names)
        for problem in self._problems:
            if problem.field.startswith(("measures[", "levels[")):
                yield from problem.near
                yield from (level.name for name in problem.near for level in self._model.find_levels(name))

    def _aggregates(self, measures: list[Measure]) -> tuple[AggregateMeasure, ...]:
        wanted: dict[str, AggregateMeasure] = {}
        for measure in measures:
            for name in measure.uses if isinstance(measure, FormulaMeasure) else (measure.name,):
                aggregate = self._model.measures[name]
                assert isinstance(aggregate, AggregateMeasure)
                wanted[name] = aggregate
        return tuple(wanted.values())

    def _joins(
        self, keys: tuple[Key, ...], conditions: list[Condition], aggregates: tuple[AggregateMeasure, ...]
    ) -> tuple[Join, ...]:
        paths = {path for key in keys for path in key.level.joins}
        paths |= {path for aggregate in aggregates for path in aggregate.joins}
        paths |= {path for condition in conditions for level in _levels(condition) for path in level.joins}
        return self._model.joins.needed(paths)

    def _add(self, code: str, field: str, detail: str, near: tuple[str, ...] = ()) -> None:
        self._problems.append(QueryProblem(code, field, detail, near))


def _default_of(hierarchy: Hierarchy) -> Condition:
    first = hierarchy.levels[0]
    return FirstMember(first) if hierarchy.default is None else Predicate(first, In((hierarchy.default,)))


def _levels(condition: Condition) -> tuple[Level, ...]:
    return condition.levels if isinstance(condition, AnyPath) else (condition.level,)


def _shown(condition: Condition) -> str:
    if isinstance(condition, FirstMember):
        return f"{condition.level.full_name} = its first member"
    if isinstance(condition, AnyPath):
        return f"{condition.levels[0].dimension}.{condition.levels[0].hierarchy} under {_clipped(condition.paths)}"
    return f"{condition.level.full_name}: {_clipped(condition.filter.to_json())}"


def _clipped(value: object) -> str:
    """Return a filter in the words of a request, cut where it is long."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 120 else f"{text[:117]}..."
