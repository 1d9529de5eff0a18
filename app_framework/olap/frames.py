"""What has to be known before calculated measures can be computed: which cells, at which groupings, over which rows.

A frame is the cells of some keys; a view of it sees only the rows that pass the conditions of the filters around it.
Each measure of a view asks for others: a share for its measure at a coarser grouping of the same view, a filter for
the same grouping of a narrower view, a measure per product for a finer frame. Pure.

A grouping is a number as answers have it: bit i is set where key i is rolled up.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from app_framework.olap.calculation import (
    Ancestor,
    AnyCalculation,
    Applied,
    At,
    Calculation,
    DateShift,
    ExtremeMember,
    Filtered,
    Lookup,
    Per,
    Shift,
)
from app_framework.olap.condition import Condition, Slice, levels_of, shown
from app_framework.olap.dimension import Hierarchy, Level, place_of
from app_framework.olap.errors import INVALID_QUERY, QueryError, QueryProblem
from app_framework.olap.measure import AggregateMeasure, CalculatedMeasure, FormulaMeasure, Measure

VIEWS_MAX = 200
"""How many views of its cells a question may need: filters within filters multiply."""


@dataclass(frozen=True, slots=True)
class Key:
    """A level in the answer.

    Args:
        name: its column in the tables of the statement.
        label: what the answer calls it, where that is not its column: SQL does not tell `x` from `X`.
    """

    name: str
    level: Level
    label: str = ""

    @property
    def shown(self) -> str:
        """What the answer calls it."""
        return self.label or self.name


@dataclass(frozen=True, slots=True)
class Frame:
    """The cells of some keys.

    Args:
        everything: whether they are of all rows, not only of those that pass the query's filters.
    """

    keys: tuple[Key, ...]
    everything: bool = False

    def bits(self, levels: Iterable[Level]) -> int:
        """Return the grouping in which only the keys of these levels are rolled up."""
        names = {level.full_name for level in levels}
        return sum(1 << i for i, key in enumerate(self.keys) if key.level.full_name in names)

    def shown(self, grouping: int) -> Iterator[tuple[int, Key]]:
        """Yield the keys that a grouping does not roll up, with their places."""
        return ((i, key) for i, key in enumerate(self.keys) if not grouping >> i & 1)

    def finest(self, hierarchy: Hierarchy, grouping: int) -> Key | None:
        """Return the key of a hierarchy's finest level that a grouping shows, None where it shows none."""
        names = {level.full_name for level in hierarchy.levels}
        shown = [key for _, key in self.shown(grouping) if key.level.full_name in names]
        return max(shown, key=lambda key: key.level.ordinal, default=None)

    def path(self, level: Level, grouping: int = 0) -> tuple[Key, ...]:
        """Return the keys from the coarsest of a level's hierarchy down to it, nothing where it is not shown."""
        same = (level.dimension, level.hierarchy)
        keys = [
            key
            for _, key in self.shown(grouping)
            if (key.level.dimension, key.level.hierarchy) == same and key.level.ordinal <= level.ordinal
        ]
        path = sorted(keys, key=lambda key: key.level.ordinal)
        return tuple(path) if path and path[-1].level.full_name == level.full_name else ()

    def plus(self, levels: Iterable[Level]) -> Frame:
        """Return the finer frame with more levels."""
        known = {key.level.full_name for key in self.keys}
        names, more = {key.name.casefold() for key in self.keys}, []
        for level in levels:
            if level.full_name not in known:
                name = f"#{level.full_name}"
                while name.casefold() in names:
                    name += "'"
                names.add(name.casefold())
                more.append(Key(name, level))
        return replace(self, keys=(*self.keys, *more))

    def only(self, path: Iterable[Key]) -> Frame:
        """Return the frame of all members of some of its keys."""
        kept = set(path)
        return Frame(tuple(key for key in self.keys if key in kept), everything=True)

    def projected(self, grouping: int, onto: Frame) -> int:
        """Return a grouping of this frame as one of a frame with some of its keys."""
        places = {key: i for i, key in enumerate(self.keys)}
        return sum(1 << i for i, key in enumerate(onto.keys) if grouping >> places[key] & 1)


