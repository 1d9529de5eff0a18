"""AA1: whatever type the members of a distributing level have, those that are asked for are found where they are."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from math import inf, nan

import pytest

from app_framework.testing import DistributionTestHelper

MOMENT = datetime(2024, 6, 1, 12, tzinfo=timezone(timedelta(hours=5)))
FIRST = datetime(2024, 1, 1, tzinfo=UTC)
COUNT = {"count": {"count": "*"}}
MEMBERS: dict[str, tuple[list[object], list[object]]] = {
    "double": ([nan, 0.1], [inf, None]),
    "timestamptz": ([FIRST], [MOMENT, None]),
    "hugeint": ([2**100], [-(2**100), None]),
    "ENUM('x', 'b')": (["x"], ["b", None]),
}


@pytest.mark.parametrize("kind", MEMBERS)
def test_each_member_is_asked_of_who_holds_it(distribution: DistributionTestHelper, kind: str) -> None:
    """Also not-a-number, which is no value that it is compared with, and a moment written in another zone."""
    for node, members in zip("ab", MEMBERS[kind], strict=True):
        rows = {"facts": [{"key": member, "amount": 1} for member in members]}
        columns = {"facts": {"key": kind, "amount": "integer"}}
        distribution.data_node(node, rows, columns=columns, dimensions={"key": ["key"]}, measures=COUNT, derive=False)
    world, oracle = distribution.query_node("world", applications={"app": ["key"]}), distribution.oracle()
    assert world.query(measures=["count"], levels=["key"]) == oracle.query(measures=["count"], levels=["key"])
    for member in (*MEMBERS[kind][0], *MEMBERS[kind][1]):
        for kept in (member, [member], {"not": [member]}, {"path": [[member]]}):
            where = {"key.key" if isinstance(kept, dict) and "path" in kept else "key": kept}
            assert world.query(measures=["count"], where=where) == oracle.query(measures=["count"], where=where)


def test_a_member_that_is_not_a_number_is_counted_once(distribution: DistributionTestHelper) -> None:
    """AA5: two replicas hold it, one is asked."""
    for node in "ab":
        distribution.data_node(node, {"facts": [{"key": nan, "amount": 1.0}]}, dimensions={"key": ["key"]})
    world = distribution.query_node("world", applications={"app": ["key"]}, data_overlap=True)
    assert world.query(measures=["count"]).value == 1
