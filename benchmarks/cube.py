"""What a question to a cube costs over HTTP, against its own SQL in raw DuckDB with the rows fetched.

A question is hardly asked twice, so that no cache of answers can help: each is about other days.
"""

from __future__ import annotations

import contextlib
import json
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median

import duckdb

from benchmarks.comparison import Case, Side, Target
from benchmarks.processes import served
from benchmarks.start import BARE_NODE, DATA, HEALTH, READY, SAMPLE
from benchmarks.wire import KeepAlive, post

QUERY = "/cubes/flights/query"
WARM_UP = 5
NOTHING_KEPT = "--olap.aggregates.min-rows=1000000000"
"""An aggregate would answer without the statement, and it is the way to the statement and back that is measured."""


Filter = dict[str, list[int]]


def most_days() -> Filter:
    """Return 25 days of every month, which were hardly asked for together before."""
    return {"day": sorted(random.sample(range(1, 32), 25))}


def few_days() -> Filter:
    """Return three days of one month: little enough to read for an answer in about a millisecond."""
    return {"month": [random.randint(1, 12)], "day": sorted(random.sample(range(1, 29), 3))}


@dataclass(frozen=True, slots=True)
class Question:
    """A question to the cube of the sample.

    Args:
        name: what ``--only`` calls it.
        title: what it is, for the report.
        measures: what to compute.
        levels: by what.
        where: about what, another each time.
        target: how much longer it may take than its SQL.
        block: how many are asked for one sample.
    """

    name: str
    title: str
    measures: Sequence[str]
    levels: Sequence[str]
    where: Callable[[], Filter]
    target: Target
    block: int

    def about(self, where: Filter) -> dict[str, object]:
        """Return the body that asks it about something."""
        return {"measures": self.measures, "levels": self.levels, "where": where}


QUESTIONS = (
    Question(
        "cube",
        "Uncached cube query near 20 ms (two joins, 1,100 cells), p50 over HTTP",
        ["flights", "on_time_pct", "seat_miles", "avg_dep_delay", "delay_cost"],
        ["dest_name", "month"],
        most_days,
        Target(1.1),
        block=15,
    ),
    Question(
        "fifteen-ms-cube",
        "Uncached cube query near 15 ms (one join, 190 cells), p50 over HTTP",
        ["flights", "avg_dep_delay", "max_dep_delay", "on_time_pct", "cancelled_pct", "distance", "seat_miles"],
        ["carrier", "month"],
        most_days,
        Target(1.1),
        block=25,
    ),
    Question(
        "one-ms-cube",
        "Uncached cube query near 1 ms, p50 over HTTP",
        ["flights"],
        ["origin"],
        few_days,
        Target(1.8, binding=False),
        block=150,
    ),
)


@contextlib.contextmanager
def cube_queries(questions: Sequence[Question] = QUESTIONS) -> Iterator[Sequence[Case]]:
    """The sample node; the same files in a DuckDB of this process, and in one behind a route written by hand."""
    with asked([*SAMPLE, NOTHING_KEPT], READY) as node, asked(BARE_NODE, HEALTH) as bare, loaded() as raw:
        yield [_case(question, node, bare, raw) for question in questions]


@contextlib.contextmanager
def asked(command: Sequence[str], path: str) -> Iterator[KeepAlive]:
    """Start a server and keep one connection to it."""
    with served(command, path) as server, KeepAlive(server.port) as connection:
        yield connection


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


@dataclass(frozen=True, slots=True)
class Statement:
    """The SQL that answers a question, whatever it is about.

    Args:
        sql: the text.
        shape: the parameters as the node binds them: values, or lists of values.
    """

    sql: str
    shape: Sequence[object]

    def about(self, where: Filter) -> dict[str, object]:
        """Return the SQL with its parameters for a question about something."""
        return {"sql": self.sql, "parameters": filled(self.shape, iter(_values(where)))}

    def run(self, raw: duckdb.DuckDBPyConnection, where: Filter) -> list[tuple[object, ...]]:
        """Return the rows that answer the question about something."""
        return raw.execute(self.sql, filled(self.shape, iter(_values(where)))).fetchall()


def filled(shape: Sequence[object], values: Iterator[int]) -> list[object]:
    """Return parameters of the same shape with other values.

    >>> filled([1, [2, 3]], iter([7, 8, 9]))
    [7, [8, 9]]
    """
    return [filled(each, values) if isinstance(each, list) else next(values) for each in shape]


def _case(question: Question, node: KeepAlive, bare: KeepAlive, raw: duckdb.DuckDBPyConnection) -> Case:
    statement = _statement(question, node, raw)

    def ours(count: int) -> float:
        return node.p50_ms([post(QUERY, question.about(question.where())) for _ in range(count)])

    def theirs(count: int) -> float:
        return median([_run_ms(statement, raw, question.where()) for _ in range(count)])

    def by_hand(count: int) -> float:
        return bare.p50_ms([post("/sql", statement.about(question.where())) for _ in range(count)])

    ours(WARM_UP), theirs(WARM_UP), by_hand(WARM_UP)
    references: dict[str, Side] = {
        "the same SQL in raw DuckDB, fetched": lambda: theirs(question.block),
        "the same SQL in a bare FastAPI route": lambda: by_hand(question.block),
    }
    return Case(question.name, question.title, lambda: ours(question.block), references, question.target)


def _statement(question: Question, node: KeepAlive, raw: duckdb.DuckDBPyConnection) -> Statement:
    """Return the question's SQL as the node explains it, once raw DuckDB gives the node's answer with it."""
    where, other = question.where(), question.where()
    told = json.loads(node.post("/cubes/flights/explain", question.about(where)).body)
    statement = Statement(told["sql"], told["parameters"])
    answer = json.loads(node.post(QUERY, question.about(other)).body)
    same_parameters = filled(statement.shape, iter(_values(where))) == told["parameters"]
    if not (same_parameters and _same(statement.run(raw, other), answer["rows"])):
        raise RuntimeError(f"{question.name}: the two sides do not compute the same")
    return statement


def _same(rows: Sequence[Sequence[object]], others: Sequence[Sequence[object]]) -> bool:
    """Whether members and counts are equal; the last digits of a sum of floats are nobody's."""
    cells = (list(zip(*each, strict=True)) for each in zip(rows, others, strict=False))
    exact = all(a == b for row in cells for a, b in row if not isinstance(a, float))
    return len(rows) == len(others) and exact


def _values(where: Filter) -> list[int]:
    return [value for values in where.values() for value in values]


def _run_ms(statement: Statement, raw: duckdb.DuckDBPyConnection, where: Filter) -> float:
    started = time.perf_counter()
    statement.run(raw, where)
    return (time.perf_counter() - started) * 1000
