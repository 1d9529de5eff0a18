"""What a node sent is read where it lies: Arrow warns of numbers that are not aligned, and copies them."""

from __future__ import annotations

import pyarrow as pa
import pytest

from app_framework.olap.partial import PartialAnswer

ARROW_ALIGNMENT_BYTES = 8


@pytest.mark.parametrize("version", [1, 12, 123, 1_234_567])
def test_numbers_that_arrived_are_aligned_however_long_the_header_is(version: int) -> None:
    """In every table, whatever stands before it."""
    tables = tuple(pa.table({"key": ["a", "bc"], "sum": pa.array([1.5, 2.5])}) for _ in range(3))
    arrived = PartialAnswer.read(PartialAnswer(version, tables).chunks())
    sums = [table.column("sum").chunk(0).buffers()[1] for table in arrived.tables]
    assert [buffer.address % ARROW_ALIGNMENT_BYTES for buffer in sums] == [0, 0, 0]