@dataclass(frozen=True, slots=True)
class View:
    """The cells of a frame, measured over the rows that pass `context`."""

    frame: Frame
    context: tuple[Condition, ...] = ()

    def of(self, calculation: Calculation) -> View:
        """Return the view in which the measure of a calculation is computed."""
        if isinstance(calculation, Filtered | At):
            told = {place_of(level) for condition in calculation.conditions for level in levels_of(condition)}
            kept = [c for c in self.context if not (isinstance(c, Slice) and place_of(c.level) in told)]
            return View(self.frame, (*kept, *calculation.conditions))
        if isinstance(calculation, Per):
            return View(self.frame.plus(calculation.levels), self.context)
        if isinstance(calculation, ExtremeMember):
            return View(self.frame.plus([calculation.level]), self.context)
        return self


def target(calculation: Calculation, frame: Frame, grouping: int) -> int:
    """Return the grouping at which a cell's calculation reads its measure, beside its own."""
    if isinstance(calculation, Ancestor):
        if not calculation.parent:
            return grouping | frame.bits(calculation.hierarchy.levels)
        finest = frame.finest(calculation.hierarchy, grouping)
        return grouping if finest is None else grouping | frame.bits([finest.level])
    if isinstance(calculation, At):
        return grouping | frame.bits(level for hierarchy in calculation.hierarchies for level in hierarchy.levels)
    if isinstance(calculation, DateShift):
        # Years and months above a date are left out: the date alone says which cell is meant.
        above = [key.level for key in frame.path(calculation.level, grouping)[:-1]]
        return grouping | frame.bits(above)
    if isinstance(calculation, Per):
        return grouping & ~frame.bits(calculation.levels)
    if isinstance(calculation, ExtremeMember):
        return grouping & ~frame.bits([calculation.level])
    return grouping


@dataclass(slots=True)
class FrameNeeds:
    """What is asked of a frame's cells: groupings, and aggregates, each in its context."""

    groupings: set[int] = field(default_factory=lambda: {0})
    aggregates: dict[tuple[tuple[Condition, ...], str], AggregateMeasure] = field(default_factory=dict)


