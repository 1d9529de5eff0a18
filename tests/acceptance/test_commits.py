"""A node that is killed in the middle of commits: what it acknowledged is there, and nothing is there by half."""

from __future__ import annotations

import random
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.acceptance.processes import DEADLINE_S, Node

MODEL = """
app: {name: till}
database:
  path: till.duckdb
  versions: {keep: 5}
  tables:
    lines: {columns: {batch: int, n: int}}
    counters: {columns: {id: int, batch: int}, key: id}
  references: [lines.n -> counters.id]
schemas:
  Till:
    base: lines
    cubes:
      till: {dimensions: {Batch: [batch]}, measures: {lines: {count: "*"}, last: {max: counters.batch}}}
"""
EACH = 500
"""Rows of one commit."""


def commit_until_killed(url: str, first: int) -> list[tuple[int, int]]:
    """Send batches, each a number higher, until nobody answers; return those that were acknowledged, with versions."""
    acknowledged: list[tuple[int, int]] = []
    with httpx.Client(base_url=url, timeout=DEADLINE_S) as client:
        while True:
            batch = first + len(acknowledged)
            rows = "batch,n\n" + "".join(f"{batch},{n}\n" for n in range(EACH))
            try:
                answer = client.post(
                    "/database/tables/lines/rows", content=rows, headers={"Content-Type": "text/csv"}
                ).json()
                acknowledged.append((batch, answer["version"]))
                client.post("/database/tables/counters/rows", json=[{"id": 0, "batch": batch}])
            except httpx.TransportError:
                return acknowledged


@pytest.mark.acceptance
@pytest.mark.parametrize("seed", range(3))
def test_no_acknowledged_commit_is_lost_and_none_is_there_by_half(seed: int, tmp_path: Path) -> None:
    """Four deaths of one database each; a version never comes back, and those that are kept can still be asked."""
    chance = random.Random(seed)
    (tmp_path / "application.yml").write_text(MODEL)
    total, versions = 0, [0]
    for _ in range(4):
        node = Node(tmp_path)
        with ThreadPoolExecutor(1) as writer:
            writing = writer.submit(commit_until_killed, node.url, total)
            time.sleep(chance.uniform(0.05, 0.8))  # the moment is the test's input, not a wait for something
            node.process.kill()
            node.process.communicate()
            found = writing.result()
        node.ready_file.unlink()
        assert all(version > versions[-1] for _, version in found)
        versions += [version for _, version in found]
        total = check(tmp_path, total + len(found), versions)


def check(folder: Path, acknowledged: int, versions: list[int]) -> int:
    """Start the node again and return how many batches it holds: all that were acknowledged, and one more at most."""
    again = Node(folder)
    answer = again.query("till", measures=["lines", "last"], levels=["batch"]).json()
    batches = [row[0] for row in answer["rows"]]
    assert batches == list(range(len(batches)))
    assert acknowledged <= len(batches) <= acknowledged + 1
    assert {row[1] for row in answer["rows"]} <= {EACH}
    (newest,) = answer["versions"].values()
    assert newest >= versions[-1]
    if batches:
        older = again.query("till", measures=["lines"], version=newest - 1).json()
        assert older["rows"][0][0] in (EACH * len(batches), EACH * (len(batches) - 1))
    versions.append(newest)
    again.process.kill()
    again.process.communicate()
    again.ready_file.unlink()
    return len(batches)
