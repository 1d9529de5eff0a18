"""AA6: a query node was started again while data nodes are down: what they have is not left out without a word."""

from __future__ import annotations

from typing import Any

import pytest

from app_framework.errors import ServiceUnavailableError
from app_framework.testing import DataNode, DistributionTestHelper

COUNT = {"lines": {"count": "*"}}


def _node(distribution: DistributionTestHelper, name: str, application: str, rows: list[dict[str, Any]]) -> DataNode:
    columns = {column: [column] for column in rows[0] if column != "amount"}
    dimensions: dict[str, object] = {**columns}
    if "slice" in columns:
        dimensions["slice"] = {"levels": ["slice"], "slicing": True}
    measures = {**COUNT, application: {"sum": "amount"}}
    return distribution.data_node(
        name, {"facts": rows}, application=application, dimensions=dimensions, measures=measures, derive=False
    )


def test_a_measure_of_several_applications_needs_those_that_are_not_heard_of(
    distribution: DistributionTestHelper,
) -> None:
    """What only others have is answered, and a partial answer says what is missing."""
    _node(distribution, "s", "sales", [{"product": "tea", "amount": 1}])
    _node(distribution, "p", "plans", [{"product": "tea", "amount": 2}, {"product": "pie", "amount": 3}])
    ratio = {"ratio": {"formula": "sales / lines"}}
    world = distribution.query_node("world", applications={"sales": [], "plans": []}, measures=ratio)
    assert world.query(measures=["lines"]).value == 3
    distribution.kill("p")
    distribution.restart(world)
    for measure in ("lines", "ratio"):
        with pytest.raises(ServiceUnavailableError, match="'p'"):
            world.query(measures=[measure], levels=["product"])
    assert world.query(measures=["sales"]).value == 1
    partial = world.query(measures=["lines"], unavailable="partial")
    assert (partial.value, partial.partial, partial.missing) == (1, True, ({"node": "p", "members": {}},))
    distribution.restart("p")
    assert world.query(measures=["lines"]).value == 3


def test_a_default_member_is_the_first_of_all_nodes(distribution: DistributionTestHelper) -> None:
    """A slicing hierarchy that is not named stands at the first member of all, and a dead node may have it."""
    _node(distribution, "a", "app", [{"region": "N", "slice": 1, "amount": 1}])
    _node(
        distribution, "b", "app", [{"region": "S", "slice": 2, "amount": 2}, {"region": "S", "slice": 1, "amount": 4}]
    )
    _node(distribution, "c", "app", [{"region": "T", "slice": 2, "amount": 8}])
    world = distribution.query_node("world", applications={"app": ["region"]})
    asked: dict[str, Any] = {"measures": ["app"], "where": {"region": ["S", "T"]}}
    assert world.query(**asked).value == 4
    distribution.kill("a")
    assert world.query(**asked).value == 4
    distribution.restart(world)
    with pytest.raises(ServiceUnavailableError, match="'a' for region N"):
        world.query(**asked)
    assert world.query(measures=["app"], where={"region": ["S", "T"], "slice": 2}).value == 10


def test_values_repeat_at_the_members_of_all_nodes(distribution: DistributionTestHelper) -> None:
    """AA2: with `always` a plan stands at every year that a node of the sales knows."""
    _node(distribution, "a", "sales", [{"year": 2023, "amount": 1}])
    _node(distribution, "b", "sales", [{"year": 2024, "amount": 1}])
    _node(distribution, "p", "plans", [{"product": "tea", "amount": 7}])
    applications = {"sales": ["year"], "plans": []}
    world = distribution.query_node("world", applications=applications, replication="always")
    assert world.query(measures=["plans"], levels=["year"]).rows == [(2023, 7), (2024, 7)]
    distribution.kill("a")
    distribution.restart(world)
    with pytest.raises(ServiceUnavailableError, match="'a' for year 2023"):
        world.query(measures=["plans"], levels=["year"])
    assert world.query(measures=["plans"]).value == 7


def test_what_a_dead_node_held_in_an_older_version_is_not_what_it_holds_now(
    distribution: DistributionTestHelper,
) -> None:
    """AA13: so a question for that version needs it, also when its members of now do not pass the filter."""
    _node(distribution, "a", "app", [{"region": "N", "amount": 1}, {"region": "X", "amount": 4}])
    _node(distribution, "b", "app", [{"region": "S", "amount": 2}])
    world = distribution.query_node("world", applications={"app": ["region"]})
    before = world.query(measures=["app"]).versions
    distribution.delete("a", "facts", {"region": "X"})
    asked: dict[str, Any] = {"measures": ["app"], "where": {"region": ["S", "X"]}, "version": before}
    assert world.query(**asked).value == 6
    distribution.kill("a")
    distribution.advance(5)
    for _ in ("it is silent", "the query node begins anew"):
        with pytest.raises(ServiceUnavailableError, match="'a'"):
            world.query(**asked)
        assert world.query(measures=["app"], where={"region": ["S", "X"]}).value == 2
        distribution.restart(world)


def test_a_branch_of_a_node_that_is_not_heard_of_is_not_unknown(distribution: DistributionTestHelper) -> None:
    """AA8: and what it holds there is not what it holds on master."""
    a = _node(distribution, "a", "app", [{"region": "N", "amount": 1}])
    b = _node(distribution, "b", "app", [{"region": "S", "amount": 2}])
    world = distribution.query_node("world", applications={"app": ["region"]})
    for node, region in ((a, "X"), (b, "S")):
        node.create_branch("plan")
        node.add("facts", [{"region": region, "amount": 8}], branch="plan")
    asked: dict[str, Any] = {"measures": ["app"], "where": {"region": ["S", "X"]}, "branch": "plan"}
    assert world.query(**asked).value == 18
    distribution.kill("a")
    distribution.restart(world)
    with pytest.raises(ServiceUnavailableError, match="'a'"):
        world.query(**asked)
    distribution.kill("b")
    distribution.restart(world)
    with pytest.raises(ServiceUnavailableError, match="'a'"):
        world.query(measures=["app"], branch="plan")
