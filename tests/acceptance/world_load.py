"""A query node under load while a data node dies: who asks, who commits, and what every answer must have been.

Each data node has one site. The quantity of a row is the number of its bucket and one, and each commit brings the same
number of rows for each bucket and channel: so every question has one right answer for the versions that it names.
"""

from __future__ import annotations

import contextlib
import io
import json
import random
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import httpx
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.readers import BUCKETS, CHANNELS, batch_table
from benchmarks.wire import KeepAlive, post
from tests.acceptance.cluster import ClusterNode

SITES = {"node1": "amsterdam", "node2": "boston", "node3": "cairo"}
"""The site of each data node."""
BASE_PER_CELL = 40
BATCH_PER_CELL = 2
READERS = 8
TIMEOUT_S = 30.0

DATA_NODE = """\
server: {max-body-size: 64MB}
database:
  path: load.duckdb
  tables:
    sales: {source: {parquet: sales.parquet}}
schemas:
  Load:
    base: sales
    cubes:
      load:
        dimensions: {Site: [site], Channel: [channel], Bucket: [bucket]}
        measures: {lines: {count: "*"}, quantity: {sum: quantity}}
distribution:
  data-cubes:
    load: {application: load}
"""
QUERY_NODE = """\
distribution:
  query-cubes:
    world: {applications: {load: {distributing-levels: [site]}}}
"""


def write_nodes(folder: Path, query_node: str) -> None:
    """Write the folders of all nodes: model and facts of those with data, the query cube of the one without."""
    for name, site in SITES.items():
        (folder / name).mkdir(parents=True)
        (folder / name / "application.yml").write_text(DATA_NODE, encoding="utf-8")
        pq.write_table(rows(site, BASE_PER_CELL), folder / name / "sales.parquet")
    (folder / query_node).mkdir()
    (folder / query_node / "application.yml").write_text(QUERY_NODE, encoding="utf-8")


def rows(site: str, per_cell: int) -> pa.Table:
    """Return so many rows of a site for each bucket and channel."""
    table = batch_table(per_cell)
    return table.append_column("site", pa.array([site] * len(table)))


@dataclass(frozen=True, slots=True)
class Told:
    """One answer.

    Args:
        sites: that were asked for.
        buckets: that were asked for.
        status: of the answer.
        document: its JSON.
        asked_s: when, on the monotonic clock.
        seen_s: when the answer was there.
    """

    sites: Collection[str]
    buckets: Sequence[int]
    status: int
    document: dict[str, object]
    asked_s: float
    seen_s: float

    @property
    def is_refused(self) -> bool:
        """Whether it says that something is not there now."""
        return self.status == 503 and self.document.get("code") == "SERVICE_UNAVAILABLE"

    @property
    def blamed(self) -> object:
        """The node that a refusal names."""
        return self.document.get("node")


