"""Budget 18: rows on their way in, against the loop that everybody writes first."""

from __future__ import annotations

import contextlib
import io
import json
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path
from statistics import median

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from app_framework.database import Database, Insert
from benchmarks.answers import JSON
from benchmarks.comparison import Case, Target
from benchmarks.facts import Ground, Model
from benchmarks.processes import af, served
from benchmarks.start import READY
from benchmarks.wire import KeepAlive, post_bytes

JSON_ROWS = 10_000
LOOP_ROWS = 100
PARQUET_ROWS = 250_000
WIDE_COLUMNS = 16
COMMIT_ROWS = 1_000
COMMITS = 20

WIDE = ", ".join(f"c{place}: {'bigint' if place % 2 else 'double'}" for place in range(WIDE_COLUMNS))
MODEL = f"""\
app: {{name: ingest}}
server: {{max-body-size: 1GB}}
database:
  path: ingest.duckdb
  versions: {{keep: 2}}
  tables:
    events: {{columns: {{id: bigint, moment: timestamp, kind: text, city: text, amount: int, price: double}}}}
    wide: {{columns: {{{WIDE}}}}}
schemas:
  Ingest:
    base: events
    cubes:
      events: {{dimensions: {{Kind: [kind]}}, measures: {{lines: {{count: "*"}}, amount: {{sum: amount}}}}}}
"""
DDL = "CREATE TABLE events (id BIGINT, moment TIMESTAMP, kind TEXT, city TEXT, amount INT, price DOUBLE)"


def rows(many: int) -> list[dict[str, object]]:
    """Return rows as a program holds them."""
    return [
        {
            "id": number,
            "moment": "2025-01-01T00:00:00",
            "kind": f"kind {number % 7}",
            "city": f"city {number % 100}",
            "amount": number % 50,
            "price": number / 8,
        }
        for number in range(many)
    ]


@contextlib.contextmanager
def ingestion(_: Ground) -> Iterator[Sequence[Case]]:
    """A node, a database of this process and raw DuckDB, each with a file of its own and nothing in it at first."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="benchmark-ingest-")))
        port = stack.enter_context(_node(folder / "node"))
        connection = stack.enter_context(KeepAlive(port))
        database = stack.enter_context(_database(folder / "process"))
        raw = stack.enter_context(duckdb.connect(str(folder / "raw.duckdb")))
        raw.execute(DDL)
        few, many = rows(LOOP_ROWS), rows(JSON_ROWS)
        body = post_bytes("/database/tables/events/rows", json.dumps(many).encode(), JSON)
        parquet = post_bytes("/database/tables/wide/rows", _wide_parquet(), "application/vnd.apache.parquet")
        batches = (_batch(number) for number in count())

        def exchanged_ms(request: bytes) -> float:
            started = time.perf_counter()
            answer = connection.exchange(request)
            if answer.status != 200:
                raise RuntimeError(f"answered {answer.status}: {answer.body[:500].decode(errors='replace')}")
            return (time.perf_counter() - started) * 1000

        def dicts_ms() -> float:
            started = time.perf_counter()
            database.commit([Insert("events", many)])
            return (time.perf_counter() - started) * 1000

        def loop_ms() -> float:
            started = time.perf_counter()
            raw.executemany("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?)", [tuple(row.values()) for row in few])
            return (time.perf_counter() - started) * 1000 * JSON_ROWS / LOOP_ROWS

        def commits_ms() -> float:
            return median(
                [_elapsed_ms(lambda: database.commit([Insert("events", next(batches))])) for _ in range(COMMITS)]
            )

        def raw_commits_ms() -> float:
            return median([_elapsed_ms(lambda: _raw_commit(raw, next(batches))) for _ in range(COMMITS)])

        exchanged_ms(body), dicts_ms(), commits_ms(), raw_commits_ms()
        loop = {"raw DuckDB, `executemany`, autocommit": loop_ms}
        yield [
            Case("dicts", f"{JSON_ROWS:,} dicts into a file, one commit, in process", dicts_ms, loop, Target(1 / 500)),
            Case(
                "json",
                f"{JSON_ROWS:,} rows of JSON through POST /database/tables/…/rows",
                lambda: exchanged_ms(body),
                loop,
                Target(1 / 500, binding=False),
            ),
            Case(
                "parquet",
                f"1,000,000 rows of {WIDE_COLUMNS} columns in Parquet through POST",
                lambda: exchanged_ms(parquet) * 1_000_000 / PARQUET_ROWS,
                target=Target(1000, of="ms"),
            ),
            Case(
                "commit",
                f"Commit of {COMMIT_ROWS:,} rows of Arrow that survives, in process, p50",
                commits_ms,
                {"raw DuckDB, INSERT … SELECT, autocommit": raw_commits_ms},
                Target(2, of="ms"),
            ),
        ]


@contextlib.contextmanager
def _node(folder: Path) -> Iterator[int]:
    _prepare(folder)
    command = af("run", f"--config={folder}", "--server.port={port}", f"--app.data-dir={folder}/.app")
    with served(command, READY) as node:
        yield node.port


@contextlib.contextmanager
def _database(folder: Path) -> Iterator[Database]:
    _prepare(folder)
    with Model.of(folder).open() as database:
        yield database


def _prepare(folder: Path) -> None:
    folder.mkdir()
    (folder / "application.yml").write_text(MODEL, encoding="utf-8")


def _raw_commit(raw: duckdb.DuckDBPyConnection, batch: pa.Table) -> None:
    raw.register("batch", batch)
    raw.execute("INSERT INTO events SELECT * FROM batch")
    raw.unregister("batch")


def _elapsed_ms(job: Callable[[], object]) -> float:
    started = time.perf_counter()
    job()
    return (time.perf_counter() - started) * 1000


def _batch(number: int) -> pa.Table:
    """Return rows in columns, as a stream brings them."""
    made = rows(COMMIT_ROWS)
    columns: Mapping[str, list[object]] = {name: [row[name] for row in made] for name in made[0]}
    table = pa.table({**columns, "id": [number * COMMIT_ROWS + place for place in range(COMMIT_ROWS)]})
    at = table.column_names.index("moment")
    return table.set_column(at, "moment", table.column("moment").cast(pa.timestamp("us"))).cast(
        pa.schema([
            ("id", pa.int64()), ("moment", pa.timestamp("us")), ("kind", pa.string()), ("city", pa.string()),
            ("amount", pa.int32()), ("price", pa.float64()),
        ])
    )  # fmt: skip


def _wide_parquet() -> bytes:
    numbers = range(PARQUET_ROWS)
    columns = {
        f"c{place}": pa.array(
            [number * (place + 1) for number in numbers] if place % 2 else [number / (place + 1) for number in numbers]
        )
        for place in range(WIDE_COLUMNS)
    }
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue()
