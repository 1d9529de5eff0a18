"""A18, AA6: who has to answer stands in the consensus store, and only a leave takes a data cube out of it."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from app_framework.cluster.local_store import LocalConsensusStore
from app_framework.distribution.standing import (
    CubeRecord,
    StandingRecord,
    change_cube,
    node_left,
    who_must_answer,
    write_standing,
)
from app_framework.distribution.subjects import Places

PLACES = Places("Cluster")
CUBE = CubeRecord("a", "sales", "app")
RECORD = StandingRecord(
    "a", "sales", "app", 1, "run-1", 7, {"P.R.region": ("north", None, 3)}, {"P.R.region": "region"}
)


def standing(*changes: object) -> dict[str, StandingRecord]:
    """Return who has to answer after a data cube joined, was let in, and changed what is written of it."""

    async def run() -> dict[str, StandingRecord]:
        store = LocalConsensusStore(None)
        await change_cube(store, PLACES, CUBE, lambda record: record)
        await write_standing(store, PLACES, "world", RECORD)
        for change in changes:
            await change(store)  # type: ignore[operator]
        found = who_must_answer(await store.entries(PLACES.keys), PLACES, "world")
        await store.close()
        return found

    return asyncio.run(run())


async def stop(store: LocalConsensusStore) -> None:
    """Let the data cube leave."""
    await change_cube(store, PLACES, CUBE, lambda record: replace(record, state="stopped"))


async def start(store: LocalConsensusStore) -> None:
    """Let the data cube begin a new turn."""
    await change_cube(store, PLACES, CUBE, lambda record: replace(record, state="joined", turn=record.turn + 1))


def test_what_was_let_in_has_to_answer() -> None:
    """AA6: with the members that it held."""
    assert standing() == {"a/sales": RECORD}


def test_a_leave_ends_the_turn_for_good() -> None:
    """AA7: one that begins again has to be let in again."""
    assert standing(stop) == {}
    assert standing(stop, start) == {}


def test_a_node_that_is_removed_from_the_cluster_takes_its_data_cubes_along() -> None:
    """AA6: `stop` and `deregister` are a leave."""
    assert standing(lambda store: node_left(store, PLACES, "b")) == {"a/sales": RECORD}
    assert standing(lambda store: node_left(store, PLACES, "a")) == {}


def test_an_older_version_does_not_replace_a_newer_one() -> None:
    """A18: several nodes write the same record, some of them later."""

    def written(record: StandingRecord) -> dict[str, StandingRecord]:
        return standing(lambda store: write_standing(store, PLACES, "world", record))

    assert written(replace(RECORD, version=6, members={})) == {"a/sales": RECORD}
    newer = replace(RECORD, version=8, members={"P.R.region": ("south",)})
    assert written(newer) == {"a/sales": newer}
    restarted = replace(RECORD, version=3, incarnation="run-2")
    assert written(restarted) == {"a/sales": restarted}


def test_members_that_are_too_many_to_write_down_are_unknown_afterwards() -> None:
    """AA6: then a question needs the data cube whatever it asks for."""
    many = replace(RECORD, version=8, members={"P.R.region": tuple(f"{i * 7919:x}" for i in range(60_000))})
    found = standing(lambda store: write_standing(store, PLACES, "world", many))
    assert found["a/sales"].members is None
