"""What a cube is asked, and how large the aggregates would be that could answer it."""

# ruff: noqa: S608 - names are quoted, values are bound

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from math import prod
from typing import TYPE_CHECKING

from app_framework.database.sql import quote
from app_framework.olap.aggregate_limits import AggregateLimits
from app_framework.olap.aggregates.advisor import Advice, Levels, candidates, choose
from app_framework.olap.aggregates.aggregate import Aggregate, member_level
from app_framework.olap.aggregates.covering import Need
from app_framework.olap.aggregates.parts import parts_of
from app_framework.olap.aggregates.querylog import QueryLog
from app_framework.olap.facts import BaseRows
from app_framework.olap.measure import AggregateMeasure
from app_framework.olap.model import CubeModel

if TYPE_CHECKING:
    from app_framework.database.duckdb import Cursor


class Adviser:
    """Remembers questions to a cube, and says which aggregates would have answered them.

    Args:
        model: of the cube.
        limits: what aggregates may cost.
    """

    def __init__(self, model: CubeModel, limits: AggregateLimits) -> None:
        self._model = model
        self._limits = limits
        self._levels = {level.full_name: level for level in model.levels}
        self._beside = {
            measure.name: _levels_beside(model, measure)
            for measure in model.measures.values()
            if isinstance(measure, AggregateMeasure)
        }
        self._questions = QueryLog()

    def note(self, need: Need) -> bool:
        """Remember a question; False where no aggregate could ever answer it."""
        beside = [levels for measure in need.measures if (levels := self._beside.get(measure.name)) is not None]
        if len(beside) < len(need.measures):
            return False
        self._questions.note(need.levels.union(*beside))
        return True

    def asked(self, *, fading: bool) -> Mapping[Levels, float]:
        """Return how often each kind of question was asked; `fading`, what was asked until now counts less later."""
        asked = self._questions.asked
        if fading:
            self._questions.fade()
        return asked

    def advise(
        self, cursor: Cursor, asked: Mapping[Levels, float], kept: Sequence[Aggregate], refused: Collection[Levels]
    ) -> Advice:
        """Return what would be worth keeping beside what is kept in any case."""
        missed = {q: n for q, n in asked.items() if not any(aggregate.shape.names >= q for aggregate in kept)}
        coarser = {
            level.full_name: frozenset(other.full_name for other in hierarchy.levels[: level.ordinal])
            for hierarchy in self._model.hierarchies
            for level in hierarchy.levels
        }
        wanted = [levels for levels in candidates(missed, coarser) if levels not in refused]
        base_rows = self.base_rows(cursor)
        each_max = self._limits.share_max * base_rows
        choices = choose(
            missed,
            self._sizes(cursor, wanted, min(each_max, self._limits.floor_rows)),
            base_rows,
            each_max=each_max,
            all_max=self._limits.rows_max - sum(aggregate.rows for aggregate in kept),
            floor=self._limits.floor_rows,
        )
        return Advice(self._model.name, base_rows, sum(missed.values()), choices)

    def base_rows(self, cursor: Cursor) -> int:
        """Return how many rows the base table has."""
        return int(str(cursor.rows(f"SELECT count(*) FROM {quote(self._model.joins.base.name)}")[0][0]))

    def _sizes(self, cursor: Cursor, wanted: Sequence[Levels], small: float) -> dict[Levels, int]:
        """Estimate how many groups the rows have by each of these levels; what is `small` at most need not be exact."""
        single = self._count(cursor, [frozenset({name}) for name in sorted(frozenset().union(*wanted))])
        most = {names: prod(single[frozenset({name})] for name in names) for names in wanted}
        return most | self._count(cursor, [names for names, size in most.items() if size > small])

    def _count(self, cursor: Cursor, wanted: Sequence[Levels]) -> dict[Levels, int]:
        """Estimate how many combinations of members there are of each of these levels, all in one pass."""
        if not wanted:
            return {}
        levels = {name: self._levels[name] for name in sorted(frozenset().union(*wanted))}
        hashes = {name: f"h{i}" for i, name in enumerate(levels)}
        columns = ", ".join(f"hash({level.sql}) AS {hashes[name]}" for name, level in levels.items())
        source = BaseRows(self._model.joins).source(path for level in levels.values() for path in level.joins)
        counts = ", ".join(
            f"approx_count_distinct(hash({', '.join(hashes[name] for name in sorted(names))}))" for names in wanted
        )
        sizes = cursor.rows(f"SELECT {counts} FROM (SELECT {columns} FROM {source})")[0]
        return {names: int(str(size)) for names, size in zip(wanted, sizes, strict=True)}


def _levels_beside(model: CubeModel, measure: AggregateMeasure) -> Levels | None:
    """Return the levels that have to be kept apart for a measure; None where it is always read from rows."""
    if parts_of(measure) is not None:
        return frozenset()
    level = member_level(model.levels, measure)
    return None if level is None else frozenset({level.full_name})
