"""AA2 to AA10 and AA13, each as it is written down, through the helper that users have."""

from __future__ import annotations

import pytest

from app_framework.distribution import DataNodeUnavailableError
from app_framework.errors import ServiceUnavailableError
from app_framework.olap import QueryError
from app_framework.testing import DataNode, DistributionTestHelper, JoinRefusedError, QueryNode

REGIONS = {"app": ["region"]}
NORTH: list[dict[str, object]] = [
    {"region": "Oslo", "product": "tea", "revenue": 3},
    {"region": "Turku", "product": "rum", "revenue": 5},
]
SOUTH: list[dict[str, object]] = [{"region": "Bari", "product": "tea", "revenue": 7}]
SALES: list[dict[str, object]] = [
    {"region": "north", "product": "tea", "year": 2023, "revenue": 3},
    {"region": "north", "product": "rum", "year": 2024, "revenue": 4},
    {"region": "south", "product": "tea", "year": 2024, "revenue": 5},
]
COSTS: list[dict[str, object]] = [{"region": "north", "cost": 10}, {"region": "south", "cost": 20}]
TIME = {"Time": {"levels": ["year"], "slicing": True}}
BOTH = ["revenue.sum", "cost.sum"]


def two_applications(distribution: DistributionTestHelper, replication: str | None) -> QueryNode:
    """Return a world of sales, which know product and the slicing year, and of costs, which know neither."""
    types = {"sales": {"year": "integer"}}
    distribution.data_node("s", {"sales": SALES}, application="sales", dimensions=TIME, columns=types)
    distribution.data_node("c", {"costs": COSTS}, application="costs")
    options = {} if replication is None else {"replication": replication}
    return distribution.query_node("world", {"sales": [], "costs": []}, **options)  # type: ignore[arg-type]


def test_aa2_the_topology_of_a_world_is_the_union_of_its_applications(distribution: DistributionTestHelper) -> None:
    world = two_applications(distribution, None)
    assert world.members("product") == ("rum", "tea")
    assert world.query(BOTH, ["region"], {"year": 2024}).table == {"north": (4, 10), "south": (5, 20)}


AT_NO_PRODUCT, AT_EACH_PRODUCT = {"tea": (3, None), "rum": (None, None)}, {"tea": (3, 30), "rum": (None, 30)}
IN_2023_ONLY, IN_EACH_YEAR = {2023: (3, 30), 2024: (9, None)}, {2023: (3, 30), 2024: (9, 30)}
NOWHERE, IN_EACH_REGION = {"north": None, "south": None}, {"north": 10, "south": 20}


@pytest.mark.parametrize(
    ("replication", "by_product", "by_year", "in_2024"),
    [
        (None, AT_NO_PRODUCT, IN_EACH_YEAR, IN_EACH_REGION),
        ("on-slicer", AT_NO_PRODUCT, IN_EACH_YEAR, IN_EACH_REGION),
        ("always", AT_EACH_PRODUCT, IN_EACH_YEAR, IN_EACH_REGION),
        ("never", AT_NO_PRODUCT, IN_2023_ONLY, NOWHERE),
    ],
)
def test_aa2_where_the_numbers_of_an_application_stand_that_lacks_a_hierarchy(
    distribution: DistributionTestHelper,
    replication: str | None,
    by_product: dict[str, object],
    by_year: dict[int, object],
    in_2024: dict[str, object],
) -> None:
    """A slicing hierarchy that nobody names is at its first member, 2023; a total counts each application once."""
    world = two_applications(distribution, replication)
    answer = world.query(BOTH, ["product"], totals="grand")
    assert {product: answer.table.get(product, (None, None)) for product in by_product} == by_product
    assert answer.total("cost.sum") == 30
    assert world.query(BOTH, ["year"]).table == by_year
    found = world.query(["cost.sum", "count"], ["region"], {"year": 2024})
    assert {region: found.cell(region=region, measure="cost.sum") for region in in_2024} == in_2024


@pytest.fixture
def concealing(distribution: DistributionTestHelper) -> DataNode:
    node = distribution.data_node(
        "a",
        {"sales": NORTH},
        concealed_hierarchies=["product"],
        concealed_measures=["revenue.avg"],
        concealed_branches=["secret"],
    )
    node.create_branch("secret")
    return node


