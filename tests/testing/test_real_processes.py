"""Answers of real nodes become what they were before they were JSON."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal

from app_framework.testing.real_processes import cell_set


def test_values_have_the_types_of_their_columns() -> None:
    """AA11: an answer over HTTP is compared with one of the same process."""
    kinds = {
        "day": "date",
        "at": "timestamp[UTC]",
        "sold": "int64",
        "price": "decimal(38,2)",
        "mean": "double",
        "sizes": "double[]",
    }
    row = '["2024-01-02", "2024-01-02T03:04:05Z", 3, 2.50, 1, [1.5, null]]'
    document = {
        "cube": "shop",
        "columns": [{"name": name, "role": "measure", "type": kind} for name, kind in kinds.items()],
        "rows": [json.loads(row, parse_float=Decimal), [None] * 6],
        "grouping": [0, 0],
        "versions": {"a": 3},
        "partial": True,
        "missing": [{"node": "b"}],
        "elapsed_ms": Decimal("1.5"),
    }
    cells = cell_set(document)
    day, at = date(2024, 1, 2), datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert cells.rows == [(day, at, 3, Decimal("2.50"), 1.0, [1.5, None]), (None,) * 6]
    assert isinstance(cells.rows[0][4], float)
    assert (cells.partial, cells.missing, cells.versions) == (True, ({"node": "b"},), {"a": 3})
