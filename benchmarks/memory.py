"""Budget 23: what a node holds when it has nothing to do, after it was asked everything."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.facts import Ground
from benchmarks.machine import resident_memory_mb
from benchmarks.questions import documents
from benchmarks.trials import Bound, Figure, Tell
from benchmarks.wire import KeepAlive, post

CUBES = ("facts", "covered")
ROUNDS = 3


def memory_after_the_suite(ground: Ground, trials: int, tell: Tell) -> Sequence[Figure]:
    """The resident memory of a node of its own, before and after both cubes were asked the suite three times."""
    fresh, after = [], []
    for trial in range(trials):
        tell(f"memory, {trial + 1} of {trials}")
        with ground.fresh_node() as node, KeepAlive(node.port) as connection:
            fresh.append(resident_memory_mb(node.pid))
            for cube in ROUNDS * CUBES:
                connection.p50_ms([post(f"/cubes/{cube}/query", document) for document in documents()])
            after.append(resident_memory_mb(node.pid))
    facts = f"{ground.rows:,} facts of 27 columns"
    return [
        Figure(f"Memory of a node with {facts}, after the start", fresh, "MB"),
        Figure("… after the whole suite", after, "MB", Bound(400)),
    ]
