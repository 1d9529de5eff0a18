"""FastAPI, uvicorn and DuckDB with the sample data, as one writes them by hand.

python -m benchmarks.subjects.bare_node PORT FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

import duckdb
import orjson
import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool


def main(port: int, folder: Path) -> None:
    """Load every Parquet file of a folder into memory, then serve."""
    connection = duckdb.connect()
    for path in sorted(folder.glob("*.parquet")):
        connection.execute(f"CREATE TABLE {path.stem} AS FROM read_parquet('{path}')")
    api = FastAPI()

    @api.get("/health")
    def health() -> dict[str, str]:
        return {"status": "UP"}

    @api.post("/sql")
    async def sql(request: Request) -> Response:
        question = orjson.loads(await request.body())
        rows = await run_in_threadpool(fetch, question["sql"], question["parameters"])
        return Response(orjson.dumps({"rows": rows}), media_type="application/json")

    def fetch(text: str, parameters: list[object]) -> list[tuple[object, ...]]:
        return connection.cursor().execute(text, parameters).fetchall()

    uvicorn.run(api, host="127.0.0.1", port=port, timeout_keep_alive=75)


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
