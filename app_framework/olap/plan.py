"""From a question to a plan: names become levels and measures, filters become typed predicates; pure.

Output ← Limit ← Sort ← Compute(formulas) ← Aggregate(keys, grouping sets) ← Filter ← Scan(base, joins)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from app_framework.errors import near_matches
from app_framework.olap.cellset import CellColumn
from app_framework.olap.condition import Condition, FirstMember, Predicate, Slice, levels_of, shown
from app_framework.olap.dependence import is_calculated, lifted_hierarchies, missing_levels
from app_framework.olap.dimension import Hierarchy, Level, place_of
from app_framework.olap.errors import (
    INVALID_QUERY,
    UNKNOWN_MEASURE,
    QueryError,
    QueryProblem,
)
from app_framework.olap.facts import BaseRows, Facts
from app_framework.olap.filter import In, StartsWith
from app_framework.olap.frames import CalculationPlan, Frame, Key, asked_groupings
from app_framework.olap.join import Join, JoinTree
from app_framework.olap.measure import AggregateMeasure, FormulaMeasure, Measure
from app_framework.olap.model import CubeModel
from app_framework.olap.names import NameReader
from app_framework.olap.query import CubeQuery, Order, Totals


@dataclass(frozen=True, slots=True)
class TopPerGroup:
    """How many detail rows are kept of each combination of members of some keys, the first in the answer's order."""

    count: int
    keys: tuple[Key, ...]

    def __str__(self) -> str:
        return f"Top {self.count} of each {', '.join(key.shown for key in self.keys)}"


