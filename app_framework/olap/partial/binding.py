"""A frame that was asked for in words, bound to the model of the cube that answers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from app_framework.errors import near_matches
from app_framework.olap.condition import Condition, levels_of
from app_framework.olap.dimension import Level
from app_framework.olap.errors import INVALID_QUERY, UNKNOWN_MEASURE, QueryError, QueryProblem
from app_framework.olap.join import Path
from app_framework.olap.measure import AggregateMeasure
from app_framework.olap.model import CubeModel
from app_framework.olap.names import NameReader
from app_framework.olap.partial.question import PartialFrame, Restriction
from app_framework.olap.partial.wire import Wire, wire_of

Context = tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class BoundCell:
    """A measure to be aggregated in a context, and what of it travels."""

    measure: AggregateMeasure
    context: int
    wire: Wire


@dataclass(frozen=True, slots=True)
class BoundFrame:
    """A frame whose names have become levels and measures, and its values members."""

    levels: tuple[Level, ...]
    where: Context
    contexts: tuple[Context, ...]
    cells: tuple[BoundCell, ...]

    @property
    def joins(self) -> frozenset[Path]:
        """The paths of the tables that it reads."""
        paths = {path for level in self.levels for path in level.joins | level.order.joins}
        paths |= {path for cell in self.cells for path in cell.measure.joins}
        conditions = (condition for context in (self.where, *self.contexts) for condition in context)
        return frozenset(paths | {path for one in conditions for level in levels_of(one) for path in level.joins})


def bind(model: CubeModel, frame: PartialFrame) -> BoundFrame:
    """Return a frame in the terms of a model.

    Raises:
        QueryError: it names what the cube does not have; all of it at once.
    """
    return _Binder(model).bound(frame)


class _Binder:
    """Looks up the names of one frame and keeps what is wrong with them."""

    def __init__(self, model: CubeModel) -> None:
        self._model = model
        self._problems: list[QueryProblem] = []
        self._names = NameReader(model, self._add)

    def bound(self, frame: PartialFrame) -> BoundFrame:
        levels = [self._names.level(f"levels[{i}]", name) for i, name in enumerate(frame.levels)]
        where = self._conditions(frame.where)
        contexts = tuple(map(self._conditions, frame.contexts))
        cells = [self._cell(cell.measure, cell.context) for cell in frame.cells]
        if self._problems:
            raise QueryError.of(self._problems)
        known = tuple(level for level in levels if level is not None)
        return BoundFrame(known, where, contexts, tuple(cell for cell in cells if cell is not None))

    def _conditions(self, restrictions: Iterable[Restriction]) -> Context:
        found = (self._names.condition(f"where.{one.name}", one.name, one.filter) for one in restrictions)
        return tuple(condition for condition in found if condition is not None)

    def _cell(self, name: str, context: int) -> BoundCell | None:
        measure = self._model.measures.get(name)
        if measure is None:
            near = near_matches(name, self._model.measures)
            self._add(UNKNOWN_MEASURE, "measures", f"cube {self._model.name!r} has no measure {name!r}.", near)
            return None
        wire = wire_of(measure) if isinstance(measure, AggregateMeasure) else None
        if wire is None:
            self._add(INVALID_QUERY, "measures", f"measure {name!r} has no parts that several nodes could send.", ())
            return None
        assert isinstance(measure, AggregateMeasure)
        return BoundCell(measure, context, wire)

    def _add(self, code: str, field: str, detail: str, near: tuple[str, ...]) -> None:
        self._problems.append(QueryProblem(code, field, detail, near))
