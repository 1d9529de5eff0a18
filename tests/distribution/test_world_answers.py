"""AA1: a question planned on the world, answered by data cubes and merged in the world, is what one cube answers.

Beside `tests/olap/partial` nothing here knows the tables: names, types, orders and formulas have travelled as outlines.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import Any

from hypothesis import given, settings

from app_framework.distribution import Outline, World, outline_of
from app_framework.olap import Cube, CubeDefinition, CubeQuery
from app_framework.olap.partial import (
    ApplicationPart,
    CellMerger,
    PartialAnswer,
    PartialAnswerer,
    PartialQuestion,
    split,
)
from app_framework.olap.plan import plan_query
from tests.olap import test_calculations_oracle as calculations
from tests.olap import test_cube_oracle as plain
from tests.olap.partial.test_split_equals_whole import QUESTIONS, splits


class Distributed:
    """One cube with all rows, and the same divided over several, whose outlines made a world."""

    def __init__(self, whole: Cube, parts: list[PartialAnswerer], world: World) -> None:
        self.whole = whole
        self._parts = parts
        self._world = world
        self._merger = CellMerger(world.model, world.database)

    async def query(self, query: CubeQuery) -> Any:
        asked = split(plan_query(self._world.model, query))
        question = PartialQuestion.parse(PartialQuestion(asked.asked).to_bytes())
        answers = [PartialAnswer.read((await part.answer(question)).chunks()) for part in self._parts]
        tables = tuple(zip(*(answer.tables for answer in answers), strict=True))
        outline = self._world.applications["app"]
        part = ApplicationPart("app", frozenset(outline.levels), frozenset(outline.measure), tables)
        return await self._merger.cells(asked, [part], query)


@contextmanager
def distributed(definition: CubeDefinition, rows: dict[str, Any], nodes: list[int]) -> Iterator[Distributed]:
    """Give each fact to the node whose number stands at its place; the other tables are everywhere."""
    with ExitStack() as opened:
        databases = [opened.enter_context(plain.database(rows))]
        for node in sorted(set(nodes)) or [0]:
            own = [row for row, at in zip(rows["facts"], nodes, strict=True) if at == node]
            databases.append(opened.enter_context(plain.database({**rows, "facts": own})))
        whole, *cubes = (Cube.of(definition, each) for each in databases)
        outlines = [Outline.parse(json.loads(json.dumps(outline_of(cube.model).to_json()))) for cube in cubes]
        assert all(outline == outlines[0] for outline in outlines)
        world = opened.enter_context(closing(World.of(definition.name, {"app": outlines[0]})))
        parts = [PartialAnswerer(cube.model, each) for cube, each in zip(cubes, databases[1:], strict=True)]
        yield Distributed(whole, parts, world)


@settings(max_examples=6)
@given(splits(), QUESTIONS)
def test_what_a_query_cube_answers_is_what_one_cube_would(
    divided: tuple[dict[str, Any], list[int]], asked: list[dict[str, Any]]
) -> None:
    """Every measure kind and calculation, with filters, totals, order, limit and nulls; equal columns and problems."""
    rows, nodes = divided
    with distributed(calculations.WITH_CALCULATIONS, rows, nodes) as cubes:
        for question in asked:
            query = CubeQuery.parse(question)
            if cubes.whole.check(query):
                continue
            whole, merged = cubes.whole.query_sync(query), asyncio.run(cubes.query(query))
            assert merged.columns == whole.columns, question
            assert merged.grouping == whole.grouping, question
            assert len(merged) == len(whole), question
            assert all(map(plain.same, merged.rows, whole.rows)), (question, merged, whole)