def test_aa3_what_is_concealed_is_not_there(distribution: DistributionTestHelper, concealing: DataNode) -> None:
    """Its members were never sent, and no near match names it."""
    world = distribution.query_node("world", REGIONS)
    assert "product" not in str(world.discovery())
    assert "revenue.avg" not in str(world.discovery())
    codes = {"UNKNOWN_LEVEL": world.error(["count"], ["product"]), "UNKNOWN_MEASURE": world.error(["revenue.avg"])}
    codes["UNKNOWN_BRANCH"] = world.error(["count"], branch="secret")
    for code, error in codes.items():
        assert isinstance(error, QueryError)
        assert [problem.code for problem in error.problems] == [code]
        assert not {"product", "revenue.avg", "secret"} & set(error.problems[0].near)
    assert concealing.query(["revenue.avg"], ["product"], branch="secret").table == {"rum": 5.0, "tea": 3.0}


def test_aa4_a_member_is_on_one_node(distribution: DistributionTestHelper) -> None:
    """The second node is refused loudly, with member and both nodes; the first keeps answering."""
    distribution.data_node("a", {"sales": NORTH})
    world = distribution.query_node("world", REGIONS)
    with pytest.raises(JoinRefusedError) as refused:
        distribution.data_node("b", {"sales": [*SOUTH, NORTH[0]]})
    assert {word for word in ("'Oslo'", "a/sales", "b/sales") if word in str(refused.value)} == {
        "'Oslo'", "a/sales", "b/sales",
    }  # fmt: skip
    assert world.query(["count"]).value == 2


def test_aa5_exactly_one_replica_serves_each_member(distribution: DistributionTestHelper) -> None:
    """The lower number first; killing it moves its members to the other within the running query."""
    first = distribution.data_node("first", {"sales": [*NORTH, *SOUTH]}, priority=1)
    distribution.data_node("second", {"sales": NORTH}, priority=2)
    distribution.data_node("third", {"sales": SOUTH}, priority=3)
    world = distribution.query_node("world", REGIONS, data_overlap=True)
    assert world.query(["revenue.sum"]).value == 15
    assert world.asked.names == {"first"}
    distribution.hold(first)
    running = world.begin(["revenue.sum"], ["region"])
    distribution.kill(first)
    assert running.result().table == {"Oslo": 3, "Turku": 5, "Bari": 7}
    assert set(running.result().versions) == {"second", "third"}


def test_aa6_a_dead_node_is_named_and_never_a_number(distribution: DistributionTestHelper) -> None:
    """Also after the query node was restarted, until the node is back, or left; partial says what is missing."""
    a = distribution.data_node("a", {"sales": NORTH})
    b = distribution.data_node("b", {"sales": SOUTH})
    world = distribution.query_node("world", REGIONS)
    distribution.hold(a)
    running = world.begin(["revenue.sum"])
    distribution.kill(a)
    for error in (running.error(), world.error(["revenue.sum"])):
        assert isinstance(error, DataNodeUnavailableError)
        assert (error.node, error.retryable) == ("a", True)
        assert error.members == {"region": ["Oslo", "Turku"]}
    assert world.query(["revenue.sum"], where={"region": "Bari"}).value == 7
    distribution.restart(world)
    assert isinstance(world.error(["revenue.sum"]), ServiceUnavailableError)
    part = world.query(["revenue.sum"], unavailable="partial")
    assert (part.value, part.partial) == (7, True)
    assert part.missing[0] == {"node": "a", "members": {"region": ["Oslo", "Turku"]}}
    distribution.restart(a)
    assert world.query(["revenue.sum"]).value == 15
    b.stop_distribution()
    distribution.kill(b)
    assert world.query(["revenue.sum"]).value == 8


