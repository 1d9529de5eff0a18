"""What a query cube tells about itself (AA3)."""

from __future__ import annotations

import json

from app_framework.distribution import Concealment, Refusal, Topology, World
from app_framework.distribution.description import describe
from app_framework.distribution.query_cube import DataNode
from app_framework.testing import GoldenFiles
from tests.distribution.published import a_contribution, an_outline


def test_discovery_of_a_query_cube(golden: GoldenFiles) -> None:
    """Beside what a cube tells there are its applications, their data cubes, and what is known of those."""
    outline = an_outline(Concealment(hierarchies=["Item"], measures=["lines"]))
    topology = Topology.of("world", {"app": ["region"], "stock": []}).joined(
        a_contribution("a", outline, {"Geo.Geo": [("N", "Oslo")]}, version=7)
    )
    assert not isinstance(topology, Refusal)
    nodes = [
        DataNode("a", "sales", "app", "active", True, 7, {"region": 1}),
        DataNode("b", "sales", "app", "refused", refused="it differs."),
        DataNode("s", "stock", "stock", "required", True),
    ]
    world = World.of("world", topology.outlines, measures={"twice": {"formula": "revenue * 2"}})
    text = json.dumps(describe(world, topology, nodes) | {"model": "-"}, indent=2)
    world.close()
    golden("discovery.json", text + "\n")
    assert "item" not in text
    assert "lines" not in text
