"""Budget 19: readers that come when they come, while rows are committed; every answer is checked to the last number.

The facts are such that any filter has a sum that is known for every version: each commit brings the same number of rows
for each bucket and channel, and the quantity of a row is the number of its bucket and one.
"""

from __future__ import annotations

import contextlib
import json
import random
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles

import duckdb
import pyarrow as pa

from benchmarks.answers import ARROW
from benchmarks.facts import Ground
from benchmarks.processes import af, served
from benchmarks.start import READY
from benchmarks.trials import Bound, Figure, Tell
from benchmarks.wire import KeepAlive, post, post_bytes

BUCKETS = 31
CHANNELS = ("partner", "phone", "shop", "web")
CELLS = BUCKETS * len(CHANNELS)
ROWS = 2_000_000
BATCH_ROWS = 10_000
READERS = 8
CAPACITY_S = 2.0
PHASE_S = 4.0

MODEL = """\
app: {{name: load}}
server: {{max-body-size: 64MB}}
database:
  path: load.duckdb
  tables:
    sales: {{source: {{parquet: sales.parquet}}}}
schemas:
  Load:
    base: sales
    cubes:
      load:
        aggregates: {aggregates}
        dimensions: {{Channel: [channel], Bucket: [bucket]}}
        measures: {{lines: {{count: "*"}}, quantity: {{sum: quantity}}}}
"""
SALES = """
SELECT
  (i % {buckets})::INT AS bucket,
  {channels}[(i // {buckets} % {count})::INT + 1] AS channel,
  (i % {buckets})::INT + 1 AS quantity,
  hash(i) % 1000 / 8.0 AS price
FROM range({rows}) AS numbers(i)
"""


