"""Budgets 5 and 6: questions that are answered before DuckDB, in this process and over HTTP."""

from __future__ import annotations

import contextlib
import json
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import repeat
from statistics import median

from app_framework.database.rows import ArrowTable
from app_framework.olap import Cube, CubeQuery, QueryPlan
from app_framework.olap.measure import AggregateMeasure
from app_framework.olap.sql import write_sql
from app_framework.olap.tiles import Tile, build_tile
from benchmarks.comparison import Case, Target
from benchmarks.concurrency import CLIENTS, all_at_once
from benchmarks.facts import Ground
from benchmarks.wire import KeepAlive, post

QUERY = "/cubes/covered/query"
EXPLAIN = "/cubes/covered/explain"
FACTS = "/cubes/facts/query"
NO_TILES = "--olap.aggregates.tile-memory=0"
SMALL = ("category", "year", "channel", "carrier")
LARGE = ("category", "country", "year", "month")
MEASURES = ["lines", "quantity", "revenue"]
CHANNELS = ["partner", "phone", "shop", "web"]
YEARS = [2021, 2022, 2023, 2024]
BLOCK = 60
FACTS_BLOCK = 5
CLIENTS_EACH = 25
WARM_UP = 60
CELLS_MAX, BYTES_MAX = 250_000, 64 * 1024 * 1024
COVERED_WITHIN_S = 60.0
LOOK_AGAIN_S = 0.05


@contextlib.contextmanager
def tiles(ground: Ground) -> Iterator[Sequence[Case]]:
    """Two tiles of this process; a node that was asked until it keeps what answers the questions.

    Raises:
        RuntimeError: it does not keep that in time.
    """
    small, large = (_tile(ground, levels) for levels in (SMALL, LARGE))

    def compute_ms(tile: Tile, level: str) -> float:
        return median([_answer_ms(ground.cube, tile, level) for _ in range(BLOCK)])

    compute_ms(small, "channel"), compute_ms(large, "country")
    with contextlib.ExitStack() as stack:
        connection = stack.enter_context(KeepAlive(ground.node.port))
        without = stack.enter_context(KeepAlive(stack.enter_context(ground.fresh_node(NO_TILES)).port))
        until_answered_by(connection, "tile", covered_question)
        until_answered_by(without, "Scan aggregate", covered_question)
        same = post(QUERY, covered_question())
        yield [
            Case(
                "tile",
                f"A question to a tile of {small.cells:,} cells, in process, p50",
                lambda: compute_ms(small, "channel"),
                target=Target(0.1, of="ms"),
            ),
            Case(
                "large-tile",
                f"A question to a tile of {large.cells:,} cells, in process, p50",
                lambda: compute_ms(large, "country"),
                target=Target(1, of="ms"),
            ),
            Case(
                "covered",
                "Uncached query that a tile answers, p50 over HTTP",
                lambda: connection.p50_ms([_request() for _ in range(BLOCK)]),
                {
                    "a kept answer": lambda: connection.p50_ms(repeat(same, BLOCK)),
                    "the same from an aggregate": lambda: without.p50_ms([_request() for _ in range(BLOCK)]),
                    "the same from the facts": lambda: connection.p50_ms([_request(FACTS) for _ in range(FACTS_BLOCK)]),
                },
                Target(2.0),
            ),
            Case(
                "covered-clients",
                f"{CLIENTS} clients, uncached queries that a tile answers, time for each (the inverse of req/s)",
                all_at_once(stack, ground.node.port, _request, CLIENTS_EACH),
                {"from an aggregate": all_at_once(stack, without.peer_port, _request, CLIENTS_EACH)},
                Target(0.1),
            ),
        ]


def _request(path: str = QUERY) -> bytes:
    return post(path, covered_question())


def covered_question() -> Mapping[str, object]:
    """Return a question that was hardly asked before, over few levels."""
    where = {"month": sorted(random.sample(range(1, 13), 6)), "channel": sorted(random.sample(CHANNELS, 2))}
    return {"measures": MEASURES, "levels": ["region", "year"], "where": where}


def until_answered_by(connection: KeepAlive, what: str, question: Callable[[], Mapping[str, object]]) -> None:
    """Ask a node until it keeps what answers the questions.

    Args:
        connection: to the node.
        what: a word that is in the plan, or a field of how it is explained.
        question: makes them.

    Raises:
        RuntimeError: it does not in time.
    """
    deadline = time.monotonic() + COVERED_WITHIN_S
    while time.monotonic() < deadline:
        connection.p50_ms([post(QUERY, question()) for _ in range(WARM_UP)])
        told = json.loads(connection.post(EXPLAIN, question()).body)
        if what in told or what in told["plan"]:
            return
        time.sleep(LOOK_AGAIN_S)
    raise RuntimeError(f"nothing of the cube `covered` is answered by {what!r}, such as {question()}")


def _tile(ground: Ground, levels: Sequence[str]) -> Tile:
    def read(plan: QueryPlan) -> ArrowTable:
        statement = write_sql(plan)
        return ground.database.submit_job(lambda cursor: cursor.arrow(statement.text, statement.parameters)).result()

    cube = ground.cube
    found = [cube.plan(CubeQuery(measures=["lines"], levels=[level])).keys[0].level for level in levels]
    wanted = [cube.model.measures[name] for name in MEASURES]
    tile = build_tile(
        cube.model,
        found,
        [each for each in wanted if isinstance(each, AggregateMeasure)],
        read,
        cells_max=CELLS_MAX,
        bytes_max=BYTES_MAX,
    )
    if tile is None:
        raise RuntimeError(f"no tile has the levels {levels}")
    return tile


def _answer_ms(cube: Cube, tile: Tile, level: str) -> float:
    plan = cube.plan(CubeQuery(measures=MEASURES, levels=[level], where={"year": random.sample(YEARS, 2)}))
    started = time.perf_counter()
    answer = tile.answer(plan)
    elapsed_ms = (time.perf_counter() - started) * 1000
    if answer is None:
        raise RuntimeError(f"{tile} does not answer {plan}")
    return elapsed_ms
