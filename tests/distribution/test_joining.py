"""AA4, AA7, AA10, AA14: data cubes come, are refused, leave and come back."""

from __future__ import annotations

import asyncio
import gc
import logging

import pytest

from app_framework.distribution.limits import DistributionLimits
from app_framework.errors import ServiceUnavailableError
from app_framework.testing import DataNode, DistributionTestHelper, QueryNode

OSLO: list[dict[str, object]] = [{"region": "Oslo", "revenue": 3}, {"region": "Turku", "revenue": 5}]
BARI: list[dict[str, object]] = [{"region": "Bari", "revenue": 7}]


@pytest.fixture
def a(distribution: DistributionTestHelper) -> DataNode:
    return distribution.data_node("a", {"sales": OSLO})


@pytest.fixture
def b(distribution: DistributionTestHelper) -> DataNode:
    return distribution.data_node("b", {"sales": BARI})


@pytest.fixture
def world(distribution: DistributionTestHelper, a: DataNode, b: DataNode) -> QueryNode:
    return distribution.query_node("world", {"app": ["region"]})


def test_a_member_that_is_held_already_keeps_a_data_cube_out(
    distribution: DistributionTestHelper, world: QueryNode, caplog: pytest.LogCaptureFixture
) -> None:
    """AA4: loudly and once, naming the member and both nodes; the first keeps answering."""
    with caplog.at_level(logging.ERROR):
        c = distribution.data_node("c", {"sales": [{"region": "Oslo", "revenue": 100}]}, check=False)
        distribution.advance(5)
    told = [record.getMessage() for record in caplog.records if "Oslo" in record.getMessage()]
    assert len(told) == 1
    assert "'c/sales'" in told[0]
    assert "'a/sales'" in told[0]
    assert world.query(["revenue.sum"]).value == 15
    assert (world.nodes["c"].state, world.nodes["c"].required) == ("refused", False)
    assert c.refusal == told[0]


def test_it_is_let_in_when_it_fits(distribution: DistributionTestHelper, a: DataNode, world: QueryNode) -> None:
    """AA4: because its rows changed, or because the other one has left."""
    c = distribution.data_node("c", {"sales": [{"region": "Oslo", "revenue": 100}]}, check=False)
    c.delete("sales")
    c.add("sales", [{"region": "Faro", "revenue": 1}])
    assert world.query(["revenue.sum"]).value == 16
    d = distribution.data_node("d", {"sales": [{"region": "Turku", "revenue": 50}]}, check=False)
    assert d.refusal is not None
    a.stop_distribution()
    distribution.settle()
    assert world.query(["revenue.sum"], ["region"]).table == {"Bari": 7, "Faro": 1, "Turku": 50}
    assert (c.distributed.refusals, d.distributed.refusals) == ({}, {})


def test_a_commit_that_does_not_fit_is_not_answered_from(
    distribution: DistributionTestHelper, a: DataNode, b: DataNode, world: QueryNode
) -> None:
    """AA4: what was let in before is, as long as its version is kept; then nothing is, with the reason."""
    before = b.version
    b.add("sales", [{"region": "Oslo", "revenue": 1000}], wait=False)
    distribution.run_ready()
    assert world.query(["revenue.sum"]).versions == {"a": a.version, "b": before}
    assert world.query(["revenue.sum"]).value == 15
    assert "Oslo" in str(b.refusal)
    for number in range(b.database.limits.versions_kept):
        b.add("sales", [{"region": "Bari", "revenue": number}], wait=False)
    refused = world.error(["revenue.sum"])
    assert isinstance(refused, ServiceUnavailableError)
    assert "Oslo" in str(refused)
    assert world.query(["revenue.sum"], where={"region": "Oslo"}).value == 3
    b.delete("sales", {"region": "Oslo"})
    assert world.query(["revenue.sum"]).value == 15 + sum(range(b.database.limits.versions_kept))


def test_members_may_change_places(
    distribution: DistributionTestHelper, a: DataNode, b: DataNode, world: QueryNode
) -> None:
    """AA4: neither fits beside what is known of the other one, both together do."""
    for node, old, new in ((a, "Oslo", "Bari"), (b, "Bari", "Oslo")):
        node.delete("sales", {"region": old}, wait=False)
        node.add("sales", [{"region": new, "revenue": 100}], wait=False)
        distribution.advance(0.1)
    distribution.settle()
    assert world.query(["revenue.sum"], ["region"]).table == {"Bari": 100, "Oslo": 100, "Turku": 5}
    assert world.nodes["a"].refused is None


def test_other_measures_are_told_apart_readably(distribution: DistributionTestHelper, world: QueryNode) -> None:
    """AA10: with what each of the two has."""
    d = distribution.data_node("d", {"sales": BARI}, measures={"most": {"max": "revenue"}}, check=False)
    assert d.refusal is not None
    assert "measure 'most': 'd/sales' has max(revenue)" in d.refusal
    assert world.query(["count"]).value == 3


