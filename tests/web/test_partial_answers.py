"""What a client is told over HTTP while a node is away: the refusal, or the rest and what is missing (AA6)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa

from app_framework.boot import ApplicationContext
from app_framework.messaging.memory import MemoryNetwork
from app_framework.testing import ContextRunner
from app_framework.testing.virtual_time import until
from tests.web.test_distribution_routes import ARROW, AUTO

DATA_NODE = """
database: {tables: {sales: {source: {csv: sales.csv}}}}
schemas: {S: {base: sales, cubes: {sales: {dimensions: {Region: [region]}, measures: {revenue: {sum: revenue}}}}}}
distribution:
  data-cubes: {sales: {application: shops}}
  limits: {heartbeat: 100ms}
server: {enabled: false}
"""
QUERY_NODE = """
distribution:
  query-cubes: {world: {applications: {shops: {distributing-levels: [region]}}}}
  limits: {heartbeat: 100ms, suspect: 1s}
server: {port: 0}
"""
QUERY = {"measures": ["revenue"], "levels": ["region"]}
MISSING = [{"node": "b", "members": {"region": ["süd", None]}}]


@asynccontextmanager
async def node(
    network: MemoryNetwork, folder: Path, name: str, text: str, rows: str = ""
) -> AsyncIterator[ApplicationContext]:
    place = folder / name
    place.mkdir()
    (place / "sales.csv").write_text(f"region,revenue\n{rows}")
    (place / "application.yml").write_text(f"app: {{name: {name}, data-dir: data}}\n{text}")
    async with ContextRunner(AUTO).directory(place).override(MemoryNetwork, network).start() as context:
        yield context


def test_a_client_is_refused_or_told_what_is_missing(tmp_path: Path) -> None:
    """In each form of answer; a part is never kept, and never the answer to a question for the whole."""

    async def scenario() -> None:
        network = MemoryNetwork()
        async with (
            node(network, tmp_path, "a", DATA_NODE, "north,1\n"),
            node(network, tmp_path, "query", QUERY_NODE) as query,
            httpx.AsyncClient(base_url=query.addresses["http"]) as client,
        ):

            async def ask(accept: str = "application/json", **more: object) -> httpx.Response:
                return await client.post("/cubes/world/query", json={**QUERY, **more}, headers={"Accept": accept})

            async def is_status(status: int) -> bool:
                return (await ask()).status_code == status

            async with node(network, tmp_path, "b", DATA_NODE, "süd,2\n,3\n"):
                await until(lambda: holds(ask, [["north", 1], ["süd", 2], [None, 3]]))
            await until(lambda: is_status(503))
            problem = (await ask()).json()
            assert (problem["code"], problem["node"], problem["retryable"]) == ("SERVICE_UNAVAILABLE", "b", True)
            assert (problem["members"], problem["missing"]) == (MISSING[0]["members"], MISSING)
            part = await ask(unavailable="partial")
            assert (part.json()["rows"], part.json()["partial"]) == ([["north", 1]], True)
            assert part.json()["missing"] == MISSING
            assert "etag" not in part.headers
            csv = await ask("text/csv", unavailable="partial")
            assert (csv.headers["X-Partial"], json.loads(csv.headers["X-Missing"])) == ("true", MISSING)
            arrow = await ask(ARROW, unavailable="partial")
            metadata = pa.ipc.open_stream(arrow.content).schema.metadata
            assert (metadata[b"partial"], json.loads(metadata[b"missing"])) == (b"true", MISSING)
            batch = await client.post("/cubes/query", json=[{"cube": "world", **QUERY, "unavailable": "partial"}])
            assert batch.json()[0]["missing"] == MISSING
            members = (await client.get("/cubes/world/members?level=region")).json()["members"]
            assert members == ["north", "süd", None]
            assert (await ask(where={"region": "north"})).json()["rows"] == [["north", 1]]

    asyncio.run(scenario())


async def holds(ask: Any, rows: list[list[Any]]) -> bool:
    answer = await ask()
    return bool(answer.status_code == 200 and answer.json()["rows"] == rows)
