"""DataFusion: Arrow in memory, a partition for each core, texts as dictionaries, SQL."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from datafusion import SessionConfig, SessionContext

from benchmarks.questions import Checksum, SuiteQuestion

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
BATCH_ROWS = 64 * 1024


class DataFusionTables:
    """The facts as tables of record batches.

    Args:
        files: the folder of the Parquet files.
    """

    def __init__(self, files: Path) -> None:
        cores = os.cpu_count() or 2
        self._context = SessionContext(SessionConfig().with_target_partitions(cores))
        for name in ("sales", "stores"):
            table = pq.read_table(files / f"{name}.parquet", read_dictionary=TEXTS)
            batches = table.unify_dictionaries().to_batches(max_chunksize=BATCH_ROWS)
            self._context.register_record_batches(name, [batches[part::cores] for part in range(cores)])

    def run(self, question: SuiteQuestion) -> pa.Table:
        """Answer a question."""
        return self._context.sql(question.sql).to_arrow_table()

    def checksum(self, question: SuiteQuestion) -> Checksum:
        """Answer it, and sum its first measure."""
        answer = self.run(question)
        return len(answer), sum(answer.column(str(question.asked.measures[0])).to_pylist())

    def close(self) -> None:
        """Let go of the tables."""
        del self._context
