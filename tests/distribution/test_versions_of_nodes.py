"""AA8, AA13: what is read is a version of every node, that of a branch where it has one."""

from __future__ import annotations

import pytest

from app_framework.olap import Drillthrough
from app_framework.olap.errors import QueryError, UnknownBranchError, UnknownVersionError
from app_framework.testing import DataNode, DistributionTestHelper, QueryNode


def money(desk: str, **held: int) -> list[dict[str, object]]:
    """Return the rows of a desk that holds some of each currency."""
    return [{"desk": desk, "currency": currency, "held": amount} for currency, amount in held.items()]


@pytest.fixture
def a(distribution: DistributionTestHelper) -> DataNode:
    node = distribution.data_node("a", {"positions": money("a", BTC=2, EUR=2, GBP=4, USD=4)})
    node.create_branch("scenario")
    node.delete("positions", branch="scenario")
    node.add("positions", money("a", BTC=1, EUR=3, USD=4, JPY=5), branch="scenario")
    return node


@pytest.fixture
def b(distribution: DistributionTestHelper) -> DataNode:
    return distribution.data_node("b", {"positions": money("b", EUR=6, GBP=7, CHF=9)})


@pytest.fixture
def world(distribution: DistributionTestHelper, a: DataNode, b: DataNode) -> QueryNode:
    return distribution.query_node("world", {"app": ["desk"]})


def test_a_branch_of_one_is_read_beside_master_of_the_other(world: QueryNode) -> None:
    """AA8: the numbers of the scenario."""
    scenario = world.query(["held.sum"], ["currency"], branch="scenario")
    assert scenario.table == {"BTC": 1, "EUR": 9, "USD": 4, "JPY": 5, "GBP": 7, "CHF": 9}
    assert world.query(["held.sum"], branch="scenario").value == 35
    assert world.query(["held.sum"]).value == 34
    assert world.members("currency", branch="scenario") == ("BTC", "CHF", "EUR", "GBP", "JPY", "USD")


def test_a_branch_that_nobody_has_is_unknown(world: QueryNode) -> None:
    """AA8: with near matches among those that there are."""
    error = world.error(["held.sum"], branch="scenarios")
    assert isinstance(error, UnknownBranchError)
    assert error.problems[0].near == ("scenario",)


def test_a_branch_of_which_one_node_is_rid_is_its_master(a: DataNode, world: QueryNode) -> None:
    """AA8: a branch ends on the query cube when it ends on the last data cube."""
    a.delete_branch("scenario")
    assert isinstance(world.error(["held.sum"], branch="scenario"), UnknownBranchError)


def test_distributing_members_of_a_branch_are_its_own(a: DataNode, world: QueryNode) -> None:
    """AA8: what only the branch holds is asked of it, and what it lacks is not."""
    a.add("positions", money("c", EUR=100), branch="scenario")
    assert world.query(["held.sum"], where={"desk": "c"}, branch="scenario").value == 100
    assert world.query(["count"], where={"desk": "c"}).value == 0
    a.delete("positions", {"desk": "a"}, branch="scenario")
    assert world.query(["count"], where={"desk": "a"}, branch="scenario").versions == {}


def test_what_two_hold_on_a_branch_is_refused_there(a: DataNode, world: QueryNode) -> None:
    """AA4, AA8: master answers still."""
    a.add("positions", money("b", EUR=100), branch="scenario")
    error = world.error(["held.sum"], branch="scenario")
    assert isinstance(error, QueryError)
    assert all(word in str(error) for word in ("'scenario'", "'a/positions'", "'b/positions'", "'b'"))
    assert world.query(["held.sum"]).value == 34


def test_versions_can_be_asked_for_again(a: DataNode, b: DataNode, world: QueryNode) -> None:
    """AA13: per node; members that were moved since are found where they were."""
    before = world.query(["held.sum"], ["currency"])
    a.add("positions", money("x", EUR=100))
    a.delete("positions", {"currency": "BTC"})
    assert world.query(["held.sum"]).value == 132
    again = world.query(["held.sum"], ["currency"], version=before.versions)
    assert again == before
    assert again.versions == before.versions
    assert world.query(["count"], where={"desk": "x"}, version=before.versions).value == 0
    rows = Drillthrough({"currency": "BTC"}, ["held"], version=before.versions)
    assert list(world._node.living.wait(world.cube.drillthrough(rows))) == [(2,)]


def test_versions_in_which_two_hold_the_same_are_refused(a: DataNode, b: DataNode, world: QueryNode) -> None:
    """AA4, AA13: what has moved since would be counted twice."""
    before = a.version
    a.delete("positions")
    b.add("positions", money("a", BTC=2))
    assert world.query(["held.sum"], where={"currency": "BTC"}).value == 2
    error = world.error(["held.sum"], version={"a": before})
    assert isinstance(error, QueryError)
    assert "in these versions data cubes 'a/positions' and 'b/positions' both hold 'a'" in str(error)


def test_a_plain_number_is_no_version_of_several_nodes(a: DataNode, world: QueryNode) -> None:
    """AA13: nor is that of a node that there is not, nor one that is not kept."""
    error = world.error(["held.sum"], version=a.version)
    assert isinstance(error, QueryError)
    assert "{node: number}" in str(error)
    assert isinstance(world.error(["held.sum"], version={"c": 1}), UnknownVersionError)
    assert isinstance(world.error(["held.sum"], version={"a": 1}), UnknownVersionError)


def test_a_commit_is_seen_whole_or_not_at_all(
    distribution: DistributionTestHelper, a: DataNode, world: QueryNode
) -> None:
    """AA13: rows of a member that is known and of one that is new come together, once they are announced."""
    distribution.hold("a", "world", one_way=True)
    running = world.begin(["held.sum"])
    a.add("positions", [*money("a", EUR=1_000), *money("z", EUR=10_000)], wait=False)
    distribution.run_ready()
    distribution.release("a", "world")
    first = running.result()
    assert (first.value, first.versions["a"]) == (34, a.database.versions[-2])
    distribution.settle()
    assert world.query(["held.sum"]).value == 11_034


def test_a_version_that_is_gone_is_waited_for(
    distribution: DistributionTestHelper, a: DataNode, world: QueryNode
) -> None:
    """AA13: the question begins again with what is announced next, within its time."""
    distribution.hold("a", "world", one_way=True)
    for number in range(a.database.limits.versions_kept + 1):
        a.add("positions", money(f"n{number}", EUR=1), wait=False)
    running = world.begin(["held.sum"])
    distribution.release("a", "world")
    assert running.result().value == 34 + a.database.limits.versions_kept + 1


def test_an_announcement_that_never_comes_refuses(
    distribution: DistributionTestHelper, a: DataNode, world: QueryNode
) -> None:
    """AA13: no number is made of a version whose members are not known."""
    a.distributed._tasks.clear()  # its commits are told by nobody any more
    for task in [task for task in distribution._loop.tasks_of("a#1") if "commits" in task.get_name()]:
        task.cancel()
    for number in range(a.database.limits.versions_kept + 1):
        a.add("positions", money(f"n{number}", EUR=1), wait=False)
    error = world.error(["held.sum"])
    assert "members of its newest version" in str(error)
