"""What is tried of distributed cubes: how soon a late data node is in the answers, and how long their tests take."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from app_framework.olap import CubeQuery
from benchmarks.distribution_nodes import HALVES, Distributed, until
from benchmarks.facts import Ground
from benchmarks.messaging import Told
from benchmarks.processes import ROOT, environment, python
from benchmarks.trials import Bound, Figure, Tell

LATE = list(HALVES)[-1]
LINES = CubeQuery(measures=["lines"])
TESTS = 100
TESTS_TIMEOUT_S = 300.0

TEST = """\
import pytest

from app_framework.errors import ServiceUnavailableError

NORTH = [{{"region": region, "revenue": 10 * at, "day": f"day {{at % 7}}"}} for at in range(50) for region in "ne"]
SOUTH = [{{"region": region, "revenue": 11 * at, "day": f"day {{at % 7}}"}} for at in range(50) for region in "sw"]


@pytest.mark.parametrize("number", range({tests}))
def test_world_equals_its_parts(number, distribution):
    a = distribution.data_node("a", rows={{"sales": NORTH}}, cube="sales", application="app")
    distribution.data_node("b", rows={{"sales": SOUTH}}, cube="sales", application="app")
    world = distribution.query_node("world", applications={{"app": ["region"]}})
    question = {{"measures": ["revenue.sum"], "levels": ["region"]}}
    assert world.query(**question) == distribution.oracle().query(**question)
    distribution.hold(a)
    distribution.kill(a)
    with pytest.raises(ServiceUnavailableError):
        world.query(measures=["revenue.sum"])
    distribution.restart(a)
    assert world.query(measures=["count"]) == distribution.oracle().query(measures=["count"])
"""


def late_nodes(ground: Ground, trials: int, tell: Tell) -> Sequence[Figure]:
    """One of two data nodes comes late: as a new process, and because its distribution was stopped."""
    processes, starts = [], []
    with Distributed(ground) as cubes:
        cubes.world.query_sync(LINES)
        for number in range(1, trials + 1):
            starts.append(_starting_s(cubes, cubes.node(LATE)))
            _stop(cubes, cubes.node(LATE))
            cubes.kill(LATE)
            processes.append(_visible_s(cubes, cubes.starting(LATE)))
            tell(f"late data node {number}: {processes[-1]:.2f} s, after a stop {starts[-1]:.2f} s")
    title = f"A data node of {ground.rows // len(HALVES):,} facts is late: in the answers, once its process is ready"
    return [
        Figure(title, processes, "s", Bound(2)),
        Figure("… in the answers after `start_distribution()`", starts, "s", Bound(2)),
    ]


def helper_tests(ground: Ground, trials: int, tell: Tell) -> Sequence[Figure]:
    """The example of the contract, a hundred times in one pytest, with all that pytest itself takes."""
    taken = []
    with tempfile.TemporaryDirectory(prefix="benchmark-tests-") as folder:
        Path(folder, "test_world.py").write_text(TEST.format(tests=TESTS), encoding="utf-8")
        for number in range(1, trials + 1):
            taken.append(_tested_s(folder))
            tell(f"{TESTS} tests with the helper, {number}: {taken[-1]:.1f} s")
    return [Figure(f"{TESTS} tests with `DistributionTestHelper`, one pytest", taken, "s", Bound(10, noisy=True))]


def _starting_s(cubes: Distributed, node: Told) -> float:
    _stop(cubes, node)
    return _visible_s(cubes, node)


def _stop(cubes: Distributed, node: Told) -> None:
    """Let a data node leave, and see that the answers are without it."""
    node.tell("stop")
    node.until_ready()
    until(lambda: set(cubes.world.query_sync(LINES).versions) == HALVES.keys() - {LATE}, "an answer without it")


def _visible_s(cubes: Distributed, node: Told) -> float:
    """Let a data node take part; return how long it takes until an answer has its rows."""
    started = time.monotonic()
    node.tell("start")
    until(lambda: cubes.world.query_sync(LINES).rows == cubes.lines, "an answer with all facts")
    seen_s = time.monotonic() - started
    node.until_ready()
    return seen_s


def _tested_s(folder: str) -> float:
    """Run the tests and return how long they took.

    Raises:
        RuntimeError: one failed.
    """
    command = python("-m", "pytest", "-q", "-p", "no:cacheprovider", "test_world.py")
    paths = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    started = time.monotonic()
    ended = subprocess.run(
        command,
        cwd=folder,
        env={**environment(), "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        timeout=TESTS_TIMEOUT_S,
        check=False,
    )
    taken_s = time.monotonic() - started
    if ended.returncode or f"{TESTS} passed" not in ended.stdout:
        raise RuntimeError(f"the tests failed:\n{ended.stdout[-3000:]}{ended.stderr[-3000:]}")
    return taken_s
