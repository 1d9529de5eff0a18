"""chdb, ClickHouse in this process: MergeTree in the order of days, texts of low cardinality, SQL."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pyarrow as pa
from chdb.session import Session

from benchmarks.questions import Checksum, SuiteQuestion

LOW = "LowCardinality(String)"
TEXTS = (
    "category",
    "department",
    "country",
    "region",
    "segment",
    "channel",
    "payment",
    "status",
    "carrier",
    "priority",
)


class ChdbTables:
    """The facts as tables of a session.

    Args:
        files: the folder of the Parquet files.
    """

    def __init__(self, files: Path) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="benchmark-chdb-")
        self._session = Session(self._folder.name)
        self._run("CREATE DATABASE bench ENGINE = Atomic")
        self._run("USE bench")
        self._load(files, "sales", "day")
        self._load(files, "stores", "store")

    def run(self, question: SuiteQuestion) -> pa.Table:
        """Answer a question."""
        sql = question.sql.replace("median(", "quantileExactInclusive(0.5)(")
        result = self._session.query(sql, "Arrow")
        return pa.ipc.open_file(pa.BufferReader(result.bytes())).read_all()

    def checksum(self, question: SuiteQuestion) -> Checksum:
        """Answer it, and sum its first measure."""
        answer = self.run(question)
        return len(answer), sum(answer.column(str(question.asked.measures[0])).to_pylist())

    def close(self) -> None:
        """End the session and remove its files."""
        self._session.close()
        self._folder.cleanup()

    def _load(self, files: Path, name: str, order: str) -> None:
        source = f"file('{files / name}.parquet', Parquet)"
        described = str(self._session.query(f"DESCRIBE {source} SETTINGS schema_inference_make_columns_nullable = 0"))
        columns = [line.replace('"', "").split(",")[:2] for line in described.splitlines()]
        typed = ", ".join(f"{column} {LOW if column in TEXTS else kind}" for column, kind in columns)
        self._run(f"CREATE TABLE {name} ({typed}) ENGINE = MergeTree ORDER BY {order}")
        self._run(f"INSERT INTO {name} SELECT * FROM {source}")

    def _run(self, sql: str) -> None:
        self._session.query(sql)
