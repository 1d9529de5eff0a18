"""A node that is killed while it takes files: every file is there once, wherever it was in its commit."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from tests.acceptance.processes import DEADLINE_S, Node

MODEL = """
app: {name: shop}
database: {path: shop.duckdb, tables: {sales: {columns: {file: int, n: int}}}}
schemas: {Shop: {base: sales, cubes: {shop: {dimensions: {File: [file]}, measures: {rows: {count: "*"}}}}}}
feeds: {deliveries: {table: sales, directory: in, interval: 20ms}}
"""
FILES, EACH = 30, 400


def wait_until_empty(folder: Path) -> None:
    end = time.monotonic() + DEADLINE_S
    while any(path.is_file() for path in folder.iterdir()):
        assert time.monotonic() < end, sorted(path.name for path in folder.iterdir())
        time.sleep(0.02)


@pytest.mark.acceptance
@pytest.mark.parametrize("seed", range(3))
def test_every_file_is_committed_once_over_kills(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    (tmp_path / "application.yml").write_text(MODEL)
    incoming = tmp_path / "in"
    incoming.mkdir()
    for number in range(FILES):
        rows = "".join(f"{number},{n}\n" for n in range(EACH))
        (incoming / f"{number:03}.csv").write_text(f"file,n\n{rows}")
    for _ in range(4):
        node = Node(tmp_path)
        time.sleep(chance.uniform(0.0, 0.5))  # the moment is the test's input, not a wait for something
        node.process.kill()
        node.process.communicate()
        node.ready_file.unlink()
    node = Node(tmp_path)
    try:
        wait_until_empty(incoming)
        answer = node.query("shop", measures=["rows"], levels=["file"]).json()
        assert answer["rows"] == [[number, EACH] for number in range(FILES)]
        assert len(list((incoming / "done").iterdir())) == FILES
    finally:
        node.process.kill()
        node.process.communicate()
