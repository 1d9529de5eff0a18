"""Cube.js over the same files, where somebody has installed it: answers that are made, and answers that are kept.

    npm install --prefix FOLDER --ignore-scripts @cubejs-backend/server-core@0.33.65 @duckdb/node-api express@4
    CUBEJS_FOLDER=FOLDER make bench ARGS="--only cubejs"

Scripts are ignored because Cube.js would load binaries from elsewhere that are not used here. It is the last line of
versions that runs without them.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import repeat
from pathlib import Path

from benchmarks.comparison import Case, Side, Target
from benchmarks.concurrency import QUERY, heavy, some_days
from benchmarks.facts import Ground
from benchmarks.processes import ROOT, served
from benchmarks.start import HEALTH
from benchmarks.wire import KeepAlive, post

PEER = "Cube.js"
FOLDER = "CUBEJS_FOLDER"
SERVER = ROOT / "benchmarks" / "peers" / "cubejs" / "server.js"
LOAD = "/cubejs-api/v1/load"
MADE, KEPT = 15, 200
"""Questions of a sample."""

ABSENT = f"not measured: `{FOLDER}` names no folder with it (benchmarks/cubejs.py)"


@contextlib.contextmanager
def cubejs(ground: Ground) -> Iterator[Sequence[Case]]:
    """One connection to each; without Cube.js only ours is measured."""
    with contextlib.ExitStack() as stack:
        ours = stack.enter_context(KeepAlive(ground.node.port))
        made, kept = _sides(ours, lambda days: post(QUERY, heavy(days)))
        absent, made_by, kept_by = {PEER: ABSENT}, dict[str, Side](), dict[str, Side]()
        command = cubejs_command(ground.files, os.environ)
        if command is not None:
            theirs = stack.enter_context(KeepAlive(stack.enter_context(served(command, HEALTH)).port))
            _expect_equal(ours, theirs)
            absent = {}
            made_by[PEER], kept_by[PEER] = _sides(theirs, lambda days: post(LOAD, {"query": question(days)}))
        yield [
            Case("cubejs", "Uncached query of 48 cells, p50 over HTTP", made, made_by, absent=absent),
            Case("cubejs-kept", "The same kept, p50 over HTTP", kept, kept_by, Target(0.1), absent),
        ]


def cubejs_command(files: Path, environment: Mapping[str, str]) -> list[str] | None:
    """Return the command line of Cube.js; None where it is not installed."""
    modules = Path(environment.get(FOLDER, ""), "node_modules")
    if not environment.get(FOLDER) or not (modules / "@cubejs-backend").is_dir() or shutil.which("node") is None:
        return None
    return ["env", f"NODE_PATH={modules}", "node", str(SERVER), "{port}", str(files)]


def question(days: Sequence[int]) -> dict[str, object]:
    """Return the same question in the language of Cube.js."""
    names = [f"facts.{name}" for name in ("lines", "quantity", "revenue", "cost")]
    return {
        "measures": names,
        "dimensions": ["facts.department", "facts.year"],
        "filters": [{"member": "facts.day_of_month", "operator": "equals", "values": list(map(str, days))}],
        "order": {"facts.department": "asc", "facts.year": "asc"},
    }


def _sides(connection: KeepAlive, request: Callable[[Sequence[int]], bytes]) -> tuple[Side, Side]:
    """Return a side on which every question is new, and one on which all are the same."""
    same = request(some_days())
    connection.p50_ms([same])
    return (
        lambda: connection.p50_ms([request(some_days()) for _ in range(MADE)]),
        lambda: connection.p50_ms(repeat(same, KEPT)),
    )


def _expect_equal(ours: KeepAlive, theirs: KeepAlive) -> None:
    """Refuse to compare times of answers that are not the same.

    Raises:
        RuntimeError: they differ in a member or a count.
    """
    days = some_days()
    answer = json.loads(ours.post(QUERY, heavy(days)).body)["rows"]
    other = json.loads(theirs.post(LOAD, {"query": question(days)}).body)["data"]
    found = [[row["facts.department"], row["facts.year"], int(row["facts.lines"])] for row in other]
    if found != [row[:3] for row in answer]:
        raise RuntimeError("Cube.js answers something else")
