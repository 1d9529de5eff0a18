"""The manager: the one component that doors ask; it finds the cube and passes the question on.

What only a question needs is imported with the first one; a start does not wait for it.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from app_framework.database.branches import MASTER
from app_framework.errors import UserError, near_matches
from app_framework.olap.catalog import Catalog
from app_framework.olap.errors import QueryError, TooManyQuestionsError, UnknownCubeError
from app_framework.olap.queryable import CubeSource, Queryable

if TYPE_CHECKING:
    from app_framework.olap.batch import Question
    from app_framework.olap.cellset import CellSet
    from app_framework.olap.cellstream import CellStream
    from app_framework.olap.definition import CubeDefinition
    from app_framework.olap.drillthrough import Drillthrough
    from app_framework.olap.modeler import ModelChange, Modeler
    from app_framework.olap.query import CubeQuery
    from app_framework.olap.rowset import RowSet

_logger = logging.getLogger(__name__)

BATCH_MAX = 100
BATCH_ROWS_MAX = 1_000_000


class FixedModelError(UserError):
    """The cubes of a manager are what they are.

    Attributes:
        manager: its name.
    """

    code = "CONFLICT"

    def __init__(self, manager: str) -> None:
        super().__init__(manager)
        self.manager = manager

    def __str__(self) -> str:
        return f"The cubes of {self.manager!r} cannot be changed: it was made without a modeler."


@dataclass(frozen=True, slots=True)
class _Served:
    """What questions are answered from at one time; a change of the model puts another one in its place."""

    catalogs: Mapping[str, Catalog]
    cubes: Mapping[str, Queryable]

    @classmethod
    def of(cls, catalogs: Iterable[Catalog]) -> _Served:
        by_name = {catalog.name: catalog for catalog in catalogs}
        cubes = {name: cube for catalog in by_name.values() for name, cube in catalog.cubes.items()}
        return cls(MappingProxyType(by_name), MappingProxyType(cubes))


class Manager:
    """Catalogs of cubes, and the way to ask any of them (A14).

    Args:
        catalogs: the cubes, grouped.
        name: for those who look at several.
        batch_max: how many questions one batch may hold.
        batch_rows_max: how many rows the answers of a batch may have together.
        modeler: what makes other cubes in the place of these; None where they are fixed.
        sources: what else tells about the cubes.

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
        modeler: Modeler | None = None,
        sources: Iterable[CubeSource] = (),
    ) -> None:
        self.name = name
        self.batch_max = batch_max
        self.batch_rows_max = batch_rows_max
        self._served = _Served.of(catalogs)
        self._modeler = modeler
        self._sources = tuple(sources)
        self._changing = threading.Lock()
        self._listeners: tuple[Callable[[ModelChange], None], ...] = ()

    @property
    def catalogs(self) -> Mapping[str, Catalog]:
        """The catalogs by name."""
        return self._served.catalogs

    @property
    def cubes(self) -> Mapping[str, Queryable]:
        """The cubes of all catalogs by name."""
        return self._served.cubes

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

    async def replace(self, *cubes: CubeDefinition) -> ModelChange:
        """Put cubes in the place of those of the same names, or beside the others, while the node runs.

        Queries that run are answered by the cubes they were asked of; what is asked later sees the new ones.

        Raises:
            ModelError: with every problem; nothing was changed.
        """
        return await self._exchange(lambda modeler: modeler.replace(cubes))

    async def remove(self, *names: str) -> ModelChange:
        """Take cubes away; see `replace`.

        Raises:
            UnknownCubeError: there is none of that name.
            ModelError: a catalog names it.
        """
        return await self._exchange(lambda modeler: modeler.remove(names))

    async def apply(self, schemas: Mapping[str, object], catalogs: Mapping[str, object] | None = None) -> ModelChange:
        """Make the cubes what the sections ``schemas`` and ``catalogs`` say, beside those of code; see `replace`.

        Raises:
            ModelError: with every problem, of shapes and of names; nothing was changed.
        """
        from app_framework.olap.reading import read_model

        model = read_model(schemas, catalogs or {})
        return await self._exchange(lambda modeler: modeler.apply(model))

    def listen(self, listener: Callable[[ModelChange], None]) -> None:
        """Tell of changes of the model, in the thread that makes them."""
        self._listeners = (*self._listeners, listener)

    def discovery(self) -> dict[str, object]:
        """Describe all catalogs: the document of ``GET /cubes``."""
        catalogs = [catalog.discovery(self._described) for catalog in self.catalogs.values()]
        return {"manager": self.name, "catalogs": catalogs}

    def describe(self, cube: str) -> dict[str, object]:
        """Describe one cube and the catalogs it is in: the document of ``GET /cubes/{cube}``."""
        catalogs = [catalog.name for catalog in self.catalogs.values() if cube in catalog.cubes]
        return {"catalogs": catalogs, **self._described(self.cube(cube))}

    def _described(self, cube: Queryable) -> dict[str, object]:
        document = cube.discovery()
        for source in self._sources:
            document |= source.about(cube.name)
        return document

    async def _exchange(self, change: Callable[[Modeler], tuple[list[Catalog], ModelChange]]) -> ModelChange:
        """Change the model in a thread, for all of it is looked at; one change after the other."""
        if self._modeler is None:
            raise FixedModelError(self.name)
        modeler = self._modeler

        def exchange() -> ModelChange:
            with self._changing:
                catalogs, done = change(modeler)
                self._served = _Served.of(catalogs)
            _logger.info("the model of %r: %s", self.name, done)
            if done:
                for listener in self._listeners:
                    listener(done)
            return done

        return await asyncio.to_thread(exchange)

    def __repr__(self) -> str:
        return f"<Manager {self.name!r}: {', '.join(map(repr, self.catalogs.values()))}>"
