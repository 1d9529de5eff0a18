"""How a cube takes part in distributed ones, told and changed through the client."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import APIRouter
from starlette.requests import Request

from app_framework.client import Client, MaskReport, UnreachableError
from app_framework.client.topology import TopologyCache
from tests.web.fake_cluster import FakeCluster
from tests.web.nodes_in_process import URLS, Network, running

router = APIRouter()
CHANGES: list[tuple[str, object]] = []


@router.get("/cubes/sales/distribution")
async def read() -> dict[str, object]:
    return {"cube": "sales", "kind": "data cube", "state": "joined"}


@router.post("/cubes/sales/distribution/{door}")
async def change(door: str, request: Request) -> dict[str, object]:
    CHANGES.append((door, await request.json()))
    report = {"version": 2, "complete": False, "acknowledged": ["world@a"], "failures": {"world@b": "no answer"}}
    return {"cube": "sales", **report, "masks": {"day": ["2026-11-20"]}}


@pytest.fixture
def network() -> Iterator[Network]:
    CHANGES.clear()
    with running(FakeCluster(), router) as nodes:
        yield Network(nodes)


def test_states_and_masks_are_changed(network: Network, tmp_path: Path) -> None:
    """The report says who knows of a change of masks."""
    with Client(URLS[0], transport=network, cache=TopologyCache(tmp_path)) as client:
        cube = client.cubes["sales"].distribution
        assert cube.state == "joined"
        cube.stop()
        cube.start()
        report = cube.mask("day", ["2026-11-20"])
        cube.roll_over("day", unmask=["2026-11-20"])
    assert report == MaskReport(2, False, ("world@a",), {"world@b": "no answer"}, {"day": ["2026-11-20"]})
    assert CHANGES == [
        ("stop", {}),
        ("start", {}),
        ("mask", {"level": "day", "members": ["2026-11-20"]}),
        ("roll-over", {"level": "day", "mask": [], "unmask": ["2026-11-20"]}),
    ]


def test_no_other_node_is_asked_for_what_one_holds(network: Network, tmp_path: Path) -> None:
    """A cube of the same name elsewhere is another data cube."""
    with Client(URLS[0], transport=network, cache=TopologyCache(tmp_path)) as client:
        client.read_cluster()
        network.dead.add(URLS[0])
        network.asked.clear()
        with pytest.raises(UnreachableError):
            client.cubes["sales"].distribution.stop()
        assert set(network.asked) == {URLS[0]}
