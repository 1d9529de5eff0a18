"""FastAPI and DuckDB that answer with many rows, as written by hand: models of pydantic, and Arrow in one piece.

python -m benchmarks.subjects.bare_facts PORT FILE
"""

from __future__ import annotations

import sys
from contextlib import closing

import duckdb
import orjson
import pyarrow as pa
import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel


class Cells(BaseModel):
    """A row of the answer."""

    sale: int
    quantity: int
    revenue: float
    cost: float
    weight: int
    delay: float


def main(port: int, file: str) -> None:
    """Open the database file and serve it."""
    connection = duckdb.connect(file, read_only=True)
    api = FastAPI()

    @api.get("/health")
    def health() -> dict[str, str]:
        return {"status": "UP"}

    @api.post("/cells")
    async def cells(request: Request) -> list[Cells]:
        question = orjson.loads(await request.body())
        return await run_in_threadpool(fetch, question["sql"], question["parameters"])

    @api.post("/arrow")
    async def arrow(request: Request) -> Response:
        question = orjson.loads(await request.body())
        body = await run_in_threadpool(buffered, question["sql"], question["parameters"])
        return Response(body, media_type="application/vnd.apache.arrow.stream")

    def fetch(sql: str, parameters: list[object]) -> list[Cells]:
        with closing(connection.cursor()) as cursor:
            rows = cursor.execute(sql, parameters).fetchall()
        names = list(Cells.model_fields)
        return [Cells(**dict(zip(names, row, strict=True))) for row in rows]

    def buffered(sql: str, parameters: list[object]) -> bytes:
        with closing(connection.cursor()) as cursor:
            table = cursor.sql(sql, params=parameters).to_arrow_table()
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        body: bytes = sink.getvalue().to_pybytes()
        return body

    uvicorn.run(api, host="127.0.0.1", port=port, log_config=None, access_log=False, timeout_keep_alive=75)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
