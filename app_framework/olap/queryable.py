"""What can be asked: a cube with data, or one over many nodes; every door needs only this."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from app_framework.database.branches import MASTER

if TYPE_CHECKING:
    from app_framework.database.listening import CommitListener
    from app_framework.olap.cellset import CellSet
    from app_framework.olap.cellstream import CellStream
    from app_framework.olap.drillthrough import Drillthrough
    from app_framework.olap.errors import QueryProblem
    from app_framework.olap.query import CubeQuery
    from app_framework.olap.rowset import RowSet


class Queryable(Protocol):
    """Something that answers cube queries under a name (A11)."""

    @property
    def name(self) -> str:
        """What queries and URLs call it."""

    @property
    def fingerprint(self) -> str:
        """What stands for the model: the same as long as the same data gives the same answers."""

    def versions(self, query: CubeQuery | None = None) -> Mapping[str, int]:
        """Return the data version of each node that a question would be answered from now."""

    def check(self, query: CubeQuery, known: Sequence[QueryProblem] = ()) -> tuple[QueryProblem, ...]:
        """Return everything that is wrong with a question, what is known of it already included."""

    def listen(self) -> CommitListener:
        """Return what is told of every commit to the data that are asked."""

    def tables(self, query: CubeQuery) -> frozenset[str]:
        """Return the tables whose rows the answer to a question may depend on."""

    async def untouched(self, query: CubeQuery, since: int, changed: frozenset[str]) -> int | None:
        """Return a later version in which the answer is still that of an earlier one; None where that is not seen."""

    async def query(self, query: CubeQuery) -> CellSet:
        """Answer; cancelling the task stops the work."""

    async def query_arrow(self, query: CubeQuery) -> CellSet:
        """Answer the same, fetched as Arrow: for many rows."""

    async def query_stream(self, query: CubeQuery) -> CellStream:
        """Answer the same in batches, for many rows that go elsewhere; whoever gets it closes it."""

    def query_sync(self, query: CubeQuery) -> CellSet:
        """Answer in this thread."""

    async def explain(self, query: CubeQuery) -> dict[str, object]:
        """Answer how the query is answered: plan, SQL, nodes, milliseconds."""

    def check_drillthrough(
        self, drillthrough: Drillthrough, known: Sequence[QueryProblem] = ()
    ) -> tuple[QueryProblem, ...]:
        """Return everything that is wrong with a question for rows, what is known of it already included."""

    async def drillthrough(self, drillthrough: Drillthrough) -> RowSet:
        """Return the rows that a cell counts; whoever gets them closes them."""

    def drillthrough_sync(self, drillthrough: Drillthrough) -> RowSet:
        """Return them in this thread."""

    async def members(
        self,
        level: str,
        *,
        prefix: str | None = None,
        limit: int = 100,
        branch: str = MASTER,
        version: int | None = None,
    ) -> tuple[object, ...]:
        """Return the members of a level, in order."""

    def discovery(self) -> dict[str, object]:
        """Describe dimensions, hierarchies, levels and measures."""


class CubeSource(ABC):
    """Brings cubes to a manager that are not built over its database, and relies on some that are.

    A component of this type is found by the manager; the cubes of a configuration may come and go beside it.
    """

    @property
    @abstractmethod
    def cubes(self) -> Sequence[Queryable]:
        """What it brings."""

    @property
    def needs(self) -> Mapping[str, Sequence[str | int]]:
        """The cubes of the database that it relies on, by name, each with the configuration path that names it."""
        return {}

    def about(self, cube: str) -> Mapping[str, object]:
        """Return what it adds to the description of a cube."""
        return {}
