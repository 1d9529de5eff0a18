"""AA13: what is no word of a data cube or query cube is refused where it arrives, and changes nothing."""

from __future__ import annotations

import json

import pytest

from app_framework.distribution.errors import InvalidContributionError
from app_framework.distribution.news import News
from app_framework.distribution.rows_question import RowsQuestion
from app_framework.distribution.subjects import Places
from app_framework.messaging.bus import Message
from app_framework.messaging.errors import RemoteError
from app_framework.olap.partial.question import PartialQuestionError
from app_framework.testing import DistributionTestHelper

GARBAGE = [b"", b"\xff", b"null", b"[]", b"1", b"[" * 100_000, b'{"node": 1}']


@pytest.mark.parametrize("data", GARBAGE)
def test_it_is_read_as_nothing(data: bytes) -> None:
    for parse in (News.parse, RowsQuestion.parse):
        with pytest.raises((InvalidContributionError, PartialQuestionError)):
            parse(data)


def test_it_changes_nothing(distribution: DistributionTestHelper) -> None:
    """A version that no data can have would keep the versions to come from being believed."""
    distribution.data_node("a", {"facts": [{"region": "N", "amount": 1}]})
    world = distribution.query_node("world", applications={"app": ["region"]})
    places, process = Places("Cluster"), world._node.living
    heard: list[bytes] = []

    async def listen() -> None:
        async def hear(message: Message) -> None:
            heard.append(message.data)

        await process.messenger.subscribe(places.news, hear)

    process.wait(listen())
    distribution.advance(1)
    forged = json.dumps({**json.loads(heard[0]), "version": 10**30}).encode()
    for data in (*GARBAGE, forged):
        process.wait(process.messenger.publish(places.news, data))
        distribution.run_ready()
        for door in ("partial", "rows", "told"):
            with pytest.raises(RemoteError):
                process.wait(process.messenger.request(places.of_data("a", "facts", door), data, timeout_s=5))
    distribution.advance(1)
    assert world.query(measures=["amount.sum"]).value == 1