@dataclass(frozen=True, slots=True, repr=False)
class QueryPlan:
    """What has to be done for an answer, before it is put into SQL.

    Args:
        joins: the tables besides the base, parents first.
        aggregates: all that must be aggregated, those that only formulas need included.
        measures: the measures of the answer, in its order.
        top: of each combination of members of some keys, how many detail rows are kept; None for all.
        calculations: what calculated measures need besides; None where there are none.
        facts: what stands for the rows of a frame of cells; the others are aggregated from the base table.
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
    calculations: CalculationPlan | None = None
    facts: Mapping[Frame, Facts] | None = None
    top: TopPerGroup | None = None

    @property
    def frames(self) -> tuple[Frame, ...]:
        """The frames of cells that are aggregated."""
        return (Frame(self.keys),) if self.calculations is None else tuple(self.calculations.frames)

    def facts_of(self, frame: Frame) -> Facts:
        """Return what a frame of cells is aggregated from."""
        return (self.facts or {}).get(frame) or BaseRows(self.tree)

    @property
    def of_rows(self) -> bool:
        """Whether all cells are aggregated from single rows: no groups of them stand in their place."""
        return all(facts.of_rows for facts in (self.facts or {}).values())

    @property
    def formulas(self) -> tuple[FormulaMeasure, ...]:
        """The measures that are computed from aggregates."""
        return tuple(measure for measure in self.measures if isinstance(measure, FormulaMeasure))

    @property
    def tables(self) -> frozenset[str]:
        """The tables that the answer is read from: it stays the same while their rows do."""
        beside = () if self.calculations is None else (lookup.table for lookup in self.calculations.lookups)
        return frozenset({self.tree.base.name, *(join.table.name for join in self.joins), *beside})

    @property
    def has_functions(self) -> bool:
        """Whether Python computes some of its measures."""
        return self.calculations is not None and self.calculations.has_functions

    @property
    def bounded(self) -> bool:
        """Whether only a part of the detail rows is wanted; without levels there is one row in any case."""
        return bool(self.keys) and (self.limit is not None or self.offset > 0)

    @property
    def columns(self) -> tuple[CellColumn, ...]:
        """The columns of the answer: levels, then measures."""
        levels = [CellColumn(key.shown, "level", key.level.type.answered.name, key.level.format) for key in self.keys]
        measures = [CellColumn(m.name, "measure", m.type.answered.name, m.format) for m in self.measures]
        return (*levels, *measures)

    def only(self, *measures: Measure) -> QueryPlan:
        """Return the plan of the same cells with these measures, or none, in the order of the levels."""
        names = {name for m in measures for name in (m.uses if isinstance(m, FormulaMeasure) else (m.name,))}
        calculations = self.calculations and self.calculations.only(*(measure.name for measure in measures))
        aggregates = tuple(aggregate for aggregate in self.aggregates if aggregate.name in names)
        return replace(self, measures=measures, aggregates=aggregates, calculations=calculations, order=())

    def measuring(self, others: Mapping[str, AggregateMeasure]) -> QueryPlan:
        """Return the plan with other aggregates in the place of those that have their names."""
        aggregates = tuple(others.get(aggregate.name, aggregate) for aggregate in self.aggregates)
        names = [measure.name for measure in self.measures]
        calculations = self.calculations and self.calculations.measuring(others, names)
        return replace(self, aggregates=aggregates, calculations=calculations)

    def joins_of(self, frame: Frame) -> tuple[Join, ...]:
        """Return the tables besides the base that a frame of cells reads."""
        if self.calculations is None:
            return self.joins
        conditions = () if frame.everything else self.conditions
        paths = {path for key in frame.keys for path in key.level.joins | key.level.order.joins}
        for (context, _), aggregate in self.calculations.frames[frame].aggregates.items():
            conditions = (*conditions, *context)
            paths |= aggregate.joins
        paths |= {path for condition in conditions for level in levels_of(condition) for path in level.joins}
        return self.tree.needed(paths)

    def at(self, sources: Mapping[str, str]) -> QueryPlan:
        """Return the plan over other rows of the same tables, such as those of an older version."""
        return replace(self, tree=self.tree.at(sources)) if sources else self

    def lines(self) -> Iterator[tuple[int, str]]:
        """Yield the steps of the plan with their depth, the last step first."""
        steps = [f"Output {', '.join([*(key.shown for key in self.keys), *(m.name for m in self.measures)])}"]
        if self.bounded:
            kept = ", totals kept" if self.totals != "none" else ""
            steps.append(f"Limit {'all' if self.limit is None else self.limit} from {self.offset}{kept}")
        if self.top is not None:
            steps.append(str(self.top))
        if self.keys:
            by = [f"{order.by} descending" if order.descending else order.by for order in self.order]
            steps.append(f"Sort {', '.join([*by, *(key.level.order.told(key.shown) for key in self.keys)])}, null last")
        steps += self._computing() if self.calculations is None else list(self.calculations.lines())
        steps += [f"Filter {shown(condition)}" for condition in self.conditions]
        yield from enumerate(steps)
        depth = len(steps)
        facts = self.facts or {}
        for stored in dict.fromkeys(map(str, facts.values())):
            yield depth, f"Scan {stored}"
        if all(frame in facts for frame in self.frames):
            return
        for join in reversed(self.joins):
            yield depth, f"Join {'.'.join(join.path)}: {join.reference}"
            depth += 1
        yield depth, f"Scan {self.tree.base.name}"

    def _computing(self) -> list[str]:
        """Return the steps between the rows and the measures, where a measure needs no more than its cell."""
        steps = [f"Compute {', '.join(f'{f.name} = {f.written}' for f in self.formulas)}"] if self.formulas else []
        by_keys = f" by {', '.join(key.level.full_name for key in self.keys)}" if self.keys else ""
        totals = f", totals {self.totals}" if self.totals != "none" and self.keys else ""
        numbers = ", ".join(f"{a.name} = {a.kind}({a.text})" for a in self.aggregates) or "nothing"
        return [*steps, f"Aggregate {numbers}{by_keys}{totals}"]

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


def plan_cell(
    model: CubeModel, coordinates: Mapping[str, object], query: CubeQuery, known: Sequence[QueryProblem] = ()
) -> QueryPlan:
    """Return the plan of one cell without its numbers: which rows it counts.

    Args:
        model: of the cube.
        coordinates: the cell's member of each level that is not rolled up in it.
        query: what the cell is from; of it, filters and branch count.
        known: what is wrong already, raised with what is found here.

    Raises:
        QueryError: there is no such level, or it cannot have such a member.
    """
    return _Planner(model, query, known).cell(coordinates)


class _Planner:
    """One question on its way to a plan."""

    def __init__(self, model: CubeModel, query: CubeQuery, known: Sequence[QueryProblem] = ()) -> None:
        self._model = model
        self._query = query
        self._known = tuple(known)
        self._problems = list(known)
        self._names = NameReader(model, self._add)

    def plan(self) -> QueryPlan:
        query = self._query
        measures = [m for at, name in self._listed("measures", query.measures) if (m := self._measure(at, name))]
        levels = self._listed("levels", query.levels)
        found = [(at, name, level) for at, name in levels if (level := self._names.level(at, name))]
        keys = self._keys(found, {measure.name.casefold() for measure in measures})
        conditions = self._conditions()
        slices = self._slices([key.level for key in keys], conditions)
        self._check_order([*(key.shown for key in keys), *(measure.name for measure in measures)])
        self._check_sortable(measures)
        self._check_walks(keys)
        top = self._top(keys)
        if self._problems:
            raise QueryError.of(self._problems)
        lifted = self._lifted(slices, measures)
        held = tuple(condition for condition in [*slices, *conditions] if condition not in lifted)
        calculations = self._calculations(keys, measures, tuple(map(Slice, lifted)))
        aggregates = self._aggregates(measures) if calculations is None else calculations.aggregates
        return QueryPlan(
            self._model.name,
            self._model.joins,
            self._joins(keys, [*slices, *conditions], aggregates),
            held,
            keys,
            query.totals,
            aggregates,
            tuple(measures),
            query.orders,
            query.limit,
            query.offset,
            calculations,
            top=top,
        )

    def cell(self, coordinates: Mapping[str, object]) -> QueryPlan:
        at = [place for name, member in coordinates.items() if (place := self._coordinate(name, member)) is not None]
        filters = self._conditions()
        slices = self._slices([], [*at, *filters])
        if self._problems:
            raise QueryError.of(self._problems)
        conditions = (*slices, *at, *filters)
        joins = self._joins((), list(conditions), ())
        model = self._model
        return QueryPlan(model.name, model.joins, joins, conditions, (), "none", (), (), (), None, 0)

    def members(self, prefix: str | None) -> QueryPlan:
        level = self._names.level("level", self._query.levels[0])
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
            self._model.name,
            joins,
            joins.needed(level.joins | level.order.joins),
            conditions,
            (key,),
            "none",
            (),
            (),
            (),
            None,
            0,
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

    def _conditions(self) -> list[Condition]:
        named = ((f"where.{name}", name, filter_) for name, filter_ in self._query.filters.items())
        return [c for field, name, filter_ in named if (c := self._names.condition(field, name, filter_)) is not None]

    def _coordinate(self, name: str, member: object) -> Condition | None:
        field = f"coordinates.{name}"
        level = self._names.level(field, name)
        return None if level is None else Predicate(level, In((self._names.member(field, member, level),)))

    def _keys(self, found: list[tuple[str, str, Level]], measures: set[str]) -> tuple[Key, ...]:
        """Name each level as it is called, or as it was written where two would be called the same.

        The engine does not tell columns apart that differ in case only: among the cells they are numbered.
        """
        names = Counter(level.name for _, _, level in found)
        seen: dict[str, str] = {}
        keys: dict[str, Level] = {}
        for field, written, level in found:
            if level.full_name in seen:
                text = f"{written!r} and {seen[level.full_name]!r} are the same level."
                self._add(INVALID_QUERY, field, text)
                continue
            seen[level.full_name] = written
            name = level.name if names[level.name] == 1 else written
            if keys.setdefault(name, level) is not level:
                text = f"two levels would be called {name!r}; name one of them {level.full_name!r}."
                self._add(INVALID_QUERY, field, text)
            elif name.casefold() in measures:
                text = f"{name!r} is a level and a measure of the answer; name the level {level.full_name!r}."
                self._add(INVALID_QUERY, field, text)
        twins = Counter(name.casefold() for name in keys)
        return tuple(
            Key(name, level) if twins[name.casefold()] == 1 else Key(f"#level {i} {name}", level, name)
            for i, (name, level) in enumerate(keys.items())
        )

    def _slices(self, levels: list[Level], conditions: list[Condition]) -> list[Predicate | FirstMember]:
        """Fix each slicing hierarchy that the query leaves alone; refuse to add up one that it names."""
        named = {(level.dimension, level.hierarchy) for level in levels}
        touched = named | {(c.dimension, c.hierarchy) for condition in conditions for c in levels_of(condition)}
        slices: list[Predicate | FirstMember] = []
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

    def _top(self, keys: tuple[Key, ...]) -> TopPerGroup | None:
        """Find the keys of which each combination keeps its first rows; refuse levels that the query does not name."""
        best = self._query.best
        if best is None:
            return None
        chosen: list[Key] = []
        for at, name in self._listed("top.per", best.per):
            level = self._names.level(at, name)
            found = [key for key in keys if level is not None and key.level.full_name == level.full_name]
            chosen += [key for key in found if key not in chosen]
            if level is not None and not found:
                text = f"level {name!r} is not among the `levels` of the query."
                self._add(INVALID_QUERY, at, text, near_matches(name, [key.shown for key in keys]))
        return TopPerGroup(best.count, tuple(chosen))

    def _check_order(self, columns: list[str]) -> None:
        """Refuse to sort by what is no column, nor would be one if the wrong names were put right."""
        names = [*columns, *self._columns_meant()]
        for position, order in enumerate(self._query.orders):
            if order.by not in names:
                text = f"the answer has no column {order.by!r}."
                self._add(INVALID_QUERY, f"order[{position}].by", text, near_matches(order.by, names))

    def _check_sortable(self, measures: list[Measure]) -> None:
        """Refuse to sort by arrays."""
        arrays = {measure.name for measure in measures if measure.type.family == "array"}
        for position, order in enumerate(self._query.orders):
            if order.by in arrays:
                text = f"measure {order.by!r} is an array; sort by a measure over it, such as its sum."
                self._add(INVALID_QUERY, f"order[{position}].by", text)

    def _columns_meant(self) -> Iterator[str]:
        """Yield the columns that names with a problem may stand for: of one that cannot be read, any."""
        if any(problem.concerns("measures") or problem.concerns("levels") for problem in self._known):
            yield from (*self._model.measures, *self._model.level_names)
        for problem in self._problems:
            if problem.field.startswith(("measures[", "levels[")):
                yield from problem.near
                yield from (level.name for name in problem.near for level in self._model.find_levels(name))

    def _check_walks(self, keys: tuple[Key, ...]) -> None:
        """Refuse measures that walk along a level the question leaves out while it names one below."""
        levels = tuple(key.level for key in keys)
        for field, name in self._listed("measures", self._query.measures):
            missing = missing_levels(name, self._model.measures, levels) if name in self._model.measures else ()
            if missing:
                names = ", ".join(level.full_name for level in missing)
                text = f"measure {name!r} walks along levels that the query leaves out: name {names} in `levels`."
                self._add(INVALID_QUERY, field, text, tuple(level.name for level in missing))

    def _lifted(self, slices: list[Predicate | FirstMember], measures: list[Measure]) -> list[Predicate | FirstMember]:
        """Return the defaults of slicing hierarchies that hold for some of the measures only."""
        chosen = lifted_hierarchies([measure.name for measure in measures], self._model.measures) if slices else set()
        return [slice_ for slice_ in slices if place_of(slice_.level) in chosen]

    def _calculations(
        self, keys: tuple[Key, ...], measures: list[Measure], slices: tuple[Slice, ...]
    ) -> CalculationPlan | None:
        known = self._model.measures
        if not any(is_calculated(measure, known) for measure in measures):
            return None
        asked = asked_groupings(len(keys), self._query.totals)
        return CalculationPlan(known, keys, asked, [measure.name for measure in measures], slices)

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
        paths = {path for key in keys for path in key.level.joins | key.level.order.joins}
        paths |= {path for aggregate in aggregates for path in aggregate.joins}
        paths |= {path for condition in conditions for level in levels_of(condition) for path in level.joins}
        return self._model.joins.needed(paths)

    def _add(self, code: str, field: str, detail: str, near: tuple[str, ...] = ()) -> None:
        self._problems.append(QueryProblem(code, field, detail, near))


def _default_of(hierarchy: Hierarchy) -> Predicate | FirstMember:
    first = hierarchy.levels[0]
    return FirstMember(first) if hierarchy.default is None else Predicate(first, In((hierarchy.default,)))
