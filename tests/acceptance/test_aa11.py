"""AA11: the same test body passes on the in-memory messenger and on NATS, with real processes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from app_framework.errors import ServiceUnavailableError
from app_framework.testing import DistributionTestHelper

NORTH = [{"region": "Oslo", "revenue": 3}, {"region": "Turku", "revenue": 5}]
SOUTH = [{"region": "Bari", "revenue": 7}]
REGIONS = {"app": ["region"]}


def world_equals_its_parts(distribution: DistributionTestHelper) -> None:
    """Two nodes, one of which dies, comes back, changes, leaves and joins."""
    a = distribution.data_node("a", rows={"sales": NORTH}, cube="sales", application="app")
    b = distribution.data_node("b", rows={"sales": SOUTH}, cube="sales", application="app")
    world = distribution.query_node("world", applications=REGIONS)
    asked = (["revenue.sum", "revenue.avg", "count"], ["region"])
    assert world.query(*asked, totals="grand") == distribution.oracle().query(*asked, totals="grand")
    assert world.query(["count"]).versions == {"a": a.version, "b": b.version}
    assert world.drillthrough({"region": "Oslo"}, ["revenue"]).rows == [(3,)]
    distribution.kill(a)
    with pytest.raises(ServiceUnavailableError):
        world.query(["revenue.sum"])
    part = world.query(["revenue.sum"], unavailable="partial")
    assert (part.value, part.missing[0]["node"]) == (7, "a")
    distribution.restart(a)
    assert world.query(["revenue.sum"]).value == 15
    distribution.commit(b, "sales", [{"region": "Graz", "revenue": 100}])
    assert world.query(*asked) == distribution.oracle().query(*asked)
    b.stop_distribution()
    assert world.members("region") == ("Oslo", "Turku")
    b.start_distribution()
    assert world.query(["revenue.sum"]).value == 115


def a_held_node_is_waited_for(distribution: DistributionTestHelper) -> None:
    """Slow is not dead, and dead is not a number."""
    a = distribution.data_node("a", rows={"sales": NORTH})
    world = distribution.query_node("world", applications=REGIONS)
    distribution.hold(a)
    slow = world.begin(["revenue.sum"])
    assert not slow.done
    distribution.release(a)
    assert slow.result().value == 8
    distribution.hold(a)
    lost = world.begin(["count"])  # another question: the answer to the first one may be kept
    distribution.kill(a)
    assert isinstance(lost.error(), ServiceUnavailableError)


BODIES = pytest.mark.parametrize("body", [world_equals_its_parts, a_held_node_is_waited_for])


@BODIES
def test_aa11_in_memory(distribution: DistributionTestHelper, body: Callable[[DistributionTestHelper], None]) -> None:
    """In virtual time, with every other test."""
    body(distribution)


@pytest.mark.acceptance
@pytest.mark.distribution("nats")
@BODIES
def test_aa11_on_nats(distribution: DistributionTestHelper, body: Callable[[DistributionTestHelper], None]) -> None:
    """On processes that are stopped and killed."""
    body(distribution)