def test_a_hundred_leaves_and_returns_leave_nothing_behind(
    distribution: DistributionTestHelper, b: DataNode, world: QueryNode
) -> None:
    """AA7: no task, no subscription, no service, no future; each is at once."""

    def left_over() -> tuple[int, int, int, int]:
        async def tasks() -> int:
            return len(asyncio.all_tasks())

        process = b._node.living
        subscriptions = sum(len(each) for each in distribution.network._interest.values())
        gc.collect()
        waiting = len(world.cube._roster._lost) if world.cube._roster else 0
        return process.wait(tasks()), subscriptions, len(process.messenger._services), waiting

    b.stop_distribution()
    b.start_distribution()
    before = left_over()
    for cycle in range(100):
        b.stop_distribution()
        assert cycle % 20 or world.query(["count"]).value == 2
        b.start_distribution()
        assert cycle % 20 or world.query(["count"]).value == 3
    assert left_over() == before


def test_a_query_cube_that_stops_and_starts_leaves_nothing_behind(
    distribution: DistributionTestHelper, world: QueryNode
) -> None:
    """AA7: no task, no subscription, no watch of the store."""

    def left_over() -> tuple[int, int, int]:
        async def tasks() -> int:
            return len(asyncio.all_tasks())

        subscriptions = sum(len(each) for each in distribution.network._interest.values())
        return world._node.living.wait(tasks()), subscriptions, len(distribution.store._watchers)

    before = left_over()
    for _ in range(10):
        world.stop_distribution()
        assert left_over() < before
        world.start_distribution()
        assert world.query(["count"]).value == 3
    assert left_over() == before


def test_a_query_cube_that_is_stopped_answers_nothing(distribution: DistributionTestHelper, world: QueryNode) -> None:
    """A17: until it is started, over restarts too; the data cubes stay in."""
    world.stop_distribution()
    assert "start_distribution" in str(world.error(["count"]))
    distribution.restart(world)
    assert world.state == "stopped"
    assert isinstance(world.error(["count"]), ServiceUnavailableError)
    world.start_distribution()
    assert world.query(["count"]).value == 3


def test_an_application_without_distributing_level_has_one_data_cube(distribution: DistributionTestHelper) -> None:
    """A5: a second one is refused."""
    distribution.data_node("a", {"sales": OSLO})
    world = distribution.query_node("world", {"app": []})
    second = distribution.data_node("b", {"sales": BARI}, check=False)
    assert "no distributing level" in str(second.refusal)
    assert world.query(["revenue.sum"]).value == 8


def test_cubes_of_other_clusters_and_applications_are_not_seen(
    distribution: DistributionTestHelper, world: QueryNode
) -> None:
    """A4: a cluster is a namespace, and a query cube sees the applications that it lists."""
    distribution.data_node("e", {"sales": [{"region": "Faro", "revenue": 1}]}, cluster="Other")
    distribution.data_node("f", {"sales": [{"region": "Faro", "revenue": 1}]}, application="other")
    distribution.advance(2)
    assert world.query(["count"]).value == 3
    assert sorted(world.nodes) == ["a", "b"]


def test_two_cubes_of_one_node_are_two_data_cubes(distribution: DistributionTestHelper) -> None:
    """A13: of one node, under one query cube with two applications."""
    distribution.data_node("a", {"sales": OSLO})
    distribution.data_node("b", {"costs": [{"region": "Oslo", "cost": 2}]}, application="money")
    world = distribution.query_node(
        "world",
        {"app": ["region"], "money": ["region"]},
        measures={"margin": {"formula": '"revenue.sum" - "cost.sum"'}},
    )
    assert world.query(["margin"], where={"region": "Oslo"}).value == 1
    assert world.cube.problems == ()


def test_many_members_join_while_questions_are_answered(distribution: DistributionTestHelper) -> None:
    """AA14: they travel beside the question, in pieces, and only what changes does after that."""
    distribution.data_node("a", {"sales": OSLO})
    world = distribution.query_node("world", {"app": ["region"]})
    rows = {"region": [f"r{i:06}" for i in range(100_000)], "revenue": [1] * 100_000}
    big = [dict(zip(rows, values, strict=True)) for values in zip(*rows.values(), strict=True)]
    b = distribution.data_node("b", {"sales": big}, start=False)
    distribution.delay("b", 0.1)
    b._node.start()
    b.open()
    answers = 0
    while world.query(["count"]).value == 2:
        answers += 1
        distribution.advance(0.05)
        assert answers < 1_000
    assert answers > 3
    assert world.query(["count"]).value == 100_002
    assert world.members("region", prefix="r0999", limit=2) == ("r099900", "r099901")
    sizes = [each.size_bytes for each in distribution.network.transcript if each.sender == "b"]
    assert max(sizes) <= 300 << 10
    said = len(distribution.network.transcript)
    b.add("sales", [{"region": "new", "revenue": 1}])
    sent = sum(each.size_bytes for each in distribution.network.transcript[said:] if each.sender == "b")
    assert sent < 20_000
    assert world.query(["count"], where={"region": "new"}).value == 1


def test_more_members_than_are_taken_are_refused_with_what_to_do() -> None:
    """AA14: the data cube is told which hierarchy to conceal."""
    with DistributionTestHelper(limits=DistributionLimits(members_max=3)) as distribution:
        a = distribution.data_node("a", {"sales": [{"region": r, "revenue": 1} for r in "xyz"]})
        world = distribution.query_node("world", {"app": ["region"]})
        a.add("sales", [{"region": "w", "revenue": 1}], wait=False)
        distribution.advance(1)
        assert "concealed-hierarchies" in a.distributed.trouble
        assert "concealed-hierarchies" in str(world.nodes["a"].refused)
        assert world.query(["count"]).value == 3
