"""AA5, AA9: several data cubes hold the same members, and exactly one is asked for each."""

from __future__ import annotations

import pytest

from app_framework.distribution.limits import DistributionLimits
from app_framework.errors import ServiceUnavailableError
from app_framework.testing import DataNode, DistributionTestHelper, QueryNode

OSLO: list[dict[str, object]] = [{"region": "Oslo", "revenue": 3}]
TURKU: list[dict[str, object]] = [{"region": "Turku", "revenue": 5}]
BARI: list[dict[str, object]] = [{"region": "Bari", "revenue": 7}]
REGIONS = {"app": ["region"]}


def overlapping(distribution: DistributionTestHelper, name: str = "world") -> QueryNode:
    """Return a query node whose data nodes may hold the same members."""
    return distribution.query_node(name, REGIONS, data_overlap=True)


@pytest.fixture
def a(distribution: DistributionTestHelper) -> DataNode:
    return distribution.data_node("a", {"sales": [*OSLO, *TURKU]}, priority=1)


@pytest.fixture
def b(distribution: DistributionTestHelper) -> DataNode:
    return distribution.data_node("b", {"sales": [*TURKU, *BARI]}, priority=2)


@pytest.fixture
def world(distribution: DistributionTestHelper, a: DataNode, b: DataNode) -> QueryNode:
    return overlapping(distribution)


def test_what_both_hold_is_counted_once(world: QueryNode) -> None:
    """AA5: by whoever has the lower number; each says for which members it answers."""
    assert world.query(["revenue.sum"], ["region"]).table == {"Bari": 7, "Oslo": 3, "Turku": 5}
    plan = world.plan(["revenue.sum"])
    assert plan.members("a") == {"region": ("Oslo", "Turku")}
    assert plan.members("b") == {"region": ("Bari",)}
    assert world.query(["revenue.sum"], where={"region": "Turku"}).versions.keys() == {"a"}


def test_equal_replicas_take_turns(distribution: DistributionTestHelper) -> None:
    """AA5: neither has more to do than the other."""
    for name in "ab":
        distribution.data_node(name, {"sales": OSLO})
    world = overlapping(distribution)
    asked = [next(iter(world.query(["count"]).versions)) for _ in range(4)]
    assert asked in (["a", "b", "a", "b"], ["b", "a", "b", "a"])


def test_whoever_is_busy_is_spared(distribution: DistributionTestHelper) -> None:
    """AA5: the next question goes where fewer are under way."""
    for name in "ab":
        distribution.data_node(name, {"sales": OSLO}, priority=1)
    world = overlapping(distribution)
    distribution.hold("a")
    slow = [world.begin(["count"]) for _ in range(2)]
    assert {next(iter(world.query(["count"]).versions)) for _ in range(3)} == {"b"}
    distribution.release("a")
    assert [question.result().value for question in slow] == [1, 1]


def test_when_the_last_holder_dies_its_members_are_missing(
    distribution: DistributionTestHelper, a: DataNode, b: DataNode, world: QueryNode
) -> None:
    """AA5, AA6: only those that nobody else holds, also where it dies under the question."""
    distribution.hold(a)
    running = world.begin(["revenue.sum"], unavailable="partial")
    distribution.kill(a)
    answer = running.result()
    assert (answer.value, answer.partial) == (12, True)
    assert answer.missing == ({"node": "a", "members": {"region": ["Oslo"]}},)
    assert world.query(["revenue.sum"], where={"region": ["Turku", "Bari"]}).value == 12
    refused = world.error(["revenue.sum"])
    assert isinstance(refused, ServiceUnavailableError)
    assert "Oslo" in str(refused)
    assert "Turku" not in str(refused)


def test_rows_are_those_of_one_holder_too(distribution: DistributionTestHelper, a: DataNode, world: QueryNode) -> None:
    """AA5: of each member, and of the replica when the first one has died."""
    assert sorted(world.drillthrough(columns=["region", "revenue"]).rows) == [("Bari", 7), ("Oslo", 3), ("Turku", 5)]
    distribution.kill(a)
    assert world.drillthrough({"region": "Turku"}, ["revenue"]).rows == [(5,)]


