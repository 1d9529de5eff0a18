"""The manager: the one component that doors ask; it finds the cube and passes the question on.

What only a question needs is imported with the first one; a start does not wait for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

from app_framework.database.branches import MASTER
from app_framework.database.errors import ModelError, ModelProblem
from app_framework.errors import near_matches
from app_framework.olap.catalog import Catalog
from app_framework.olap.errors import QueryError, TooManyQuestionsError, UnknownCubeError
from app_framework.olap.queryable import Queryable

if TYPE_CHECKING:
    from app_framework.olap.batch import Question
    from app_framework.olap.cellset import CellSet
    from app_framework.olap.cellstream import CellStream
    from app_framework.olap.definition import CatalogDefinition
    from app_framework.olap.drillthrough import Drillthrough
    from app_framework.olap.query import CubeQuery
    from app_framework.olap.rowset import RowSet

DEFAULT_CATALOG = "Catalog"
BATCH_MAX = 100
BATCH_ROWS_MAX = 1_000_000


class Manager:
    """Catalogs of cubes, and the way to ask any of them (A14).

    Args:
        catalogs: the cubes, grouped.
        name: for those who look at several.
        batch_max: how many questions one batch may hold.
        batch_rows_max: how many rows the answers of a batch may have together.

    >>> Manager([]).cubes
    mappingproxy({})
    """

    def __init__(
        self,
        catalogs: Iterable[Catalog],
        *,
        name: str = "Manager",
        batch_max: int = BATCH_MAX,
        batch_rows_max: int = BATCH_ROWS_MAX,
    ) -> None:
        self.name = name
        self.batch_max = batch_max
        self.batch_rows_max = batch_rows_max
        self.catalogs: Mapping[str, Catalog] = MappingProxyType({catalog.name: catalog for catalog in catalogs})
        self.cubes: Mapping[str, Queryable] = MappingProxyType(
            {name: cube for catalog in self.catalogs.values() for name, cube in catalog.cubes.items()}
        )

    def cube(self, name: str) -> Queryable:
        """Return a cube.

        Raises:
            UnknownCubeError: there is none of that name.
        """
        cube = self.cubes.get(name)
        if cube is None:
            raise UnknownCubeError(name, near_matches(name, self.cubes))
        return cube

    def read(self, cube: str, document: object) -> CubeQuery:
        """Return the question to a cube that a decoded JSON document writes.

        Raises:
            UnknownCubeError: there is no such cube.
            QueryError: the document has another shape; the names in it that the cube does not know are told as well.
        """
        from app_framework.olap.query import read_query

        asked = self.cube(cube)
        query, problems = read_query(document)
        if problems:
            raise QueryError.of(asked.check(query, problems))
        return query

    def read_drillthrough(self, cube: str, document: object) -> Drillthrough:
        """Return the question for rows that a decoded JSON document writes; see `read`."""
        from app_framework.olap.drillthrough import read_drillthrough

        asked = self.cube(cube)
        drillthrough, problems = read_drillthrough(document)
        if problems:
            raise QueryError.of(asked.check_drillthrough(drillthrough, problems))
        return drillthrough

    async def query(self, cube: str, query: CubeQuery) -> CellSet:
        """Answer a question; cancelling the task stops the work.

        Raises:
            UnknownCubeError: there is no such cube.
            QueryError: the question cannot be answered; every problem is told.
            TooLargeError, QueryTimeoutError, OverloadedError: it may not, not in time, not now.
        """
        return await self.cube(cube).query(query)

    async def query_all(self, questions: Sequence[Question]) -> list[CellSet | Exception]:
        """Answer several questions side by side; each ends with an answer or an error of its own.

        Args:
            questions: cube and question, or an error that takes its place among the answers.

        Raises:
            TooManyQuestionsError: there are more than a batch may hold; none is answered.
        """
        from app_framework.olap.batch import answer_all

        if len(questions) > self.batch_max:
            raise TooManyQuestionsError(self.batch_max)
        return await answer_all(questions, self.query, self.batch_rows_max)

    def query_sync(self, cube: str, query: CubeQuery) -> CellSet:
        """Answer a question in this thread; see `query`."""
        return self.cube(cube).query_sync(query)

    async def query_arrow(self, cube: str, query: CubeQuery) -> CellSet:
        """Answer a question, its rows fetched as Arrow; see `query`."""
        return await self.cube(cube).query_arrow(query)

    async def query_stream(self, cube: str, query: CubeQuery) -> CellStream:
        """Answer a question in batches of Arrow while its rows are read; whoever gets it closes it. See `query`."""
        return await self.cube(cube).query_stream(query)

    async def explain(self, cube: str, query: CubeQuery) -> dict[str, object]:
        """Return how a question is answered: plan, SQL, nodes, milliseconds."""
        return await self.cube(cube).explain(query)

    async def drillthrough(self, cube: str, drillthrough: Drillthrough) -> RowSet:
        """Return exactly the rows that a cell counts; whoever gets them closes them.

        Raises:
            UnknownCubeError: there is no such cube.
            QueryError: the question cannot be answered; every problem is told.
            TooLargeError, QueryTimeoutError, OverloadedError: it may not, not in time, not now.
        """
        return await self.cube(cube).drillthrough(drillthrough)

    def drillthrough_sync(self, cube: str, drillthrough: Drillthrough) -> RowSet:
        """Return the rows of a cell, waiting in this thread; see `drillthrough`."""
        return self.cube(cube).drillthrough_sync(drillthrough)

    async def members(
        self,
        cube: str,
        level: str,
        *,
        prefix: str | None = None,
        limit: int = 100,
        branch: str = MASTER,
        version: int | None = None,
    ) -> tuple[object, ...]:
        """Return the members of a level, in order, null last; of the newest version of master unless told otherwise."""
        return await self.cube(cube).members(level, prefix=prefix, limit=limit, branch=branch, version=version)

    def discovery(self) -> dict[str, object]:
        """Describe all catalogs: the document of ``GET /cubes``."""
        return {"manager": self.name, "catalogs": [catalog.discovery() for catalog in self.catalogs.values()]}

    def describe(self, cube: str) -> dict[str, object]:
        """Describe one cube and the catalogs it is in: the document of ``GET /cubes/{cube}``."""
        catalogs = [catalog.name for catalog in self.catalogs.values() if cube in catalog.cubes]
        return {"catalogs": catalogs, **self.cube(cube).discovery()}

    def __repr__(self) -> str:
        return f"<Manager {self.name!r}: {', '.join(map(repr, self.catalogs.values()))}>"


def build_catalogs(definitions: Sequence[CatalogDefinition], cubes: Sequence[Queryable]) -> list[Catalog]:
    """Return the catalogs; without a definition one catalog holds all cubes.

    Raises:
        ModelError: a catalog names a cube that does not exist.
    """
    by_name = {cube.name: cube for cube in cubes}
    if not definitions:
        return [Catalog(DEFAULT_CATALOG, cubes)]
    problems = [
        ModelProblem(
            (*definition.path, "cubes", position), "UNKNOWN_CUBE", f"there is no cube {name!r}.",
            near_matches(name, by_name), word=name,
        )
        for definition in definitions
        for position, name in enumerate(definition.cubes or ())
        if name not in by_name
    ]  # fmt: skip
    if problems:
        raise ModelError(problems)
    return [Catalog(d.name, cubes if d.cubes is None else [by_name[name] for name in d.cubes]) for d in definitions]