def made(folder: Path, per_cell: int, aggregates: str) -> Path:
    """Write model and facts into a folder: so many rows for each bucket and channel; `aggregates` as in a model."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "application.yml").write_text(MODEL.format(aggregates=aggregates), encoding="utf-8")
    with duckdb.connect() as connection:
        sql = SALES.format(rows=per_cell * CELLS, buckets=BUCKETS, channels=list(CHANNELS), count=len(CHANNELS))
        connection.execute(f"COPY ({sql}) TO '{folder}/sales.parquet' (FORMAT parquet)")
    return folder


def batch_table(per_cell: int) -> pa.Table:
    """Return so many rows for each bucket and channel."""
    cells = [(bucket, channel) for channel in CHANNELS for bucket in range(BUCKETS)] * per_cell
    buckets = [bucket for bucket, _ in cells]
    return pa.table({
        "bucket": pa.array(buckets, pa.int32()),
        "channel": [channel for _, channel in cells],
        "quantity": pa.array([bucket + 1 for bucket in buckets], pa.int32()),
        "price": [bucket / 8 for bucket in buckets],
    })  # fmt: skip


def batch(per_cell: int) -> bytes:
    """Return them as the body of a request."""
    table = batch_table(per_cell)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    body: bytes = sink.getvalue().to_pybytes()
    return body


@dataclass(frozen=True, slots=True)
class Seen:
    """What a reader was answered.

    Args:
        buckets: that it asked for.
        version: that the node read.
        rows: channel, lines, quantity.
        took_ms: from the moment when it was due.
    """

    buckets: Sequence[int]
    version: int
    rows: Sequence[Sequence[object]]
    took_ms: float


@dataclass(slots=True)
class Load:
    """Readers and a writer of one node.

    Args:
        port: of the node.
        base_per_cell: how many rows of each bucket and channel there were at first.
        batch_per_cell: how many a commit brings.

    Attributes:
        seen: the answers.
        refused: answers 429, of readers and of the writer.
        failed: any other answers, in words.
        versions: of the commits that were acknowledged, in their order.
        commits_ms: how long each of them took.
    """

    port: int
    base_per_cell: int
    batch_per_cell: int
    seen: list[Seen] = field(default_factory=list)
    refused: int = 0
    failed: list[str] = field(default_factory=list)
    versions: list[int] = field(default_factory=list)
    commits_ms: list[float] = field(default_factory=list)

    def capacity(self, seconds: float) -> float:
        """Return how many questions per second readers are answered that ask again at once."""
        end = time.monotonic() + seconds
        with ThreadPoolExecutor(READERS) as pool:
            counts = pool.map(lambda _: self._ask_until(end), range(READERS))
            return sum(counts) / seconds

    def read(self, rate: float, seconds: float) -> list[float]:
        """Ask so many questions per second, each when it is due, answered or not the one before; return their times.

        A reader that is late asks at once, and the time that it was late is in the time of its answer.
        """
        before = len(self.seen)
        started = time.monotonic()
        due = [started + number / rate for number in range(int(rate * seconds))]
        with ThreadPoolExecutor(READERS) as pool:
            list(pool.map(lambda reader: self._ask_when_due(due[reader::READERS]), range(READERS)))
        return [each.took_ms for each in self.seen[before:]]

    @contextlib.contextmanager
    def writing(self, batches_per_s: float) -> Iterator[None]:
        """Commit so many batches per second, as long as the block lasts; one after the other if need be."""
        stop = threading.Event()
        with ThreadPoolExecutor(1) as pool:
            ended = pool.submit(self._write, batches_per_s, stop)
            try:
                yield
            finally:
                stop.set()
            ended.result()

    def torn(self) -> list[str]:
        """Return the answers that are not what their version holds, in words: each one is looked at."""
        commits = {version: number for number, version in enumerate(self.versions, start=1)}
        known = min(commits, default=0)
        return [
            f"version {each.version}, buckets {each.buckets}: {each.rows}"
            for each in self.seen
            if (each.version >= known > 0 and each.version not in commits)
            or list(each.rows) != self.expected(each.buckets, commits.get(each.version, 0))
        ]

    def expected(self, buckets: Sequence[int], commits: int) -> list[list[object]]:
        """Return the rows that are right after so many commits."""
        each = self.base_per_cell + commits * self.batch_per_cell
        quantity = sum(bucket + 1 for bucket in buckets) * each
        return [[channel, each * len(buckets), quantity] for channel in CHANNELS]

    def _ask_until(self, end: float) -> int:
        asked = 0
        with KeepAlive(self.port) as connection:
            while time.monotonic() < end:
                self._ask(connection, time.monotonic())
                asked += 1
        return asked

    def _ask_when_due(self, due: Sequence[float]) -> None:
        with KeepAlive(self.port) as connection:
            for moment in due:
                time.sleep(max(0.0, moment - time.monotonic()))
                self._ask(connection, moment)

    def _ask(self, connection: KeepAlive, due: float) -> None:
        buckets = sorted(random.sample(range(BUCKETS), BUCKETS - 6))
        question = {"measures": ["lines", "quantity"], "levels": ["channel"], "where": {"bucket": buckets}}
        answer = connection.exchange(post("/cubes/load/query", question))
        took_ms = (time.monotonic() - due) * 1000
        if answer.status == 429:
            self.refused += 1
        elif answer.status != 200:
            self.failed.append(f"{answer.status}: {answer.body[:300].decode(errors='replace')}")
        else:
            document = json.loads(answer.body)
            (version,) = document["versions"].values()
            self.seen.append(Seen(buckets, version, document["rows"], took_ms))

    def _write(self, batches_per_s: float, stop: threading.Event) -> None:
        request = post_bytes("/database/tables/sales/rows", batch(self.batch_per_cell), ARROW)
        started, sent = time.monotonic(), 0
        with KeepAlive(self.port) as connection:
            while not stop.wait(max(0.0, started + sent / batches_per_s - time.monotonic())):
                begun = time.perf_counter()
                answer = connection.exchange(request)
                took_ms = (time.perf_counter() - begun) * 1000
                sent += 1
                if answer.status == 200:
                    self.versions.append(json.loads(answer.body)["version"])
                    self.commits_ms.append(took_ms)
                elif answer.status == 429:
                    self.refused += 1
                else:
                    self.failed.append(f"{answer.status}: {answer.body[:300].decode(errors='replace')}")


def readers_and_writer(ground: Ground, trials: int, tell: Tell) -> Sequence[Figure]:
    """Half of what a node can do is asked for, in quiet and while rows are committed; every trial has its own node.

    All questions read rows: with aggregates a node would be asked for half of what it cannot do before it has them.
    """
    base, each = max(1, min(ground.rows, ROWS) // CELLS), BATCH_ROWS // CELLS
    tried: list[Sequence[Figure]] = []
    for trial in range(trials):
        tell(f"readers and a writer, {trial + 1} of {trials}")
        with tempfile.TemporaryDirectory(prefix="benchmark-load-") as name:
            folder = made(Path(name), base, "none")
            command = af("run", f"--config={folder}", "--server.port={port}", f"--app.data-dir={folder}/.app")
            with served(command, READY) as node:
                tried.append(_trial(Load(node.port, base, each)))
    return [
        Figure(first.title, [value for figure in same for value in figure.values], first.unit, first.bound)
        for same in zip(*tried, strict=True)
        for first in same[:1]
    ]


def _trial(load: Load) -> Sequence[Figure]:
    rate = load.capacity(CAPACITY_S) / 2
    quiet = load.read(rate, PHASE_S)
    figures = [
        Figure(f"{READERS} readers at half of what the node can do: questions per second", [rate], ""),
        Figure("… p50 in quiet", [median(quiet)], "ms"),
    ]
    for wanted, bound, slowest in PHASES:
        before = len(load.versions)
        with load.writing(wanted / BATCH_ROWS):
            loaded = load.read(rate, PHASE_S)
        committed = (len(load.versions) - before) * load.batch_per_cell * CELLS / PHASE_S
        figures += [
            Figure(
                f"… while {wanted:,} rows/s are sent as Arrow: p50 by that in quiet",
                [median(loaded) / median(quiet)],
                "x",
                bound,
            ),
            Figure("…… p99 by that in quiet", [_p99(loaded) / _p99(quiet)], "x"),
            Figure("…… rows/s that were committed", [committed], ""),
            Figure("…… the longest commit", [max(load.commits_ms[before:])], "ms", slowest),
        ]
    return [
        *figures,
        Figure("… torn answers, each compared with the sums of its version", [len(load.torn())], "", Bound(0, most=0)),
        Figure("… errors other than 429", [len(load.failed)], "", Bound(0, most=0)),
        Figure("… answers 429", [load.refused], ""),
    ]


def _p99(times: Sequence[float]) -> float:
    return quantiles(times, n=100)[98]


PHASES = ((100_000, Bound(1.3, noisy=True), Bound(100, noisy=True)), (450_000, Bound(2.0, noisy=True), None))
"""Rows per second, what they may do to the p50 of readers, and how long the longest commit may take, in ms."""
