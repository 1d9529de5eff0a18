"""What a query cube tells about itself: what can be asked, and who answers."""

from __future__ import annotations

import json

from app_framework.testing import DistributionTestHelper, GoldenFiles

ROWS: list[dict[str, object]] = [{"region": "N", "price": 3}, {"region": "S", "price": 4}]


def test_discovery_of_a_query_cube(distribution: DistributionTestHelper, golden: GoldenFiles) -> None:
    """A2: names, types and expressions are those of the data cubes; beside them stand applications and nodes."""
    distribution.data_node("a", rows={"sales": ROWS}, application="shop", concealed_measures=["price.avg"])
    world = distribution.query_node(
        "world", applications={"shop": ["region"], "stock": []}, measures={"twice": {"formula": '"price.sum" * 2'}}
    )
    distribution.data_node("b", rows={"sales": ROWS}, application="shop", check=False)
    distribution.settle()
    told = world.cube.discovery()
    golden("discovery.json", json.dumps({**told, "model": "-"}, indent=2) + "\n")
