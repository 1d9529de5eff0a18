"""A cube split over several databases, asked through messages as nodes are: what `test_split_equals_whole` compares."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from app_framework.database import Database
from app_framework.olap import CellSet, Cube, CubeDefinition, CubeQuery
from app_framework.olap.partial import (
    ApplicationPart,
    CellMerger,
    PartialAnswer,
    PartialAnswerer,
    PartialQuestion,
    resolve_defaults,
    split,
)
from app_framework.olap.plan import plan_query
from tests.olap.test_cube_oracle import database

Rows = Mapping[str, Sequence[Mapping[str, Any]]]


class SplitCube:
    """Answers for several nodes, each with some of the facts; what passes between them is bytes."""

    def __init__(self, whole: Cube, nodes: Sequence[Cube], databases: Sequence[Database], merging: Database) -> None:
        self.whole = whole
        self.answerers = [PartialAnswerer(n.model, d) for n, d in zip(nodes, databases, strict=True)]
        self.merger = CellMerger(whole.model, merging)

    async def query(self, query: CubeQuery) -> CellSet:
        plan = resolve_defaults(plan_query(self.whole.model, query), lambda level: None)
        asked = split(plan)
        sent = PartialQuestion(asked.asked).to_bytes()
        answers = []
        for answerer in self.answerers:
            answer = await answerer.answer(PartialQuestion.parse(sent))
            answers.append(PartialAnswer.read(answer.chunks()))
        tables = tuple(zip(*(answer.tables for answer in answers), strict=True))
        everything = frozenset(level.full_name for level in self.whole.model.levels)
        measures = frozenset(self.whole.model.measures)
        part = ApplicationPart("app", everything, measures, tables)
        return await self.merger.cells(asked, [part], query)


@contextmanager
def split_cube(
    definition: CubeDefinition, rows: Rows, nodes: Sequence[int], base: str = "facts"
) -> Iterator[SplitCube]:
    """Give each row of the base table to the node whose number stands at its place; the other tables are everywhere."""
    with ExitStack() as opened:
        whole = opened.enter_context(database(rows))
        databases = []
        for node in sorted(set(nodes)) or [0]:
            own = [row for row, at in zip(rows["facts"], nodes, strict=True) if at == node]
            databases.append(opened.enter_context(database({**rows, "facts": own})))
        cubes = [Cube.of(definition, each) for each in databases]
        merging = opened.enter_context(database({name: [] for name in rows}))
        yield SplitCube(Cube.of(definition, whole), cubes, databases, merging)
