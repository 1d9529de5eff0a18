"""What a question to a cube costs over HTTP, against its own SQL in raw DuckDB with the rows fetched.

No question is asked twice, so that no cache of answers can help: each leaves out other days.
"""

from __future__ import annotations

import contextlib
import json
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

import duckdb

from .comparison import Case, Side, Target
from .processes import served
from .start import DATA, READY, SAMPLE
from .wire import KeepAlive, post

BLOCK = 15
WARM_UP = 5
DAYS_ASKED = 25


@dataclass(frozen=True, slots=True)
class Question:
    """A question to the cube of the sample.

    Args:
        name: what ``--only`` calls it.
        title: what it is, for the report.
        measures: what to compute.
        levels: by what.
        target: how much longer it may take than its SQL.
        per_block: how many are asked for one sample.
    """

    name: str
    title: str
    measures: Sequence[str]
    levels: Sequence[str]
    target: Target
    per_block: int

    def about(self, days: Sequence[int]) -> dict[str, object]:
        """Return the body that asks it about some days of every month."""
        return {"measures": self.measures, "levels": self.levels, "where": {"day": list(days)}}


QUESTIONS = (
    Question(
        "cube",
        "Uncached cube query of at least 10 ms, p50 over HTTP",
        ["flights", "planes", "median_arr_delay", "avg_dep_delay", "on_time_pct"],
        ["carrier", "month"],
        Target(1.1),
        BLOCK,
    ),
    Question(
        "small-cube",
        "Uncached cube query of about 1 ms, p50 over HTTP",
        ["flights"],
        ["origin"],
        Target(1.8, binding=False),
        10 * BLOCK,
    ),
)


@contextlib.contextmanager
def cube_queries(questions: Sequence[Question] = QUESTIONS) -> Iterator[Sequence[Case]]:
    """One sample node, and the same files in a DuckDB of this process with its default settings."""
    with served(SAMPLE, READY) as server, KeepAlive(server.port) as node, loaded() as raw:
        yield [_case(question, node, raw) for question in questions]


@contextlib.contextmanager
def loaded() -> Iterator[duckdb.DuckDBPyConnection]:
    """The sample's files as tables of a DuckDB in memory."""
    with duckdb.connect() as connection:
        load(connection)
        yield connection


def load(connection: duckdb.DuckDBPyConnection) -> None:
    """Load every Parquet file of the sample as a table."""
    for path in sorted(DATA.glob("*.parquet")):
        connection.execute(f"CREATE TABLE {path.stem} AS FROM read_parquet('{path}')")


def _case(question: Question, node: KeepAlive, raw: duckdb.DuckDBPyConnection) -> Case:
    sql = _sql(question, node, raw)

    def ours(count: int) -> float:
        return node.p50_ms([post("/cubes/flights/query", question.about(some_days())) for _ in range(count)])

    def theirs(count: int) -> float:
        return median([_query_ms(raw, sql, some_days()) for _ in range(count)])

    ours(WARM_UP), theirs(WARM_UP)
    references: dict[str, Side] = {"the same SQL in raw DuckDB, fetched": lambda: theirs(question.per_block)}
    return Case(question.name, question.title, lambda: ours(question.per_block), references, question.target)


def _sql(question: Question, node: KeepAlive, raw: duckdb.DuckDBPyConnection) -> str:
    """Return the question's SQL, of which only the days are parameters, once both sides agree on the answer."""
    days = some_days()
    told = json.loads(node.post("/cubes/flights/explain", question.about(days)).body)
    sql, parameters = str(told["sql"]), told["parameters"]
    answer = json.loads(node.post("/cubes/flights/query", question.about(days)).body)
    rows = raw.execute(sql, parameters).fetchall()
    if sorted(parameters) != days or [row[0] for row in rows] != [row[0] for row in answer["rows"]]:
        raise RuntimeError(f"{question.name}: the two sides do not compute the same")
    return sql


def some_days() -> list[int]:
    """Return days of a month that were hardly asked together before."""
    return sorted(random.sample(range(1, 32), DAYS_ASKED))


def _query_ms(raw: duckdb.DuckDBPyConnection, sql: str, parameters: Sequence[object]) -> float:
    started = time.perf_counter()
    raw.execute(sql, parameters).fetchall()
    return (time.perf_counter() - started) * 1000
