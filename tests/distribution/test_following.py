"""Questions to a query cube that are followed."""

from __future__ import annotations

import asyncio
from pathlib import Path

from app_framework.database import Database, Insert
from app_framework.distribution import Distribution
from app_framework.olap import CubeQuery, Manager
from app_framework.olap.following import ContinuousQueries, Told, Trouble
from app_framework.testing.virtual_time import until
from tests.distribution.test_yaml import CUBES, RUNNER

WORLD = """\
  data-cubes: {sales: {application: shops}}
  query-cubes: {world: {applications: {shops: {distributing-levels: [region]}}}}
"""


def test_who_follows_a_query_cube_is_told_of_commits_and_of_a_stop_and_a_start(tmp_path: Path) -> None:
    """Each answer with the versions of the nodes; nothing has to be followed anew."""

    async def scenario() -> None:
        async with RUNNER.yaml(CUBES + WORLD).properties({"app.data-dir": tmp_path}).start() as context:
            world = context[Distribution].query_cubes["world"]

            async def sell(region: str, revenue: int) -> None:
                rows = [{"region": region, "revenue": revenue}]
                await asyncio.to_thread(context[Database].commit, [Insert("sales", rows)])

            await sell("north", 1)
            told: list[Told | Trouble] = []
            queries = ContinuousQueries(context[Manager])
            follow = queries.follow("world", CubeQuery(measures=["revenue"], levels=["region"]), told.append)

            async def answered(rows: list[tuple[object, ...]]) -> Told:
                def is_told() -> bool:
                    follow.delivered()
                    return bool(told) and isinstance(told[-1], Told) and told[-1].cells.rows == rows

                await until(is_told)
                last = told[-1]
                assert isinstance(last, Told)
                return last

            first = await answered([("north", 1)])
            await sell("south", 2)
            second = await answered([("north", 1), ("south", 2)])
            assert second.versions["test"] > first.versions["test"]
            await world.stop_distribution()
            await until(lambda: isinstance(told[-1], Trouble))
            await world.start_distribution()
            await sell("west", 3)
            await answered([("north", 1), ("south", 2), ("west", 3)])
            await queries.close()

    asyncio.run(scenario())
