"""The forms in which rows leave the database; none needs duckdb or pyarrow to be imported."""

from __future__ import annotations

from typing import Protocol

Row = tuple[object, ...]


class ArrowTable(Protocol):
    """As much of `pyarrow.Table` as this room needs to know; `app_framework.olap.arrow` knows the rest."""

    @property
    def num_rows(self) -> int:
        """How many rows it holds."""


class ArrowBatch(Protocol):
    """As much of `pyarrow.RecordBatch` as this room needs to know."""

    @property
    def num_rows(self) -> int:
        """How many rows it holds."""
