"""AA3: what a data cube conceals is absent elsewhere: from descriptions, answers, near matches and rows."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from app_framework.distribution.subjects import Places
from app_framework.messaging.errors import RemoteError
from app_framework.messaging.memory_bus import MemoryBus
from app_framework.olap.errors import (
    QueryError,
    UnknownBranchError,
    UnknownLevelError,
    UnknownMeasureError,
)
from app_framework.olap.partial import PartialCell, PartialFrame, PartialQuestion
from app_framework.testing import DataNode, DistributionTestHelper, QueryNode

ROWS: list[dict[str, object]] = [
    {"region": "Oslo", "customer": "ada", "revenue": 3},
    {"region": "Bari", "customer": "bob", "revenue": 4},
]


@pytest.fixture
def a(distribution: DistributionTestHelper) -> DataNode:
    return distribution.data_node(
        "a",
        {"sales": ROWS},
        concealed_hierarchies=["customer"],
        concealed_measures=["revenue.avg"],
        concealed_branches=["secret"],
    )


@pytest.fixture
def world(distribution: DistributionTestHelper, a: DataNode) -> QueryNode:
    a.create_branch("secret")
    return distribution.query_node("world", {"app": ["region"]})


def test_it_is_not_described(world: QueryNode) -> None:
    """AA3: neither hierarchy nor measure; the data node describes them still."""
    told = str(world.cube.discovery())
    assert "region" in told
    assert "customer" not in told
    assert "revenue.avg" not in told


@pytest.mark.parametrize(
    ("measures", "levels", "more", "error"),
    [
        (["count"], ["customer"], {}, UnknownLevelError),
        (["count"], ["costumer"], {}, UnknownLevelError),
        (["count"], [], {"where": {"customer": "ada"}}, UnknownLevelError),
        (["revenue.avg"], [], {}, UnknownMeasureError),
        (["count"], [], {"branch": "secret"}, UnknownBranchError),
    ],
)
def test_who_names_it_is_told_that_there_is_no_such_thing(
    a: DataNode,
    world: QueryNode,
    measures: Sequence[str],
    levels: Sequence[str],
    more: Mapping[str, Any],
    error: type[QueryError],
) -> None:
    """AA3: and no near match gives it away; the data node answers."""
    refused = world.error(measures, levels, **more)
    assert isinstance(refused, error)
    near = {name for problem in refused.problems for name in problem.near}
    assert not near & {"customer", "revenue.avg", "secret", "customer.customer"}
    if "costumer" not in levels:
        assert len(a.query(measures, levels, **more)) >= 1


def test_it_is_refused_where_the_rows_are_too(a: DataNode, world: QueryNode) -> None:
    """AA3: whoever asks the data cube itself over the network gets no further."""
    places, process = Places("Cluster"), world._node.living
    frames = [
        PartialFrame(("customer.customer.customer",), cells=(PartialCell("count"),)),
        PartialFrame((), cells=(PartialCell("revenue.avg"),)),
    ]

    async def ask(question: PartialQuestion) -> RemoteError:
        subject = places.of_data("a", "sales", "partial")
        with pytest.raises(RemoteError) as refused:
            await process.messenger.request(subject, question.to_bytes(), timeout_s=5)
        return refused.value

    async def codes() -> list[str]:
        asked = [PartialQuestion((frame,)) for frame in frames] + [PartialQuestion((PartialFrame(),), "secret")]
        return [error.code for error in await asyncio.gather(*map(ask, asked))]

    assert process.wait(codes()) == ["UNKNOWN_LEVEL", "UNKNOWN_MEASURE", "UNKNOWN_BRANCH"]


def test_its_members_are_in_no_rows(world: QueryNode) -> None:
    """AA3: neither when all columns are asked for, nor when that one is."""
    rows = world.drillthrough({"region": "Oslo"})
    assert list(rows.columns) == ["region", "revenue"]
    with pytest.raises(QueryError, match="customer"):
        world.drillthrough({"region": "Oslo"}, ["customer"])


def test_its_members_never_travel(monkeypatch: pytest.MonkeyPatch, distribution: DistributionTestHelper) -> None:
    """AA3: neither when it joins nor with any answer; those of others do."""
    sent: list[bytes] = []
    publish = MemoryBus.publish

    async def note(bus: MemoryBus, subject: str, data: bytes = b"", **more: Any) -> None:
        sent.append(data)
        await publish(bus, subject, data, **more)

    monkeypatch.setattr(MemoryBus, "publish", note)
    distribution.data_node("a", {"sales": ROWS}, concealed_hierarchies=["customer"])
    world = distribution.query_node("world", {"app": ["region"]})
    world.query(["revenue.sum"], ["region"], totals="all")
    world.drillthrough()
    assert any(b"Oslo" in data for data in sent)
    assert not any(b"ada" in data or b"bob" in data for data in sent)


def test_what_one_data_cube_conceals_the_application_lacks(distribution: DistributionTestHelper) -> None:
    """AA3: as long as it is there."""
    distribution.data_node("a", {"sales": ROWS[:1]})
    b = distribution.data_node("b", {"sales": ROWS[1:]}, concealed_hierarchies=["customer"])
    world = distribution.query_node("world", {"app": ["region"]})
    assert isinstance(world.error(["count"], ["customer"]), UnknownLevelError)
    b.stop_distribution()
    assert world.query(["count"], ["customer"]).table == {"ada": 1}


def test_a_concealed_distributing_level_keeps_a_data_cube_out(distribution: DistributionTestHelper) -> None:
    """A7: the refusal names level, query cube and node, and the rest answers."""
    distribution.data_node("a", {"sales": ROWS[:1]})
    world = distribution.query_node("world", {"app": ["region"]})
    b = distribution.data_node("b", {"sales": ROWS[1:]}, concealed_hierarchies=["region"], check=False)
    assert b.refusal is not None
    assert all(word in b.refusal for word in ("'region'", "'world'", "'b'"))
    assert world.query(["count"]).value == 1
    assert b.distributed.refusals == {"world@world": b.refusal}
