"""What it costs to make one answer of what four nodes sent, without the nodes and without the network."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import pyarrow as pa

from app_framework.database import Database
from app_framework.olap import CellSet, Cube, CubeQuery
from app_framework.olap.partial import (
    ApplicationPart,
    CellMerger,
    PartialAnswer,
    PartialAnswerer,
    PartialQuestion,
    Split,
    split,
)
from app_framework.olap.plan import plan_query
from benchmarks.comparison import Case, Side, Target
from benchmarks.distribution import compare
from benchmarks.facts import CUSTOMERS, Ground
from benchmarks.messaging import LoopThread

CHANNELS = ("web", "shop", "phone", "partner")
"""A node has the facts of one of them."""
BLOCK = 15

SUMS: Mapping[str, object] = {"measures": ["lines", "quantity", "revenue", "mean_discount"], "levels": ["product"]}
DISTINCT: Mapping[str, object] = {"measures": ["customers"], "levels": ["carrier", "priority"]}


@dataclass(frozen=True, slots=True)
class Merging:
    """A question, and what four nodes sent to it.

    Args:
        merger: makes one answer of that.
        query: the question.
        asked: what of it was asked of nodes.
        chunks: what each of them sent, as it travelled.
    """

    merger: CellMerger
    query: CubeQuery
    asked: Split
    chunks: Sequence[Sequence[bytes]]

    async def cells(self) -> CellSet:
        """Read what was sent, and merge it."""
        return await self.merger.cells(self.asked, [self.part()], self.query)

    async def merging_ms(self) -> float:
        """Merge some times; return the median of what the merger says that it took."""
        part = self.part()
        return median(
            [(await self.merger.cells(self.asked, [part], self.query)).elapsed_ms for _ in range(BLOCK)],
        )

    def reading_ms(self) -> float:
        """Return the median of how long it takes to read what was sent."""
        taken = []
        for _ in range(BLOCK):
            started = time.perf_counter()
            self.part()
            taken.append(time.perf_counter() - started)
        return median(taken) * 1000

    def bare_ms(self) -> float:
        """Return the median of how long Arrow takes to add the columns up, whatever they mean."""
        (sent,) = self.part().tables
        keys = [name for name in sent[0].column_names if name in self.asked.asked[0].levels]
        sums = [(name, "sum") for name in sent[0].column_names if name not in keys]
        taken = []
        for _ in range(BLOCK):
            started = time.perf_counter()
            pa.concat_tables(sent).group_by(keys, use_threads=False).aggregate(sums)
            taken.append(time.perf_counter() - started)
        return median(taken) * 1000

    def part(self) -> ApplicationPart:
        """Return what was sent as the merger wants it."""
        answers = [PartialAnswer.read(chunks) for chunks in self.chunks]
        knows = frozenset(name for frame in self.asked.asked for name in frame.levels)
        tables = tuple(zip(*(answer.tables for answer in answers), strict=True))
        return ApplicationPart("facts", knows, frozenset(self.query.measures), tables)


@contextlib.contextmanager
def merges(ground: Ground) -> Iterator[Sequence[Case]]:
    """The parts are those of all facts, a channel for each node; what they make is compared with the whole."""
    with contextlib.ExitStack() as stack:
        loop = stack.enter_context(contextlib.closing(LoopThread()))
        merger = CellMerger(ground.cube.model, stack.enter_context(Database.open()))
        sums, distinct = (
            loop.run(_gathered(merger, ground.cube, ground.database, question)) for question in (SUMS, DISTINCT)
        )
        for merging in (sums, distinct):
            compare("merged parts", loop.run(merging.cells()), ground.cube.query_sync(merging.query))
        yield [
            Case(
                "merge",
                "Merge of four partial answers of 1,000 products, 4 measures",
                _merging(loop, sums),
                {"Arrow adds up their columns": sums.bare_ms, "Arrow reads them from bytes": sums.reading_ms},
                Target(1.0, of="ms"),
            ),
            Case(
                "merge-distinct",
                f"Merge of exact distinct counts of four nodes, 35 groups of {CUSTOMERS:,} customers",
                _merging(loop, distinct),
                {"Arrow reads them from bytes": distinct.reading_ms},
                Target(5.0, of="ms"),
            ),
        ]


def _merging(loop: LoopThread, merging: Merging) -> Side:
    return lambda: loop.run(merging.merging_ms())


async def _gathered(merger: CellMerger, cube: Cube, database: Database, question: Mapping[str, object]) -> Merging:
    """Ask a node for each channel."""
    answerer = PartialAnswerer(cube.model, database)
    chunks = []
    for channel in CHANNELS:
        own = CubeQuery(**question, where={"channel": channel})  # type: ignore[arg-type]
        asked = PartialQuestion(split(plan_query(cube.model, own)).asked)
        chunks.append(list((await answerer.answer(asked)).chunks()))
    query = CubeQuery(**question)  # type: ignore[arg-type]
    return Merging(merger, query, split(plan_query(cube.model, query)), chunks)