def test_masked_members_are_missed_by_no_question(
    distribution: DistributionTestHelper, a: DataNode, world: QueryNode
) -> None:
    """AA9: a question that began before is waited for, and counts the rows that are still there."""
    distribution.hold("a", "world", one_way=True)
    running = world.begin(["revenue.sum"], ["region"])
    masking = a._node.living.begin(a.distributed.mask("region", ["Turku"]))
    distribution.run_ready()
    assert not masking.done()
    distribution.release("a", "world")
    distribution.run_ready()
    assert running.result().table == {"Bari": 7, "Oslo": 3, "Turku": 5}
    assert distribution.wait(masking).acknowledged == ("world@world",)
    a.delete("sales", {"region": "Turku"})
    assert world.query(["revenue.sum"], ["region"]).table == {"Bari": 7, "Oslo": 3, "Turku": 5}


def test_masks_hold_over_restarts_of_either_side(
    distribution: DistributionTestHelper, a: DataNode, world: QueryNode
) -> None:
    """AA9: of the query node, and of the data node."""
    a.mask("region", ["Turku"])
    distribution.restart(world)
    assert world.query(["revenue.sum"], where={"region": "Turku"}).versions.keys() == {"b"}
    distribution.restart(a)
    assert a.masks == {"region.region.region": ("Turku",)}
    assert world.query(["revenue.sum"], where={"region": "Turku"}).versions.keys() == {"b"}


def test_a_roll_over_is_one_call(distribution: DistributionTestHelper, world: QueryNode, a: DataNode) -> None:
    """AA9: there is no moment in which both are masked, or neither is."""
    a.mask("region", ["Oslo"])
    assert world.query(["count"]).value == 2
    report = a.roll_over("region", mask=["Turku"], unmask=["Oslo"])
    assert report.complete
    assert a.masks == {"region.region.region": ("Turku",)}
    assert world.query(["revenue.sum"], ["region"]).table == {"Bari": 7, "Oslo": 3, "Turku": 5}
    assert world.plan(["count"]).members("a") == {"region": ("Oslo",)}


def test_a_mask_that_not_everybody_knows_says_so() -> None:
    """AA9: so nobody drops rows that somebody still counts on."""
    with DistributionTestHelper(limits=DistributionLimits(mask_s=3)) as distribution:
        a = distribution.data_node("a", {"sales": OSLO})
        for name in ("first", "second"):
            distribution.query_node(name, REGIONS, cube="world")
        distribution.split(["second"])
        report = a.mask("region", ["Oslo"])
        assert not report.complete
        assert report.acknowledged == ("world@first",)
        assert list(report.failures) == ["world@second"]
        distribution.heal()
        assert a.mask("region", ["Oslo"]).complete


def test_what_nobody_else_holds_is_hidden(distribution: DistributionTestHelper, world: QueryNode, a: DataNode) -> None:
    """AA9: a mask is no failure."""
    a.mask("region", ["Oslo"])
    answer = world.query(["revenue.sum"], ["region"])
    assert (answer.table, answer.partial) == ({"Bari": 7, "Turku": 5}, False)
    a.unmask("region", ["Oslo"])
    assert world.query(["revenue.sum"], where={"region": "Oslo"}).value == 3


def test_a_mask_that_hides_nothing_says_so(distribution: DistributionTestHelper) -> None:
    """AA9: rows are found by members of distributing levels only; of another level they would go on being counted."""
    rows = [{"region": "Oslo", "item": "tea", "revenue": 3}]
    a = distribution.data_node("a", {"sales": rows})
    world = distribution.query_node("world", REGIONS)
    report = a.mask("item", ["tea"])
    assert (report.complete, report.acknowledged) == (False, ())
    assert report.failures == {"world@world": "its data cubes are not divided by 'item.item.item'"}
    assert world.query(["revenue.sum"]).value == 3
    assert a.unmask("item", ["tea"]).complete