class CalculationPlan:
    """What calculated measures of one question need.

    Args:
        known: the measures of the cube.
        keys: the levels of the answer.
        asked: the groupings of the answer.
        names: its measures.
        slices: the defaults of slicing hierarchies that some of its measures lift.

    Attributes:
        frames: the frames with what is asked of each.
        views: the views with the measures of each that are not aggregates, in an order that they can be computed in.
    """

    def __init__(
        self,
        known: Mapping[str, Measure],
        keys: tuple[Key, ...],
        asked: frozenset[int],
        names: Iterable[str],
        slices: tuple[Condition, ...] = (),
    ) -> None:
        self.top = View(Frame(keys), slices)
        self.asked = asked
        self.frames: dict[Frame, FrameNeeds] = {}
        self.views: dict[View, dict[str, FormulaMeasure | CalculatedMeasure]] = {}
        self._known = known
        self._required: dict[tuple[View, str], set[int]] = {}
        self._ask(self.top, asked)
        for name in names:
            self._require(self.top, name, set(asked))

    def only(self, *names: str) -> CalculationPlan:
        """Return the plan of the same cells with other measures."""
        return CalculationPlan(self._known, self.top.frame.keys, self.asked, names, self.top.context)

    def measuring(self, others: Mapping[str, Measure], names: Iterable[str]) -> CalculationPlan:
        """Return the plan of the same measures over other ones in the place of those that have their names."""
        known = {**self._known, **others}
        return CalculationPlan(known, self.top.frame.keys, self.asked, names, self.top.context)

    def within(self, slices: tuple[Condition, ...], names: Iterable[str]) -> CalculationPlan:
        """Return the plan of the same measures with other defaults of the slicing hierarchies that they lift."""
        return CalculationPlan(self._known, self.top.frame.keys, self.asked, names, slices)

    @property
    def aggregates(self) -> tuple[AggregateMeasure, ...]:
        """The measures that are aggregated, each once however many contexts it is aggregated in."""
        found = {name: a for needs in self.frames.values() for (_, name), a in needs.aggregates.items()}
        return tuple(found.values())

    def lines(self) -> Iterator[str]:
        """Yield the steps of the plan, the last step first."""
        for view, measures in self.views.items():
            over = f" where {' and '.join(map(shown, view.context))}" if view.context else ""
            within = "" if view.frame == self.top.frame else f" by {_names(view.frame.keys)}"
            for name, measure in reversed(measures.items()):
                text = measure.written if isinstance(measure, FormulaMeasure) else f"{measure.kind}({measure.text})"
                yield f"Compute {name} = {text}{within}{over}"
        for frame, needs in self.frames.items():
            numbers = [
                f"{name} = {a.kind}({a.text})" + (f" where {' and '.join(map(shown, context))}" if context else "")
                for (context, name), a in needs.aggregates.items()
            ]
            by = f" by {_names(frame.keys)}" if frame.keys else ""
            totals = f", {len(needs.groupings)} groupings" if len(needs.groupings) > 1 else ""
            rows = " of all rows" if frame.everything else ""
            yield f"Aggregate {', '.join(numbers) or 'nothing'}{by}{totals}{rows}"

    def measure(self, name: str) -> Measure:
        """Return a measure of the cube."""
        return self._known[name]

    @property
    def lookups(self) -> frozenset[Lookup]:
        """What is looked up in tables beside the cells."""
        return frozenset(calculation for calculation in self._calculated() if isinstance(calculation, Lookup))

    @property
    def has_functions(self) -> bool:
        """Whether Python computes some of it."""
        return any(isinstance(calculation, Applied) for calculation in self._calculated())

    def _calculated(self) -> Iterator[AnyCalculation]:
        for measures in self.views.values():
            yield from (m.calculation for m in measures.values() if isinstance(m, CalculatedMeasure))

    @property
    def contexts(self) -> list[tuple[Condition, ...]]:
        """The contexts in which something is aggregated, that without conditions first."""
        found = dict.fromkeys(context for needs in self.frames.values() for context, _ in needs.aggregates)
        return [(), *(context for context in found if context)]

    def _ask(self, view: View, groupings: Iterable[int]) -> FrameNeeds:
        needs = self.frames.setdefault(view.frame, FrameNeeds())
        needs.groupings.update(groupings)
        self.views.setdefault(view, {})
        if len(self.views) > VIEWS_MAX:
            text = f"these measures look at the rows in more than {VIEWS_MAX} ways; ask for fewer at once."
            raise QueryError.of([QueryProblem(INVALID_QUERY, "measures", text)])
        return needs

    def _require(self, view: View, name: str, groupings: set[int]) -> None:
        """Note that a measure of a view is needed at some groupings, after all that it needs itself."""
        required = self._required.setdefault((view, name), set())
        new = groupings - required
        if not new and required:
            return
        required |= new
        needs = self._ask(view, new)
        measure = self._known[name]
        if isinstance(measure, AggregateMeasure):
            needs.aggregates[view.context, name] = measure
            return
        assert isinstance(measure, FormulaMeasure | CalculatedMeasure)
        if isinstance(measure, FormulaMeasure) or isinstance(measure.calculation, Applied):
            for used in measure.uses:
                self._require(view, used, new)
        elif not isinstance(measure.calculation, Lookup):
            self._require_of(view, measure.calculation, new)
        self.views[view].setdefault(name, measure)

    def _require_of(self, view: View, calculation: Calculation, groupings: set[int]) -> None:
        inner, frame = view.of(calculation), view.frame
        read = {target(calculation, frame, grouping) for grouping in groupings}
        self._require(inner, calculation.of, read | groupings if isinstance(calculation, Ancestor) else read)
        if isinstance(calculation, Shift) and calculation.strict and (path := frame.path(calculation.level)):
            members = frame.only(path)
            shown = [grouping for grouping in groupings if frame.path(calculation.level, grouping)]
            self._ask(View(members), {frame.projected(grouping, members) for grouping in shown})


def asked_groupings(keys: int, totals: str) -> frozenset[int]:
    """Return the groupings of an answer with so many keys."""
    every = (1 << keys) - 1
    if totals == "all":
        return frozenset(every >> length << length for length in range(keys + 1))
    return frozenset({0, every} if totals == "grand" else {0})


def _names(keys: Iterable[Key]) -> str:
    return ", ".join(key.level.full_name for key in keys)
