"""How long the sample's tables take to load: checked and versioned by us, as they are by raw DuckDB."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import duckdb

from app_framework.boot import Environment
from app_framework.database import Database
from app_framework.database.properties import DatabaseProperties
from benchmarks.comparison import Case
from benchmarks.cube import load
from benchmarks.processes import ROOT


@contextlib.contextmanager
def sample_data() -> Iterator[Sequence[Case]]:
    """Both in this process, into memory."""
    environment = Environment.load(directory=Path(os.devnull), packaged=ROOT / "sample_app")
    environment.claim([DatabaseProperties])
    properties = environment.bind(DatabaseProperties)
    references = {"raw DuckDB, `CREATE TABLE AS` for each file": _raw_ms}
    yield [
        Case("load", "Loading the sample data, keys and references checked", lambda: _ours_ms(properties), references)
    ]


def _ours_ms(properties: DatabaseProperties) -> float:
    started = time.perf_counter()
    database = Database.open(tables=properties.declared(), references=properties.references, limits=properties.limits())
    elapsed_s = time.perf_counter() - started
    database.close()
    return elapsed_s * 1000


def _raw_ms() -> float:
    started = time.perf_counter()
    connection = duckdb.connect()
    load(connection)
    elapsed_s = time.perf_counter() - started
    connection.close()
    return elapsed_s * 1000
