"""The helper for tests of distributed cubes: a bad day on demand, in one thread and virtual time."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from app_framework.errors import ServiceUnavailableError
from app_framework.testing import (
    DataNode,
    DistributionTestHelper,
    JoinRefusedError,
    NodeIsDownError,
    QueryNode,
    ResultMismatchError,
    UnknownNodeError,
)

NORTH: list[dict[str, object]] = [
    {"region": "Oslo", "product": "tea", "revenue": 3},
    {"region": "Oslo", "product": "rum", "revenue": 4},
    {"region": "Turku", "product": "tea", "revenue": 5},
]
SOUTH: list[dict[str, object]] = [
    {"region": "Bari", "product": "tea", "revenue": 7},
    {"region": "Graz", "product": None, "revenue": 11},
]
REGIONS = {"app": ["region"]}


@pytest.fixture
def a(distribution: DistributionTestHelper) -> DataNode:
    return distribution.data_node("a", {"sales": NORTH})


@pytest.fixture
def b(distribution: DistributionTestHelper) -> DataNode:
    return distribution.data_node("b", {"sales": SOUTH})


@pytest.fixture
def world(distribution: DistributionTestHelper, a: DataNode, b: DataNode) -> QueryNode:
    return distribution.query_node("world", REGIONS)


def test_world_equals_its_parts(distribution: DistributionTestHelper) -> None:
    """The example that every reader of the product sees first, to the letter."""
    north, south = NORTH, SOUTH
    a = distribution.data_node("a", rows={"sales": north}, cube="sales", application="app")
    b = distribution.data_node("b", rows={"sales": south}, cube="sales", application="app")
    world = distribution.query_node("world", applications={"app": ["region"]})
    expected = distribution.oracle().query(measures=["revenue.sum"], levels=["region"])
    assert world.query(measures=["revenue.sum"], levels=["region"]) == expected
    distribution.hold(a)
    distribution.kill(a)
    with pytest.raises(ServiceUnavailableError):
        world.query(measures=["revenue.sum"])
    distribution.restart(a)
    assert world.query(measures=["count"]) == distribution.oracle().query(measures=["count"])
    assert b.alive


def test_an_answer_says_what_each_node_answered_from(a: DataNode, b: DataNode, world: QueryNode) -> None:
    """AA13: versions of every node that was read, and of no other."""
    assert world.query(["revenue.sum"]).versions == {"a": a.version, "b": b.version}
    assert world.query(["revenue.sum"], where={"region": "Bari"}).versions == {"b": b.version}


def test_only_those_are_asked_that_can_have_something(world: QueryNode) -> None:
    """What was sent is told by the network itself."""
    assert world.query(["count"], where={"region": ["Oslo", "Turku"]}).value == 3
    assert world.asked.names == {"a"}
    assert world.asked.round_trips == 1
    assert world.asked.bytes["a"] > 0
    assert world.query(["count"]).value == 5
    assert world.asked.names == {"a", "b"}


def test_a_plan_names_nodes_and_members(world: QueryNode) -> None:
    plan = world.plan(["revenue.sum"], ["product"], {"region": ["Oslo", "Bari"]})
    assert sorted(plan.nodes) == ["a", "b"]
    assert "SELECT" in plan.sql


def test_a_commit_is_seen_after_it_was_announced(
    distribution: DistributionTestHelper, a: DataNode, world: QueryNode
) -> None:
    """AA13: never half of it."""
    done = distribution.commit(a, "sales", [{"region": "Narvik", "product": "tea", "revenue": 100}])
    answer = world.query(["revenue.sum"], where={"region": "Narvik"})
    assert (answer.value, answer.versions) == (100, {"a": done.version})
    a.delete("sales", {"region": "Narvik"})
    assert world.query(["count"], where={"region": "Narvik"}).value == 0


def test_a_node_that_comes_later_is_part_of_the_answers(distribution: DistributionTestHelper, world: QueryNode) -> None:
    """AA7: without restarting anything."""
    assert world.query(["count"]).value == 5
    distribution.data_node("c", {"sales": [{"region": "Faro", "product": "tea", "revenue": 1}]})
    assert world.query(["count"]).value == 6
    assert world.query(["revenue.sum"], ["region"]) == distribution.oracle().query(["revenue.sum"], ["region"])


def test_a_node_leaves_and_comes_back(distribution: DistributionTestHelper, b: DataNode, world: QueryNode) -> None:
    """A16, A17: both hold at once, and over a restart."""
    b.stop_distribution()
    assert world.query(["count"]).value == 3
    distribution.restart(b)
    assert (b.state, world.query(["count"]).value) == ("stopped", 3)
    b.start_distribution()
    assert world.query(["count"]).value == 5


def test_a_node_dies_while_it_is_asked(distribution: DistributionTestHelper, a: DataNode, world: QueryNode) -> None:
    """AA6: the question is under way when the node is killed, and never becomes a number."""
    distribution.hold(a)
    running = world.begin(["revenue.sum"])
    assert not running.done
    distribution.kill(a)
    error = running.error()
    assert isinstance(error, ServiceUnavailableError)
    assert "'a'" in str(error) or " a " in str(error)


def test_what_is_held_goes_on_where_it_was(distribution: DistributionTestHelper, a: DataNode, world: QueryNode) -> None:
    """Slow is not dead: the answer is the same, only later."""
    distribution.hold(a)
    running = world.begin(["revenue.sum"])
    distribution.advance(0.2)
    assert not running.done
    distribution.release(a)
    assert running.result().value == 30


def test_the_rest_is_answered_where_a_part_is_enough(
    distribution: DistributionTestHelper, a: DataNode, world: QueryNode
) -> None:
    distribution.kill(a)
    answer = world.query(["revenue.sum"], unavailable="partial")
    assert (answer.value, answer.partial) == (18, True)
    assert [missing["node"] for missing in answer.missing] == ["a"]


def test_a_query_node_that_starts_again_knows_who_must_answer(
    distribution: DistributionTestHelper, a: DataNode, world: QueryNode
) -> None:
    """AA6: a crash does not make the set smaller, and neither does another."""
    distribution.kill(a)
    distribution.restart(world)
    with pytest.raises(ServiceUnavailableError):
        world.query(["count"])
    distribution.restart(a)
    assert world.query(["count"]).value == 5


@pytest.mark.parametrize("fault", ["delay", "duplicate", "reorder"])
def test_a_bad_network_changes_no_number(distribution: DistributionTestHelper, world: QueryNode, fault: str) -> None:
    getattr(distribution, fault)("a", 0.3)
    distribution.delay("b", (0.0, 0.2))
    for _ in range(3):
        assert world.query(["revenue.sum", "count"]) == [(30, 5)]
    distribution.heal()
    assert world.query(["count"]).value == 5


def test_lost_messages_are_no_numbers_either(distribution: DistributionTestHelper, world: QueryNode) -> None:
    distribution.drop("a", 1.0)
    with pytest.raises(ServiceUnavailableError):
        world.query(["count"], timeout=5)
    distribution.heal()
    distribution.settle()
    assert world.query(["count"]).value == 5


def test_a_cut_network_refuses_until_it_is_whole(
    distribution: DistributionTestHelper, a: DataNode, world: QueryNode
) -> None:
    distribution.split([a])
    with pytest.raises(ServiceUnavailableError):
        world.query(["count"])
    distribution.heal()
    distribution.settle()
    assert world.query(["count"]).value == 5


def test_a_replica_takes_over_within_the_question(distribution: DistributionTestHelper) -> None:
    """AA5: the node with the lower number is asked; when it dies, the other one is."""
    first = distribution.data_node("first", {"sales": NORTH}, priority=1)
    distribution.data_node("second", {"sales": NORTH}, priority=2)
    world = distribution.query_node("world", REGIONS, data_overlap=True)
    assert world.query(["revenue.sum"]).value == 12
    assert world.asked.names == {"first"}
    distribution.hold(first)
    running = world.begin(["revenue.sum"])
    distribution.kill(first)
    assert running.result().value == 12
    assert world.query(["count"]) == distribution.oracle().query(["count"])


def test_masked_members_are_asked_of_the_replica(distribution: DistributionTestHelper) -> None:
    """AA9: everybody has said so before rows may be dropped."""
    first = distribution.data_node("first", {"sales": NORTH}, priority=1)
    distribution.data_node("second", {"sales": NORTH}, priority=2)
    world = distribution.query_node("world", REGIONS, data_overlap=True)
    report = distribution.mask(first, "region", ["Oslo"])
    assert (report.complete, report.acknowledged) == (True, ("world@world",))
    first.delete("sales", {"region": "Oslo"})
    assert world.query(["revenue.sum"], ["region"]).table == {"Oslo": 7, "Turku": 5}
    assert world.asked.names == {"first", "second"}
    distribution.unmask(first, "region", ["Oslo"])


def test_whoever_is_not_let_in_says_why(distribution: DistributionTestHelper, world: QueryNode) -> None:
    """AA4, AA10: loud by default; a test that is about it asks for the sentence."""
    with pytest.raises(JoinRefusedError, match="Oslo"):
        distribution.data_node("c", {"sales": NORTH})
    other = distribution.data_node("d", {"sales": SOUTH}, measures={"most": {"max": "revenue"}}, check=False)
    assert "most" in str(other.refusal)
    assert world.query(["count"]).value == 5


def test_a_branch_of_one_node_is_a_branch_of_the_world(
    distribution: DistributionTestHelper, a: DataNode, world: QueryNode
) -> None:
    """AA8: the others answer from master."""
    a.create_branch("what-if")
    a.add("sales", [{"region": "Oslo", "product": "tea", "revenue": 100}], branch="what-if")
    expected = distribution.oracle(branch="what-if").query(["revenue.sum"], ["region"])
    assert world.query(["revenue.sum"], ["region"], branch="what-if") == expected
    assert world.query(["revenue.sum"]).value == 30


def test_rows_and_members_come_from_all(world: QueryNode) -> None:
    assert world.members("region") == ("Bari", "Graz", "Oslo", "Turku")
    found = world.drillthrough({"product": "tea"}, ["region", "revenue"])
    assert sorted(found.rows) == [("Bari", 7), ("Oslo", 3), ("Turku", 5)]


def test_a_killed_node_is_not_asked_by_mistake(distribution: DistributionTestHelper, a: DataNode) -> None:
    assert a.query(["count"]).value == 3
    distribution.kill(a)
    with pytest.raises(NodeIsDownError, match="'a' was killed"):
        a.query(["count"])


def test_a_query_cube_may_stand_beside_data(distribution: DistributionTestHelper, b: DataNode) -> None:
    """A node of three roles: its rows, its part, and the whole."""
    distribution.data_node("a", {"sales": NORTH})
    world = distribution.query_node("a", REGIONS, cube="world")
    assert world.query(["count"]).value == 5
    distribution.restart("a")
    assert world.query(["count"]).value == 5


def test_aa12_the_same_seed_does_the_same() -> None:
    """AA12: message by message, delays and losses included."""

    def run(seed: int) -> str:
        with DistributionTestHelper(seed=seed) as distribution:
            distribution.data_node("a", {"sales": NORTH})
            distribution.data_node("b", {"sales": SOUTH})
            world = distribution.query_node("world", REGIONS)
            distribution.delay("a", (0.0, 0.5))
            distribution.duplicate("b", 0.5)
            for _ in range(3):
                world.query(["revenue.sum"])
            distribution.kill("a")
            world.error(["count"])
            return distribution.transcript()

    assert run(1) == run(1)
    assert run(1) != run(2)


def test_aa12_there_is_one_thread_and_no_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    """AA12: nothing is opened, slept or begun that a virtual clock cannot see."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a socket was opened, or a clock was looked at")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "socketpair", refuse)
    monkeypatch.setattr(time, "sleep", lambda seconds: refuse() if seconds else None)
    monkeypatch.setattr(time, "monotonic", refuse)
    before = threading.active_count()
    with DistributionTestHelper() as distribution:
        a = distribution.data_node("a", {"sales": NORTH})
        world = distribution.query_node("world", REGIONS)
        distribution.kill(a)
        assert world.error(["count"])
        distribution.restart(a)
        assert world.query(["count"]).value == 3
        assert threading.active_count() == before


