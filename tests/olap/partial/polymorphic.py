"""Applications that do not know the same levels, under one model, asked as nodes are; and what plain Python finds.

`Oracle` shares nothing with the merger: it puts each row at every cell that it belongs to, and adds up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import product
from statistics import median
from typing import Any

import pyarrow as pa

from app_framework.database import Database, Insert, Table
from app_framework.olap import CellSet, Cube, CubeDefinition, CubeModel, CubeQuery
from app_framework.olap.dimension import Hierarchy
from app_framework.olap.partial import (
    ApplicationPart,
    CellMerger,
    Knowledge,
    PartialAnswer,
    PartialAnswerer,
    PartialFrame,
    PartialQuestion,
    Replication,
    project,
    resolve_defaults,
    split,
)
from app_framework.olap.plan import plan_query

Row = Mapping[str, Any]
Cells = dict[tuple[Any, ...], dict[str, Any]]
COLUMNS = {
    "product": "varchar", "year": "integer", "month": "integer", "scenario": "varchar", "region": "varchar",
    "amount": "bigint", "budget": "decimal(12,2)", "word": "varchar", "pnl": "double[]",
}  # fmt: skip
DIMENSIONS: dict[str, Any] = {
    "Product": {"levels": {"product": "product"}},
    "Time": {"levels": {"year": "year", "month": "month"}},
    "Scenario": {"levels": {"scenario": "scenario"}, "slicing": True},
    "Region": {"levels": {"region": "region"}},
}
MEASURES: dict[str, Any] = {
    "rows": {"count": "*"},
    "amount": {"sum": "amount"},
    "budget": {"sum": "budget"},
    "words": {"count_distinct": "word"},
    "last_word": {"max": "word"},
    "middle": {"median": "amount"},
    "pnl": {"sum": "pnl"},
    "mean_pnl": {"avg": "pnl"},
    "left": {"formula": "budget - amount"},
    "share": {"share": "amount", "hierarchy": "Product"},
    "first_year": {"filter": "amount", "where": {"year": 2023}},
}


@dataclass(frozen=True)
class Part:
    """An application: what it knows, and the rows of each of its nodes."""

    levels: tuple[str, ...]
    measures: tuple[str, ...]
    nodes: Sequence[Sequence[Row]]

    @property
    def rows(self) -> list[Row]:
        return [row for node in self.nodes for row in node]

    @property
    def definition(self) -> CubeDefinition:
        dimensions = {
            name: {**told, "levels": {n: sql for n, sql in told["levels"].items() if n in self.levels}}
            for name, told in DIMENSIONS.items()
            if set(told["levels"]) & set(self.levels)
        }
        measures = {name: MEASURES[name] for name in self.measures}
        return CubeDefinition.of("world", base="facts", dimensions=dimensions, measures=measures)


class World:
    """A query over all applications."""

    def __init__(self, parts: Sequence[Part], replication: Replication, stack: ExitStack) -> None:
        self.parts, self.replication = parts, replication
        definition = CubeDefinition.of("world", base="facts", dimensions=DIMENSIONS, measures=MEASURES)
        database = stack.enter_context(opened([]))
        self.model = Cube.of(definition, database).model
        self.merger = CellMerger(self.model, database)
        self.answerers = [[_answerer(part, rows, stack) for rows in part.nodes] for part in parts]
        self.members = {h.full_name: self._paths(h) for h in self.model.hierarchies}

    def query(self, **question: Any) -> CellSet:
        return asyncio.run(self._query(CubeQuery(**question)))

    async def _query(self, query: CubeQuery) -> CellSet:
        plan = resolve_defaults(plan_query(self.model, query), lambda level: self._default(self._hierarchy(level)))
        asked = split(plan)
        gathered = []
        for part, answerers in zip(self.parts, self.answerers, strict=True):
            knowledge = Knowledge(
                frozenset(level.full_name for level in self.model.levels if level.name in part.levels),
                frozenset(part.measures),
                self.replication,
            )
            frames = project(asked, self.model, knowledge, self._default)
            tables = [await _asked(answerer, frames) for answerer in answerers]
            by_frame = tuple(tuple(t for t in frame if t is not None) for frame in zip(*tables, strict=True))
            gathered.append(
                ApplicationPart("app", knowledge.levels, knowledge.measures, by_frame, self.replication, self.members)
            )
        return await self.merger.cells(asked, gathered, query)

    def _hierarchy(self, level: Any) -> Hierarchy:
        return self.model.hierarchy_of(level)

    def _default(self, hierarchy: Hierarchy) -> object:
        first = self.members[hierarchy.full_name].column(0).drop_null().to_pylist()
        return min(first, default=None)

    def _paths(self, hierarchy: Hierarchy) -> pa.Table:
        names = [level.full_name for level in hierarchy.levels]
        frame = PartialFrame(tuple(names))
        tables = [
            table
            for part, answerers in zip(self.parts, self.answerers, strict=True)
            if all(level.name in part.levels for level in hierarchy.levels)
            for answerer in answerers
            for table in asyncio.run(_asked(answerer, (frame,)))
            if table is not None
        ]
        if not tables:
            return pa.table({name: pa.array([], pa.string()) for name in names})
        return pa.concat_tables(tables).group_by(names).aggregate([])


def model_of(world: World) -> CubeModel:
    return world.model


@contextmanager
def world_of(parts: Sequence[Part], replication: Replication = "on-slicer") -> Iterator[World]:
    """Open every node of every application."""
    with ExitStack() as stack:
        yield World(parts, replication, stack)


@contextmanager
def opened(rows: Sequence[Row]) -> Iterator[Database]:
    with Database.open(tables=[Table("facts", columns=COLUMNS)]) as database:
        if rows:
            database.commit([Insert("facts", rows)])
        yield database


def _answerer(part: Part, rows: Sequence[Row], stack: ExitStack) -> PartialAnswerer:
    database = stack.enter_context(opened(rows))
    return PartialAnswerer(Cube.of(part.definition, database).model, database)


async def _asked(answerer: PartialAnswerer, frames: Sequence[PartialFrame | None]) -> list[pa.Table | None]:
    question = PartialQuestion(tuple(frame for frame in frames if frame is not None))
    answer = await answerer.answer(PartialQuestion.parse(question.to_bytes()))
    tables = iter(PartialAnswer.read(answer.chunks()).tables)
    return [None if frame is None else next(tables) for frame in frames]


class Oracle:
    """Puts each row of an application at every cell that it belongs to; slow and obvious."""

    def __init__(self, parts: Sequence[Part], replication: Replication) -> None:
        self.parts, self.replication = parts, replication
        self.paths = {
            name: {
                tuple(row[level] for level in told["levels"])
                for part in parts
                if set(told["levels"]) <= set(part.levels)
                for row in part.rows
            }
            for name, told in DIMENSIONS.items()
        }

    def cells(self, measures: Sequence[str], levels: Sequence[str], where: Mapping[str, Sequence[Any]]) -> Cells:
        """Return the cells of a question without totals."""
        where = dict(where)
        if "scenario" not in levels and "scenario" not in where:
            where["scenario"] = [self.default("Scenario")]
        cells: dict[tuple[Any, ...], list[tuple[Part, Row]]] = {} if levels else {(): []}
        for part in self.parts:
            if not set(measures) & set(part.measures):
                continue
            for row in part.rows:
                for coordinates in self._places(part, row, levels, where):
                    cells.setdefault(coordinates, []).append((part, row))
        return {
            at: {name: _number(name, [row for part, row in rows if name in part.measures]) for name in measures}
            for at, rows in cells.items()
        }

    def default(self, hierarchy: str) -> Any:
        return min((path[0] for path in self.paths[hierarchy] if path[0] is not None), default=None)

    def _places(
        self, part: Part, row: Row, levels: Sequence[str], where: Mapping[str, Sequence[Any]]
    ) -> Iterator[tuple[Any, ...]]:
        """Yield the coordinates at which a row counts."""
        choices: list[list[dict[str, Any]]] = []
        for name, told in DIMENSIONS.items():
            own, shown = [*told["levels"]], [level for level in levels if level in told["levels"]]
            unknown = [level for level in shown if level not in part.levels]
            for level in own:
                if level not in where:
                    continue
                if level in part.levels:
                    if row[level] not in where[level]:
                        return
                elif not self._repeats(name) and not (
                    told.get("slicing") and level == own[0] and self.default(name) in where[level]
                ):
                    return
            if not unknown:
                choices.append([{level: row[level] for level in shown}])
                continue
            if not self._repeats(name) and not told.get("slicing"):
                return
            paths = [dict(zip(own, path, strict=True)) for path in self.paths[name]]
            paths = [p for p in paths if all(p[level] in where[level] for level in own if level in where)]
            if not self._repeats(name):
                paths = [p for p in paths if p[own[0]] == self.default(name)]
            known = [level for level in shown if level in part.levels]
            paths = [p for p in paths if all(p[level] == row[level] for level in known)]
            choices.append([dict(p) for p in {tuple((level, p[level]) for level in shown) for p in paths}])
        for chosen in product(*choices):
            place = {level: member for one in chosen for level, member in one.items()}
            yield tuple(place[level] for level in levels)

    def _repeats(self, hierarchy: str) -> bool:
        slicing = bool(DIMENSIONS[hierarchy].get("slicing"))
        return self.replication == "always" or (self.replication == "on-slicer" and slicing)


def _number(name: str, rows: Sequence[Row]) -> Any:
    if name == "rows":
        return len(rows)
    columns = {"words": "word", "last_word": "word", "middle": "amount", "mean_pnl": "pnl"}
    there = [row[column] for row in rows if row.get(column := columns.get(name, name)) is not None]
    if name == "words":
        return len(set(there))
    if not there:
        return None
    if name in ("pnl", "mean_pnl"):
        sums = [sum(elements) for elements in zip(*there, strict=True)]
        return sums if name == "pnl" else [total / len(there) for total in sums]
    if name == "middle":
        return float(median(there))
    return max(there) if name == "last_word" else sum(there)
