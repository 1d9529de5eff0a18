"""Budgets 7 to 10: what a cube keeps because of what it was asked, what that gains, and what it costs a commit."""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import geometric_mean, median

import pyarrow as pa

from app_framework.database import Database, Insert
from app_framework.olap import Cube, CubeQuery
from app_framework.olap.aggregate_limits import AggregateLimits
from benchmarks.facts import Ground
from benchmarks.trials import Bound, Figure, Tell

QUESTIONS = 150
BATCH_ROWS = 10_000
COMMITS = 5
NEVER = 1_000_000
"""After so many questions the cube would choose by itself; here it is told when."""


DIMENSIONS: Sequence[Sequence[Sequence[str]]] = (
    (["year"], ["year", "month"]),
    (["department"], ["department", "category"]),
    (["region"], ["region", "country"]),
    (["segment"],),
    (["channel"],),
)
"""The levels of five dimensions, from coarse to fine: what a reader moves about in."""

MEMBERS: Mapping[str, Sequence[object]] = {
    "year": [2021, 2022, 2023, 2024],
    "month": list(range(1, 13)),
    "region": [f"region {number}" for number in range(5)],
    "country": [f"country {number:02d}" for number in range(25)],
    "department": [f"department {number:02d}" for number in range(12)],
    "segment": ["household", "office", "school", "trade", "travel"],
    "channel": ["web", "shop", "phone", "partner"],
}
KEPT = (
    "year month channel",
    "region year",
    "category",
    "country channel",
    "segment year",
    "department region",
    "channel segment",
    "year department",
)
"""The levels of the aggregates that are brought along with a commit."""

MEASURES = ("lines", "quantity", "revenue", "cost", "mean_discount", "largest", "margin")


def workload(chance: random.Random, count: int) -> list[CubeQuery]:
    """Return questions of a reader who turns a pivot about: up to three dimensions, up to two filters."""
    return [_question(chance) for _ in range(count)]


def _question(chance: random.Random) -> CubeQuery:
    dimensions = chance.sample(DIMENSIONS, chance.randint(1, 3))
    levels = [level for dimension in dimensions for level in chance.choice(dimension)]
    filtered = chance.sample(sorted(MEMBERS), chance.randint(0, 2))
    where = {level: chance.sample(MEMBERS[level], 2) for level in filtered}
    return CubeQuery(measures=chance.sample(MEASURES, chance.randint(1, 4)), levels=levels, where=where)


@dataclass(frozen=True, slots=True)
class Asked:
    """What came of a workload.

    Args:
        times_ms: of each question.
        rows: each answer.
    """

    times_ms: Sequence[float]
    rows: Sequence[Sequence[Sequence[object]]]


def kept_aggregates(ground: Ground, trials: int, tell: Tell) -> Sequence[Figure]:
    """Each trial on a database of its own, with a workload of its own."""
    tried = []
    for trial in range(trials):
        tell(f"aggregates, {trial + 1} of {trials}")
        with ground.fresh_database() as database:
            tried.append(_trial(ground, database, random.Random(trial)))
    return [
        Figure(first.title, [value for figure in same for value in figure.values], first.unit, first.bound)
        for same in zip(*tried, strict=True)
        for first in same[:1]
    ]


def _trial(ground: Ground, database: Database, chance: random.Random) -> Sequence[Figure]:
    cubes = ground.cubes_of(database, AggregateLimits(questions=NEVER))
    plain, covered = cubes["facts"], cubes["covered"]
    batch = _batch(ground)
    questions = workload(chance, QUESTIONS)
    before = _ask(covered, questions)
    advice = covered.aggregates.choose().result()
    rows = sum(choice.rows for choice in advice.choices)
    after = _ask(covered, questions)
    routed = sum(_is_routed(covered, question) for question in questions)
    gain = geometric_mean([new / old for new, old in zip(after.times_ms, before.times_ms, strict=True)])
    wrong = sum(not _equal(*pair) for pair in zip(after.rows, before.rows, strict=True))

    refreshed, computed = [], []
    for number in range(COMMITS):
        database.commit([Insert("sales", batch)])
        question = next(filter(partial(_is_routed, covered), questions[number:]), questions[number])
        refreshed += _times(1, partial(covered.query_sync, question))
        computed += _times(1, partial(plain.query_sync, question))
        wrong += not _equal(covered.query_sync(question).rows, plain.query_sync(question).rows)

    upheld = ground.cubes_of(database, AggregateLimits(questions=NEVER))["covered"]
    upheld.aggregates.build(*(upheld.aggregates.shape(levels.split()) for levels in KEPT)).result()
    alone, along = [], []
    for _ in range(COMMITS):
        alone += _times(1, lambda: database.commit([Insert("sales", batch)]))
        upheld.aggregates.advance().result()
        along += _times(1, lambda: _commit_and_advance(database, upheld, batch))
    return [
        Figure(
            f"Aggregates by the advisor for {QUESTIONS} questions: rows more", [100 * rows / ground.rows], "%", Bound(5)
        ),
        Figure("… questions that still read the facts", [100 * (1 - routed / QUESTIONS)], "%", Bound(20)),
        Figure("… time of a question by that without, geometric mean", [gain], "x", Bound(0.083, noisy=True)),
        Figure("… answers that differ (floats by 1e-9)", [wrong], "", Bound(0, most=0)),
        Figure(
            f"Question after a commit of {BATCH_ROWS:,} rows, from what was kept, by the time without",
            [median(refreshed) / median(computed)],
            "x",
            Bound(0.1, noisy=True),
        ),
        Figure(
            f"Commit of {BATCH_ROWS:,} rows with {len(KEPT)} aggregates brought along, by the commit alone",
            [median(along) / median(alone)],
            "x",
            Bound(2.5, noisy=True),
        ),
    ]


def _ask(cube: Cube, questions: Sequence[CubeQuery]) -> Asked:
    times, rows = [], []
    for question in questions:
        started = time.perf_counter()
        answer = cube.query_sync(question)
        times.append((time.perf_counter() - started) * 1000)
        rows.append(answer.rows)
    return Asked(times, rows)


def _is_routed(cube: Cube, question: CubeQuery) -> bool:
    return "Scan sales" not in str(asyncio.run(cube.explain(question))["plan"])


def _equal(rows: Sequence[Sequence[object]], others: Sequence[Sequence[object]]) -> bool:
    return len(rows) == len(others) and all(
        math.isclose(a, b, rel_tol=1e-9) if isinstance(a, float) and isinstance(b, float) else a == b
        for row, other in zip(rows, others, strict=True)
        for a, b in zip(row, other, strict=True)
    )


def _commit_and_advance(database: Database, cube: Cube, batch: pa.Table) -> None:
    database.commit([Insert("sales", batch)])
    cube.aggregates.advance().result()


def _times(count: int, job: Callable[[], object]) -> list[float]:
    took = []
    for _ in range(count):
        started = time.perf_counter()
        job()
        took.append((time.perf_counter() - started) * 1000)
    return took


def _batch(ground: Ground) -> pa.Table:
    """Return facts that are there already, once more."""
    with contextlib.closing(ground.raw.cursor()) as cursor:
        return cursor.sql(f"FROM read_parquet('{ground.files}/sales.parquet') LIMIT {BATCH_ROWS}").to_arrow_table()