def test_hours_go_by_at_once(distribution: DistributionTestHelper, world: QueryNode) -> None:
    distribution.advance(3_600)
    assert distribution.now >= 3_600
    assert world.query(["count"]).value == 5
    assert (world.asked.names, world.asked.round_trips) == ({"a", "b"}, 1)


def test_aa12_a_failed_test_shows_seed_and_transcript(pytester: pytest.Pytester) -> None:
    """AA12: what is needed to see it again."""
    pytester.makepyfile(
        """
        def test_numbers(distribution):
            distribution.data_node("a", {"sales": [{"region": "Oslo", "revenue": 3}]})
            world = distribution.query_node("world", {"app": ["region"]})
            assert world.query(["revenue.sum"]).value == 4
        """
    )
    outcome = pytester.runpytest_inprocess("-p", "no:cacheprovider", "--distribution-seed=7")
    outcome.assert_outcomes(failed=1)
    outcome.stdout.fnmatch_lines(
        ["*distributed cubes*", "seed 7, at *", "<DataNode 'a' of 'app'*", "*delivered*world → a*"]
    )


def test_a_wrong_expectation_reads_well(world: QueryNode) -> None:
    with pytest.raises(ResultMismatchError, match="row 1"):
        world.query(["revenue.sum"], ["region"]).assert_equals([("Bari", 7), ("Graz", 12), ("Oslo", 7), ("Turku", 5)])


