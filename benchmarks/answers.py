"""Budgets 13 and 14: a million cells as JSON and as Arrow, and the rows of a cell that are sent while they are read."""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa

from benchmarks.comparison import Case, Target
from benchmarks.facts import Ground
from benchmarks.machine import most_memory_mb, resident_memory_mb
from benchmarks.processes import python, served
from benchmarks.start import HEALTH
from benchmarks.trials import Bound, Figure, Tell

MEASURES = ("quantity", "revenue", "cost", "weight", "delay")
COLUMNS = ("sale", "day", "product", "store", "customer", "quantity", "revenue", "channel")
CELLS = 1_000_000
DRILLED = 1_000_000
ARROW = "application/vnd.apache.arrow.stream"
JSON = "application/json"
PIECE = 1 << 18
TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Received:
    """An answer with the times of its arrival.

    Args:
        first_ms: until its first byte.
        total_ms: until its last.
        body: all of it.
    """

    first_ms: float
    total_ms: float
    body: bytes


def receive(port: int, path: str, document: object, accept: str) -> Received:
    """Ask on a new connection and read the answer as it comes.

    Raises:
        RuntimeError: it is not 200.
    """
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)) as connection:
        body = json.dumps(document)
        started = time.perf_counter()
        connection.request("POST", path, body, {"Accept": accept, "Content-Type": JSON})
        answer = connection.getresponse()
        parts = [answer.read1(PIECE)]
        first_ms = (time.perf_counter() - started) * 1000
        while part := answer.read1(PIECE):
            parts.append(part)
        total_ms = (time.perf_counter() - started) * 1000
        if answer.status != 200:
            raise RuntimeError(f"answered {answer.status}: {b''.join(parts)[:500].decode(errors='replace')}")
        return Received(first_ms, total_ms, b"".join(parts))


@contextlib.contextmanager
def large_answers(ground: Ground) -> Iterator[Sequence[Case]]:
    """Each time about other sales, beside each other on disk, so that little is spent on finding them."""
    rows, drilled = min(CELLS // (len(MEASURES) + 1), ground.rows), min(DRILLED, ground.rows)
    command = python("-m", "benchmarks.subjects.bare_facts", "{port}", str(ground.copied_file()))
    with served(command, HEALTH) as bare:
        sql = f"""SELECT sale, {", ".join(f"sum({name}) AS {name}" for name in MEASURES)} FROM sales
                  WHERE sale BETWEEN ? AND ? GROUP BY sale ORDER BY sale"""
        every = f"SELECT {', '.join(COLUMNS)} FROM sales WHERE sale BETWEEN ? AND ?"

        def ours(accept: str) -> Received:
            where = dict(zip(("from", "to"), _span(ground.rows, rows), strict=True))
            query = {"measures": MEASURES, "levels": ["sale"], "where": {"sale": where}}
            return receive(ground.node.port, "/cubes/facts/query", query, accept)

        def by_hand() -> Received:
            question = {"sql": sql, "parameters": _span(ground.rows, rows)}
            return receive(bare.port, "/cells", question, JSON)

        def drill() -> Received:
            return _drilled(ground, drilled)

        def buffered() -> Received:
            question = {"sql": every, "parameters": _span(ground.rows, drilled)}
            return receive(bare.port, "/arrow", question, ARROW)

        def parsed_ms(body: bytes) -> float:
            started = time.perf_counter()
            table = pa.ipc.open_stream(io.BytesIO(body)).read_all()
            elapsed_ms = (time.perf_counter() - started) * 1000
            if table.num_rows != rows:
                raise RuntimeError(f"{table.num_rows} rows and not {rows}")
            return elapsed_ms

        _expect_equal(json.loads(ours(JSON).body), json.loads(by_hand().body), rows)
        parsed_ms(ours(ARROW).body)
        cells = f"{rows * (len(MEASURES) + 1):,} cells"
        pydantic = {"FastAPI with a pydantic model, as many rows": lambda: by_hand().total_ms}
        scale = DRILLED / drilled
        yield [
            Case("cells", f"{cells} as JSON over HTTP", lambda: ours(JSON).total_ms, pydantic, Target(0.05)),
            Case("cells-arrow", f"{cells} as Arrow over HTTP", lambda: ours(ARROW).total_ms, pydantic, Target(0.02)),
            Case(
                "parse",
                f"{cells} read by a client of Arrow",
                lambda: parsed_ms(ours(ARROW).body),
                target=Target(15, of="ms"),
            ),
            Case(
                "drill",
                "Drillthrough of 1,000,000 rows of 8 columns as Arrow, 5 million rows/s",
                lambda: drill().total_ms * scale,
                {"FastAPI, one piece, raw DuckDB": lambda: buffered().total_ms * scale},
                Target(200, of="ms"),
            ),
            Case(
                "first-byte",
                "… its first byte",
                lambda: drill().first_ms,
                {"FastAPI, one piece, raw DuckDB": lambda: buffered().first_ms},
                Target(0.05),
            ),
        ]


def drillthrough_memory(ground: Ground, trials: int, tell: Tell) -> Sequence[Figure]:
    """How much more memory a node needs at most while it sends the rows of a cell."""
    grown = []
    with ground.fresh_node() as node:
        _drilled(ground, 1000, node.port)
        for trial in range(trials):
            tell(f"drillthrough {trial + 1} of {trials}")
            before_mb = resident_memory_mb(node.pid)
            with most_memory_mb(node.pid) as most_mb:
                _drilled(ground, min(DRILLED, ground.rows), node.port)
            grown.append(most_mb() - before_mb)
    return [Figure("Drillthrough of 1,000,000 rows: more memory of the node", grown, "MB", Bound(150))]


def _drilled(ground: Ground, count: int, port: int | None = None) -> Received:
    where = dict(zip(("from", "to"), _span(ground.rows, count), strict=True))
    document = {"coordinates": {}, "columns": COLUMNS, "where": {"sale": where}}
    return receive(port or ground.node.port, "/cubes/facts/drillthrough", document, ARROW)


def _span(rows: int, count: int) -> list[int]:
    first = random.randint(0, rows - count)
    return [first, first + count - 1]


def _expect_equal(ours: dict[str, list[list[object]]], theirs: list[dict[str, object]], rows: int) -> None:
    """Refuse to compare times of answers that do not have the same shape."""
    if not len(ours["rows"]) == len(theirs) == rows or len(ours["rows"][0]) != len(theirs[0]):
        raise RuntimeError(f"{len(ours['rows'])} and {len(theirs)} rows, and not {rows}")