def test_aa7_who_comes_and_goes_leaves_nothing_behind(distribution: DistributionTestHelper) -> None:
    """A late node is part of the answers within two seconds; after a hundred cycles as many tasks run as before."""
    world = distribution.query_node("world", REGIONS)
    before = distribution.now
    a = distribution.data_node("a", {"sales": NORTH})
    assert world.query(["count"]).value == 2
    assert distribution.now - before < 2
    tasks = distribution.tasks
    for _ in range(100):
        a.stop_distribution()
        a.start_distribution()
    assert world.query(["count"]).value == 2
    assert distribution.tasks == tasks


def test_aa8_a_branch_is_there_where_it_was_made(distribution: DistributionTestHelper) -> None:
    """The query cube has the branches of all; a node without the branch answers from its master."""

    def positions(book: str, **quantities: int) -> list[dict[str, object]]:
        return [{"book": book, "currency": name, "quantity": number} for name, number in quantities.items()]

    a = distribution.data_node("a", {"positions": positions("A", EUR=2, GBP=10)})
    distribution.data_node("b", {"positions": positions("B", EUR=6, GBP=7, CHF=9)})
    world = distribution.query_node("world", {"app": ["book"]})
    a.create_branch("scenario")
    a.delete("positions", branch="scenario")
    a.add("positions", positions("A", BTC=1, EUR=3, USD=4, JPY=5), branch="scenario")
    answer = world.query(["quantity.sum"], ["currency"], branch="scenario", totals="grand")
    assert answer.table == {"BTC": 1, "EUR": 9, "USD": 4, "JPY": 5, "GBP": 7, "CHF": 9}
    assert answer.total() == 35
    assert world.query(["quantity.sum"]).value == 34


def test_aa9_rows_may_go_once_everybody_has_acknowledged(distribution: DistributionTestHelper) -> None:
    """No query in between misses a member that a replica has; masks survive; roll-over is one call."""
    old = distribution.data_node("old", {"sales": NORTH}, priority=1)
    distribution.data_node("new", {"sales": NORTH}, priority=2)
    worlds = [distribution.query_node(name, REGIONS, cube="world", data_overlap=True) for name in ("w1", "w2")]
    report = distribution.mask(old, "region", ["Oslo"])
    assert (report.complete, sorted(report.acknowledged)) == (True, ["world@w1", "world@w2"])
    old.delete("sales", {"region": "Oslo"})
    distribution.restart(worlds[0])
    for world in worlds:
        assert world.query(["revenue.sum"], ["region"]).table == {"Oslo": 3, "Turku": 5}
    old.add("sales", [NORTH[0]])
    rolled = old.roll_over("region", mask=["Turku"], unmask=["Oslo"])
    assert rolled.complete
    for world in worlds:
        assert world.plan(["count"]).members("old") == {"region": ("Oslo",)}
        assert world.plan(["count"]).members("new") == {"region": ("Turku",)}


def test_aa10_other_measures_are_refused_with_the_difference(distribution: DistributionTestHelper) -> None:
    distribution.data_node("a", {"sales": NORTH}, measures={"top": {"max": "revenue"}})
    distribution.query_node("world", REGIONS)
    with pytest.raises(JoinRefusedError) as refused:
        distribution.data_node("b", {"sales": SOUTH}, measures={"top": {"min": "revenue"}, "more": {"count": "*"}})
    text = str(refused.value)
    assert all(word in text for word in ("'top'", "max(revenue)", "min(revenue)", "'more'", "a/sales", "b/sales"))


def test_aa13_a_commit_is_seen_whole_or_not_at_all(distribution: DistributionTestHelper) -> None:
    """Two rows come in one commit; whether it was announced by then or not, a question sees both or neither."""
    a = distribution.data_node("a", {"sales": NORTH})
    b = distribution.data_node("b", {"sales": SOUTH})
    world = distribution.query_node("world", REGIONS)
    before = world.query(["revenue.sum"])
    assert before.versions == {"a": a.version, "b": b.version}
    done = distribution.commit(a, "sales", [{"region": "Oslo", "revenue": n} for n in (100, 1000)], wait=False)
    answer = world.query(["revenue.sum"])
    assert (answer.value, answer.versions["a"]) in [(15, before.versions["a"]), (1115, done.version)]
    distribution.settle()
    assert world.query(["revenue.sum"]).value == 1115
    assert world.query(["revenue.sum"], version=before.versions).value == 15
