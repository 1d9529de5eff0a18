"""A node under load: readers who do not wait for each other while rows come in, and then its death."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.readers import BUCKETS, CELLS, Load, made
from tests.acceptance.processes import running

BASE_PER_CELL = 1_000
BATCH_PER_CELL = 80
ROWS_PER_S = 100_000
CAPACITY_S = 3.0
LOADED_S = 10.0


@pytest.mark.acceptance
def test_eight_readers_see_whole_versions_only_while_a_hundred_thousand_rows_per_second_come_in(tmp_path: Path) -> None:
    """Each answer has the sums of its version, wherever it comes from: rows, aggregates, tiles, kept answers.

    Nothing but 429 goes wrong, and what was acknowledged outlives a kill -9.
    """
    made(tmp_path, BASE_PER_CELL, "auto")
    # Nobody reads the node's output until its end; a line for each request would fill the pipe and stop it.
    with running(tmp_path, "--server.access-log=false", "--olap.aggregates.min-rows=0") as node:
        load = Load(int(node.url.rpartition(":")[2]), BASE_PER_CELL, BATCH_PER_CELL)
        rate = load.capacity(CAPACITY_S) / 2
        with load.writing(ROWS_PER_S / (BATCH_PER_CELL * CELLS)):
            answered = len(load.read(rate, LOADED_S))
    assert load.failed == []
    assert load.torn() == []
    assert answered + load.refused >= int(rate * LOADED_S)
    assert load.versions == sorted(set(load.versions))
    assert load.versions
    (tmp_path / ".app" / "ready.json").unlink()
    with running(tmp_path) as again:
        answer = again.query("load", measures=["lines", "quantity"], levels=["channel"]).json()
    assert answer["rows"] == load.expected(range(BUCKETS), commits=len(load.versions))
