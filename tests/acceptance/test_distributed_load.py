"""Three data nodes and a query node under load; one of the three is killed and started ten times (AA6, AA7, AA13)."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from benchmarks.wire import KeepAlive
from tests.acceptance.cluster import Cluster, cluster, until
from tests.acceptance.world_load import SITES, Told, WorldLoad, write_nodes

VICTIM = "node2"
OTHERS = tuple(name for name in SITES if name != VICTIM)
QUESTIONS_PER_S = 200
KILLS = 10
COMMIT_EVERY_S = 0.3
SEEN_MIN = 300
"""So many answers of both kinds at least; there are thousands where the machine is not busy with something else."""


@pytest.mark.acceptance
def test_a_dying_data_node_costs_refusals_and_never_a_number(tmp_path: Path) -> None:
    """Two hundred questions per second, ten deaths by kill -9: every answer is right for its versions, or a 503 that
    names the node, wherever it comes from: rows, or what data nodes keep of them. Questions that do not need the dead
    one are answered throughout, and in the end all are again.
    """
    write_nodes(tmp_path, "query")
    with cluster(tmp_path) as nodes:
        nodes.trio("--olap.aggregates.min-rows=0")
        query_node = nodes.start("query", "--peer", nodes["node1"].url).ready()
        load = WorldLoad(query_node, {name: nodes[name] for name in SITES})
        until(lambda: _is_answered(load), "the first right answer of all three", nodes.describe)
        load.told.clear()
        started = time.monotonic()
        with load.reading(QUESTIONS_PER_S), load.committing(OTHERS, COMMIT_EVERY_S):
            for _ in range(KILLS):
                _die_and_return(nodes, load)
        elapsed_s = time.monotonic() - started
        right, refused = (sum(map(kind, load.told)) for kind in (load.is_right, lambda told: told.is_refused))
        print(f"{len(load.told) / elapsed_s:.0f} questions/s for {elapsed_s:.0f} s: {right} right, {refused} refused")
        assert load.broken == []
        assert load.wrong() == []
        assert {told.blamed for told in load.told if told.is_refused} == {VICTIM}
        assert min(right, refused) >= SEEN_MIN
        afterwards = time.monotonic()
        with load.reading(QUESTIONS_PER_S):
            until(lambda: len(load.since(afterwards)) >= SEEN_MIN, "further answers", nodes.describe)
        assert all(map(load.is_right, load.since(afterwards)))


def _die_and_return(nodes: Cluster, load: WorldLoad) -> None:
    """Kill the data node after a commit, see refusals, start it, see answers that hold all that it acknowledged."""
    load.commit(VICTIM)
    nodes[VICTIM].kill()
    killed = time.monotonic()
    until(lambda: any(told.is_refused for told in load.since(killed)), "a refusal", nodes.describe)
    nodes[VICTIM].start().ready()
    returned = time.monotonic()
    until(lambda: any(_has_victim(load, told) for told in load.since(returned)), "its rows again", nodes.describe)


def _has_victim(load: WorldLoad, told: Told) -> bool:
    return SITES[VICTIM] in told.sites and load.is_right(told)


def _is_answered(load: WorldLoad) -> bool:
    """Whether the rows of all three are in an answer; what is answered before is of nodes that are not there yet."""
    with KeepAlive(load.query_node.port) as connection:
        return load.is_right(load.ask(connection, SITES.values()))
