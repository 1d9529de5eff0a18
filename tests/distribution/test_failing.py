"""AA6: a data node that has to answer and does not: never a number, always its name."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from app_framework.database.errors import QueryTimeoutError
from app_framework.distribution.errors import DataNodeUnavailableError, PartTooLargeError
from app_framework.distribution.limits import DistributionLimits
from app_framework.distribution.standing import node_left
from app_framework.distribution.subjects import Places
from app_framework.testing import DataNode, DistributionTestHelper, QueryNode

OSLO: list[dict[str, object]] = [{"region": "Oslo", "revenue": 3}, {"region": "Turku", "revenue": 5}]
BARI: list[dict[str, object]] = [{"region": "Bari", "revenue": 7}]
REGIONS = {"app": ["region"]}


@pytest.fixture
def a(distribution: DistributionTestHelper) -> DataNode:
    return distribution.data_node("a", {"sales": OSLO})


@pytest.fixture
def b(distribution: DistributionTestHelper) -> DataNode:
    return distribution.data_node("b", {"sales": BARI})


@pytest.fixture
def world(distribution: DistributionTestHelper, a: DataNode, b: DataNode) -> QueryNode:
    return distribution.query_node("world", REGIONS)


def refusal(world: QueryNode, **more: Any) -> DataNodeUnavailableError:
    """Return why a question for everything is refused."""
    error = world.error(["revenue.sum"], **more)
    assert isinstance(error, DataNodeUnavailableError)
    return error


def test_who_dies_under_a_question_is_named(
    distribution: DistributionTestHelper, a: DataNode, world: QueryNode
) -> None:
    """AA6: with its members, within the time in which it is noticed; also by every later question that needs it."""
    distribution.hold(a)
    running = world.begin(["revenue.sum"])
    began = distribution.now
    distribution.kill(a)
    error = running.error()
    assert isinstance(error, DataNodeUnavailableError)
    assert distribution.now - began <= distribution.limits.suspect_s + 1
    assert (error.node, error.members, error.retryable) == ("a", {"region": ["Oslo", "Turku"]}, True)
    again = refusal(world, where={"region": ["Turku", "Bari"]})
    assert again.missing == ({"node": "a", "members": {"region": ["Turku"]}},)
    assert world.query(["revenue.sum"], where={"region": "Bari"}).value == 7


def test_a_restarted_query_node_names_whom_it_never_heard(
    distribution: DistributionTestHelper, a: DataNode, b: DataNode, world: QueryNode
) -> None:
    """AA6: from what stands written, members and all; a question that does not need it is answered."""
    distribution.kill(a)
    distribution.restart(world)
    error = refusal(world)
    assert (error.node, error.members) == ("a", {"region": ["Oslo", "Turku"]})
    assert world.query(["revenue.sum"], where={"region": "Bari"}).value == 7
    assert world.query(["revenue.sum"], unavailable="partial").value == 7
    with pytest.raises(DataNodeUnavailableError, match="'a'"):
        world.members("region")
    distribution.kill(b)
    distribution.restart(world)
    assert {missing["node"] for missing in refusal(world).missing} == {"a", "b"}


def test_it_answers_again_when_it_is_back(distribution: DistributionTestHelper, a: DataNode, world: QueryNode) -> None:
    """AA6: as another incarnation, which is discovered first."""
    distribution.kill(a)
    refusal(world)
    distribution.restart(a)
    assert world.query(["revenue.sum"]).value == 15


def test_removal_from_the_cluster_is_a_leave(
    distribution: DistributionTestHelper, a: DataNode, world: QueryNode
) -> None:
    """AA6: `stop` and `deregister`; a node that is taken in again joins by itself."""
    distribution.kill(a)
    refusal(world)
    left = world._node.living.wait(node_left(distribution.store, Places("Cluster"), "a"))
    distribution.run_ready()
    assert left == ("a/sales",)
    assert world.query(["revenue.sum"]).value == 7
    distribution.restart(a)
    assert world.query(["revenue.sum"]).value == 15


def test_a_silent_node_is_not_waited_for(distribution: DistributionTestHelper, a: DataNode, world: QueryNode) -> None:
    """AA6: it hangs, as under SIGSTOP; what it had begun to answer is not waited for either."""
    distribution.hold(a)
    running = world.begin(["revenue.sum"])
    distribution.advance(distribution.limits.suspect_s * 1.5)
    assert isinstance(running.error(), DataNodeUnavailableError)
    assert world.nodes["a"].state == "suspect"
    began = distribution.now
    refusal(world)
    assert distribution.now == began
    distribution.release(a)
    distribution.settle()
    assert world.query(["revenue.sum"]).value == 15


def test_two_query_nodes_stand_by_the_same_record(distribution: DistributionTestHelper, a: DataNode) -> None:
    """AA6: what one of them let in the other one needs, though it never heard of it."""
    first = distribution.query_node("first", REGIONS, cube="world")
    assert first.query(["count"]).value == 2
    distribution.kill(a)
    second = distribution.query_node("second", REGIONS, cube="world")
    assert refusal(second).node == "a"


def test_nothing_stays_under_way_when_the_caller_goes(
    distribution: DistributionTestHelper, a: DataNode, world: QueryNode
) -> None:
    """A18: the data nodes are told, and stop."""
    distribution.hold("a", "world", one_way=True)
    running = world.begin(["revenue.sum"])
    assert world._node.living.messenger.requests_open == 1
    running._task.cancel()
    distribution.run_ready()
    assert world._node.living.messenger.requests_open == 0
    assert a._node.living.messenger.calls_open == 0
    assert world.cube._roster is not None
    assert world.cube._roster.loads == {}


def test_a_deadline_holds(distribution: DistributionTestHelper, world: QueryNode) -> None:
    """A18: for all of it, waiting for others included."""
    distribution.delay("a", 0.4)
    assert isinstance(world.error(["revenue.sum"], timeout=0.5), QueryTimeoutError)
    assert world.query(["revenue.sum"], timeout=2).value == 15


def test_what_is_too_much_is_refused_by_who_would_send_it() -> None:
    """AA6: and by who would merge it, each under its name."""
    with DistributionTestHelper(limits=DistributionLimits(rows_max=3)) as distribution:
        distribution.data_node("a", {"sales": [{"region": f"a{i}", "revenue": i} for i in range(3)]})
        b = distribution.data_node("b", {"sales": [{"region": f"b{i}", "revenue": i} for i in range(2)]})
        world = distribution.query_node("world", REGIONS)
        assert len(world.query(["count"], ["region"], {"region": {"prefix": "a"}})) == 3
        assert "more than 3 rows" in str(world.error(["count"], ["region"]))
        b.add("sales", [{"region": f"b{i}", "revenue": i} for i in range(2, 5)])
        error = world.error(["count"], ["region"])
        assert isinstance(error, PartTooLargeError)
        assert "'b'" in str(error)
        assert isinstance(world.error(["count"], ["region"], unavailable="partial"), PartTooLargeError)


def test_a_query_node_that_stood_still_itself_loses_nobody(
    distribution: DistributionTestHelper, a: DataNode, world: QueryNode
) -> None:
    """AA6: under SIGSTOP, or while its loop was busy, it heard nothing; that says nothing of others."""
    distribution.hold(a)
    running = world.begin(["revenue.sum"])
    distribution._loop._jump(distribution.limits.suspect_s * 3)
    distribution.run_ready()
    distribution.release(a)
    assert running.result().value == 15
    assert {node.state for node in world.nodes.values()} == {"active"}


def test_another_application_is_a_leave_of_the_one_before(distribution: DistributionTestHelper, a: DataNode) -> None:
    """AA6: a node that comes back as a part of something else is not waited for."""
    distribution.data_node("b", {"sales": BARI})
    world = distribution.query_node("world", {"app": ["region"], "other": ["region"]})
    assert world.query(["count"]).value == 3
    distribution.kill(a)
    a.setting = replace(a.setting, application="elsewhere")
    distribution.restart(a)
    assert world.query(["count"]).value == 1
    assert sorted(world.nodes) == ["b"]


def test_what_is_too_large_to_travel_is_refused_before_it_has() -> None:
    """AA6: by the one who asked, whatever the data node sends."""
    with DistributionTestHelper(limits=DistributionLimits(bytes_max=300_000)) as distribution:
        rows = [{"region": "Oslo", "revenue": number} for number in range(40_000)]
        distribution.data_node("a", {"sales": rows}, measures={"middle": {"median": "revenue"}})
        world = distribution.query_node("world", REGIONS)
        assert world.query(["count"]).value == 40_000
        error = world.error(["middle"])
        assert isinstance(error, PartTooLargeError)
        assert "300,000 bytes" in str(error)