@dataclass(slots=True)
class WorldLoad:
    """Readers of a query node, and commits to data nodes.

    Args:
        query_node: is asked.
        data_nodes: by name.

    Attributes:
        told: every answer.
        commits: by node, the versions of its commits in their order.
        broken: requests that were not answered at all.
    """

    query_node: ClusterNode
    data_nodes: dict[str, ClusterNode]
    told: list[Told] = field(default_factory=list)
    commits: dict[str, list[int]] = field(default_factory=lambda: {name: [] for name in SITES})
    broken: list[str] = field(default_factory=list)

    @contextlib.contextmanager
    def reading(self, rate: float) -> Iterator[None]:
        """Ask so many questions per second as long as the block lasts, each when it is due, or at once when it was."""
        stop, started = threading.Event(), time.monotonic()

        def read(reader: int) -> None:
            with KeepAlive(self.query_node.port) as connection:
                for number in count(reader, READERS):
                    if stop.wait(max(0.0, started + number / rate - time.monotonic())):
                        return
                    self.ask(connection, random.sample(tuple(SITES.values()), random.randint(1, len(SITES))))

        with ThreadPoolExecutor(READERS) as pool:
            readers = [pool.submit(self._noting, read, reader) for reader in range(READERS)]
            try:
                yield
            finally:
                stop.set()
            for reader in readers:
                reader.result()

    @contextlib.contextmanager
    def committing(self, names: Sequence[str], every_s: float) -> Iterator[None]:
        """Commit to each of some nodes in turn as long as the block lasts."""
        stop = threading.Event()

        def commit() -> None:
            for number in count():
                if stop.wait(every_s):
                    return
                self.commit(names[number % len(names)])

        with ThreadPoolExecutor(1) as pool:
            committing = pool.submit(commit)
            try:
                yield
            finally:
                stop.set()
            committing.result()

    def commit(self, name: str) -> None:
        """Commit a batch to one node, and note its version; it has to be acknowledged."""
        sink = io.BytesIO()
        table = rows(SITES[name], BATCH_PER_CELL)
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        answer = httpx.post(
            f"{self.data_nodes[name].url}/database/tables/sales/rows",
            content=sink.getvalue(),
            headers={"content-type": "application/vnd.apache.arrow.stream"},
            timeout=TIMEOUT_S,
        )
        assert answer.status_code == 200, answer.text
        self.commits[name].append(answer.json()["version"])

    def ask(self, connection: KeepAlive, sites: Collection[str]) -> Told:
        """Ask a question of some sites, and of some buckets, and keep the answer."""
        buckets = sorted(random.sample(range(BUCKETS), BUCKETS - 6))
        where: dict[str, object] = {"bucket": buckets}
        if len(sites) < len(SITES):
            where["site"] = list(sites)
        question = {"measures": ["lines", "quantity"], "levels": ["channel"], "where": where}
        asked_s = time.monotonic()
        answer = connection.exchange(post("/cubes/world/query", question))
        document = json.loads(answer.body)
        self.told.append(Told(sites, buckets, answer.status, document, asked_s, time.monotonic()))
        return self.told[-1]

    def since(self, moment_s: float) -> list[Told]:
        """Return the answers to what was asked after a moment."""
        return [each for each in tuple(self.told) if each.asked_s >= moment_s]

    def wrong(self) -> list[str]:
        """Return the answers that are neither right nor a refusal that names a node which was asked for, in words."""
        return [
            f"{each.status} for {', '.join(each.sites)}, buckets {each.buckets}: {json.dumps(each.document)[:500]}"
            for each in self.told
            if not self.is_right(each) and not (each.is_refused and SITES.get(str(each.blamed)) in each.sites)
        ]

    def is_right(self, told: Told) -> bool:
        """Whether an answer has all rows of the versions that it names, of exactly the nodes that had to be asked."""
        versions = told.document.get("versions")
        if told.status != 200 or told.document.get("partial") or not isinstance(versions, dict):
            return False
        return {SITES[name] for name in versions} == set(told.sites) and told.document["rows"] == self.expected(
            told.buckets, versions
        )

    def expected(self, buckets: Sequence[int], versions: dict[str, int]) -> list[list[object]] | None:
        """Return the right rows for some versions; None where there is no such version."""
        numbers = [self._commits_in(name, version) for name, version in versions.items()]
        if None in numbers:
            return None
        each = sum(BASE_PER_CELL + (number or 0) * BATCH_PER_CELL for number in numbers)
        quantity = sum(bucket + 1 for bucket in buckets) * each
        return [[channel, each * len(buckets), quantity] for channel in CHANNELS]

    def _commits_in(self, name: str, version: int) -> int | None:
        """Return how many commits of a node are in a version; None where it is none of them."""
        known = self.commits[name]
        if version in known:
            return known.index(version) + 1
        return 0 if not known or version < known[0] else None

    def _noting(self, read: Callable[[int], None], reader: int) -> None:
        try:
            read(reader)
        except (OSError, ValueError) as error:
            self.broken.append(repr(error))
