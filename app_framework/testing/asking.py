"""How a test asks a cube, whatever is behind it: one cube, a data node, a query node."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict, TypeVar, Unpack

from app_framework.database.branches import MASTER
from app_framework.olap.cellset import CellSet
from app_framework.olap.drillthrough import Drillthrough
from app_framework.olap.query import CubeQuery, Order, Top, Totals, Unavailable
from app_framework.olap.queryable import Queryable
from app_framework.olap.rowset import RowSet
from app_framework.testing.results import CubeResult, ResultMismatchError

T = TypeVar("T")


class More(TypedDict, total=False):
    """What a question may say beside measures, levels and filters; as `CubeQuery` does."""

    totals: Totals
    order: Sequence[Order | Mapping[str, object]]
    top: Top | Mapping[str, object] | None
    limit: int | None
    offset: int
    branch: str
    version: int | Mapping[str, int] | None
    timeout: float | str
    unavailable: Unavailable


@dataclass(frozen=True, slots=True)
class RowsResult:
    """The rows that a cell counts.

    Args:
        columns: their names.
        rows: as many as were asked for.
        count: how many the cell counts.
        versions: the data version that each node answered from.
    """

    columns: tuple[str, ...]
    rows: list[tuple[object, ...]]
    count: int
    versions: Mapping[str, int]

    @classmethod
    def of(cls, found: RowSet) -> RowsResult:
        """Read all rows and let go of them."""
        with found:
            return cls(tuple(column.name for column in found.columns), list(found), found.count, found.versions)


class Asking(ABC):
    """Something that a test asks."""

    @property
    @abstractmethod
    def cube(self) -> Queryable:
        """What answers."""

    @abstractmethod
    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        """Run something to its end."""

    def query(
        self,
        measures: Sequence[str],
        levels: Sequence[str] = (),
        where: Mapping[str, object] | None = None,
        **more: Unpack[More],
    ) -> CubeResult:
        """Return the answer to a question in the words of `CubeQuery`; what is wrong is raised as the product does."""
        return self.ask(CubeQuery(measures, levels, where or {}, **more))

    def ask(self, query: CubeQuery) -> CubeResult:
        """Return the answer to a question."""
        return CubeResult(self._wait(self._answer(query)))

    def error(
        self,
        measures: Sequence[str],
        levels: Sequence[str] = (),
        where: Mapping[str, object] | None = None,
        **more: Unpack[More],
    ) -> Exception:
        """Return what a question is refused with.

        Raises:
            ResultMismatchError: it is answered.
        """
        try:
            answer = self.query(measures, levels, where, **more)
        except Exception as error:  # whatever the product raises is the answer of this method
            return error
        raise ResultMismatchError("The question was to be refused, and is answered:", answer)

    def explain(
        self,
        measures: Sequence[str],
        levels: Sequence[str] = (),
        where: Mapping[str, object] | None = None,
        **more: Unpack[More],
    ) -> dict[str, object]:
        """Return how a question is answered: plan, SQL, nodes, bytes."""
        return self._wait(self.cube.explain(CubeQuery(measures, levels, where or {}, **more)))

    def drillthrough(
        self,
        coordinates: Mapping[str, object] | None = None,
        columns: Sequence[str] = (),
        *,
        where: Mapping[str, object] | None = None,
        limit: int | None = None,
        branch: str = MASTER,
    ) -> RowsResult:
        """Return the rows that a cell counts."""
        asked = Drillthrough(coordinates or {}, columns, where or {}, limit, branch)
        return self._wait(self._rows(asked))

    def members(
        self, level: str, *, prefix: str | None = None, limit: int = 100, branch: str = MASTER
    ) -> tuple[object, ...]:
        """Return the members of a level, in order."""
        return self._wait(self.cube.members(level, prefix=prefix, limit=limit, branch=branch))

    def discovery(self) -> dict[str, object]:
        """Return the description of dimensions, hierarchies, levels and measures."""
        return self.cube.discovery()

    async def _answer(self, query: CubeQuery) -> CellSet:
        return await self.cube.query(query)

    async def _rows(self, asked: Drillthrough) -> RowsResult:
        return RowsResult.of(await self.cube.drillthrough(asked))