def test_what_a_node_conceals_is_its_own(distribution: DistributionTestHelper) -> None:
    """AA3: the world does not know it, the node does."""
    a = distribution.data_node("a", {"sales": NORTH}, concealed_hierarchies=["product"], concealed_measures=["count"])
    world = distribution.query_node("world", REGIONS)
    assert a.query(["count"], ["product"]).table == {"rum": 1, "tea": 2}
    assert {problem.code for problem in world.error(["count"], ["product"]).problems} == {  # type: ignore[attr-defined]
        "UNKNOWN_LEVEL",
        "UNKNOWN_MEASURE",
    }


def test_applications_meet_in_one_world(distribution: DistributionTestHelper) -> None:
    """AA2: a formula over the measures of two; each has an oracle of its own."""
    distribution.data_node("a", {"sales": NORTH}, application="sales")
    costs = [{"region": "Oslo", "cost": 2}, {"region": "Turku", "cost": 4}]
    model = {"dimensions": {"region": ["region"]}, "measures": {"costs": {"count": "*"}}}
    distribution.data_node("b", {"costs": costs}, application="costs", derive=False, **model)
    applications = {"sales": ["region"], "costs": ["region"]}
    world = distribution.query_node("world", applications, measures={"each": {"formula": '"revenue.sum" / costs'}})
    assert world.query(["each"], ["region"]).table == {"Oslo": 7.0, "Turku": 5.0}
    assert distribution.oracle("costs").query(["costs"]).value == 2
    with pytest.raises(ValueError, match="costs, sales"):
        distribution.oracle()


