"""FastAPI, uvicorn and DuckDB with the sample data, as one writes them by hand.

python -m benchmarks.subjects.bare_node PORT FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

import duckdb
import uvicorn
from fastapi import FastAPI


def main(port: int, folder: Path) -> None:
    """Load every Parquet file of a folder into memory, then serve."""
    connection = duckdb.connect()
    for path in sorted(folder.glob("*.parquet")):
        connection.execute(f"CREATE TABLE {path.stem} AS FROM read_parquet('{path}')")
    api = FastAPI()

    @api.get("/health")
    def health() -> dict[str, str]:
        return {"status": "UP"}

    @api.get("/flights")
    def flights() -> list[tuple[str, int]]:
        return connection.cursor().execute("SELECT origin, count(*) FROM flights GROUP BY ALL").fetchall()

    uvicorn.run(api, host="127.0.0.1", port=port)


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
