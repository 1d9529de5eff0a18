"""The forms in which rows leave the database; none needs duckdb or pyarrow to be imported."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

Row = tuple[object, ...]


class ArrowTable(Protocol):
    """As much of `pyarrow.Table` as this room needs to know; `app_framework.olap.arrow` knows the rest."""

    @property
    def num_rows(self) -> int:
        """How many rows it holds."""


class ArrowBatch(Protocol):
    """As much of `pyarrow.RecordBatch` as is needed where pyarrow is not imported."""

    @property
    def num_rows(self) -> int:
        """How many rows it holds."""

    @property
    def num_columns(self) -> int:
        """How many columns it has."""

    def column(self, i: int) -> Sequence[object]:
        """Return a column; its values print as what they are."""