def test_a_question_can_be_given_up(distribution: DistributionTestHelper, a: DataNode, world: QueryNode) -> None:
    distribution.hold(a)
    running = world.begin(["count"])
    running.cancel()
    assert running.done
    distribution.release(a)
    assert world.query(["count"]).value == 5


def test_a_step_is_one_turn_of_the_loop(distribution: DistributionTestHelper, a: DataNode, world: QueryNode) -> None:
    """Whoever wants to kill a node between two messages counts turns; nothing depends on the speed of the machine."""
    distribution.hold(a)
    running = world.begin(["count"])
    before = distribution.now
    distribution.release(a)
    turns = 0
    while not running.done:
        distribution.step()
        turns += 1
    assert 0 < turns < 200
    assert distribution.now == before


def test_a_node_may_begin_later(distribution: DistributionTestHelper, world: QueryNode) -> None:
    late = distribution.data_node("late", {"sales": [{"region": "Faro", "product": "tea", "revenue": 1}]}, start=False)
    assert not late.alive
    assert world.query(["count"]).value == 5
    distribution.restart(late)
    assert world.query(["count"]).value == 6


def test_an_oracle_is_made_once_for_the_same_rows(distribution: DistributionTestHelper, a: DataNode) -> None:
    before = distribution.oracle()
    assert distribution.oracle() is before
    a.add("sales", [{"region": "Oslo", "revenue": 1}])
    after = distribution.oracle()
    assert (before.query(["count"]).value, after.query(["count"]).value) == (3, 4)
    after.close()
    assert distribution.oracle().query(["count"]).value == 4


def test_a_model_may_come_from_yaml(distribution: DistributionTestHelper) -> None:
    text = """
    database: {tables: {sales: {columns: {region: varchar, revenue: bigint}}}}
    schemas: {S: {base: sales, cubes: {shop: {dimensions: {R: [region]}, measures: {sum: {sum: revenue}}}}}}
    """
    a = distribution.data_node("a", yaml=text)
    a.add("sales", [{"region": "Oslo", "revenue": 2}])
    assert distribution.query_node("world", REGIONS).query(["sum"], ["region"]) == [("Oslo", 2)]


def test_a_wrong_name_is_told_with_the_right_one(distribution: DistributionTestHelper, a: DataNode) -> None:
    with pytest.raises(UnknownNodeError, match="Did you mean: a"):
        distribution.hold("A")
    with pytest.raises(ValueError, match="a data node 'a' already"):
        distribution.data_node("a", {"sales": SOUTH})
