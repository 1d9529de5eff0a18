"""A cube split over several databases, asked through messages as nodes are: its answers are those of one cube."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from typing import Any

from hypothesis import settings

from app_framework.database import Database, Insert, Table
from app_framework.olap import CellSet, Cube, CubeDefinition, CubeQuery
from app_framework.olap.dimension import Level
from app_framework.olap.partial import (
    ApplicationPart,
    CellMerger,
    KnownDictionaries,
    PartialAnswer,
    PartialAnswerer,
    PartialQuestion,
    resolve_defaults,
    split,
)
from app_framework.olap.plan import plan_query
from tests.olap.test_cube_oracle import database

EXAMPLES = 8 if (settings.default or settings()).max_examples < 1000 else 2500
"""How many cases are generated: a few in the suite, thousands in the soak."""

Rows = Mapping[str, Sequence[Mapping[str, Any]]]
Opened = Callable[[Sequence[Mapping[str, Any]]], AbstractContextManager[Database]]


class SplitCube:
    """Answers for several nodes, each with some of the facts; what passes between them is bytes.

    Attributes:
        whole: the cube over all facts.
        nodes: the cubes of the nodes.
        databases: where their facts are.
        whole_database: where all facts are.
    """

    def __init__(
        self, whole: Cube, nodes: Sequence[Cube], databases: Sequence[Database], merging: Database, all_: Database
    ) -> None:
        self.whole = whole
        self.nodes, self.databases, self.whole_database = nodes, databases, all_
        # Every other node sends distinct integers as bitmaps and numbers distinct texts, the others send the values.
        self.answerers = [
            PartialAnswerer(
                node.model,
                own,
                bitmaps_from=None if i % 2 else 0,
                texts_from=None if i % 2 else 0,
                aggregates=partial(getattr, node, "aggregates"),
            )
            for i, (node, own) in enumerate(zip(nodes, databases, strict=True))
        ]
        self.dictionaries = KnownDictionaries()
        self.mergers = [
            CellMerger(whole.model, merging, dictionaries=self.dictionaries, **quick)
            for quick in ({}, {"quick_rows": -1})
        ]

    def query(self, query: CubeQuery) -> CellSet:
        """Ask every node, and merge."""
        return asyncio.run(self._query(query))

    async def _query(self, query: CubeQuery) -> CellSet:
        """Merge in all ways that there are: by Arrow where that can, by a statement, and to Arrow."""
        asked = split(resolve_defaults(plan_query(self.whole.model, query), self._first))
        sent = PartialQuestion(asked.asked, dictionaries=self.dictionaries.lengths()).to_bytes()
        answers = []
        for answerer in self.answerers:
            answer = await answerer.answer(PartialQuestion.parse(sent))
            answers.append(PartialAnswer.read(answer.chunks()))
        tables = tuple(zip(*(answer.tables for answer in answers), strict=True))
        everything = frozenset(level.full_name for level in self.whole.model.levels)
        part = ApplicationPart("app", everything, frozenset(self.whole.model.measures), tables)
        quick, slow = [await merger.cells(asked, [part], query) for merger in self.mergers]
        assert quick == slow
        assert await self.mergers[0].cells_arrow(asked, [part], query) == await self.whole.query_arrow(query)
        assert [list(map(type, row)) for row in quick.rows] == [list(map(type, row)) for row in slow.rows]
        return slow

    def _first(self, level: Level) -> object:
        """Return the first member of a level over all nodes; a merged hierarchy knows it."""
        found = _in_a_thread(self.whole.members(level.full_name, limit=1))
        return found[0] if found else None


def _in_a_thread(members: Coroutine[Any, Any, tuple[object, ...]]) -> tuple[object, ...]:
    with ThreadPoolExecutor(1) as threads:
        return threads.submit(asyncio.run, members).result()


@contextmanager
def split_over(
    definition: CubeDefinition, facts: Sequence[Mapping[str, Any]], nodes: Sequence[int], opened: Opened
) -> Iterator[SplitCube]:
    """Give each fact to the node whose number stands at its place."""
    with ExitStack() as stack:
        whole, merging = stack.enter_context(opened(facts)), stack.enter_context(opened([]))
        shares = [[fact for fact, at in zip(facts, nodes, strict=True) if at == node] for node in sorted(set(nodes))]
        databases = [stack.enter_context(opened(share)) for share in shares or [[]]]
        cubes = [Cube.of(definition, each) for each in databases]
        yield SplitCube(Cube.of(definition, whole), cubes, databases, merging, whole)


def split_cube(definition: CubeDefinition, rows: Rows, nodes: Sequence[int]) -> AbstractContextManager[SplitCube]:
    """Split the facts of the generated tables; the other tables are everywhere."""
    return split_over(definition, rows["facts"], nodes, lambda facts: database({**rows, "facts": facts}))


def split_table(
    definition: CubeDefinition,
    columns: Mapping[str, str],
    facts: Sequence[Mapping[str, Any]],
    nodes: Sequence[int],
) -> AbstractContextManager[SplitCube]:
    """Split the rows of the one table of a cube."""

    @contextmanager
    def opened(share: Sequence[Mapping[str, Any]]) -> Iterator[Database]:
        with Database.open(tables=[Table(definition.base, columns=columns)]) as one:
            if share:
                one.commit([Insert(definition.base, share)])
            yield one

    return split_over(definition, facts, nodes, opened)
