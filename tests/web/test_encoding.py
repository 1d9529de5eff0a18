"""What JSON says of values that JSON has no words for."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import PurePosixPath
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app_framework.boot.management.availability import LivenessState
from app_framework.web.encoding import dump_answer, dumps, stream_answer
from app_framework.web.errors import NotAcceptableError
from app_framework.web.negotiation import negotiate

CASES = {
    "decimal keeps its scale": (Decimal("1.50"), "1.50"),
    "decimal without exponent": (Decimal("1E+3"), "1000"),
    "small decimal": (Decimal("0.0000001"), "0.0000001"),
    "wide decimal": (Decimal(12345678901234567890123456789012345678), "12345678901234567890123456789012345678"),
    "no number": (float("nan"), "null"),
    "infinite": (float("-inf"), "null"),
    "infinite decimal": (Decimal("Infinity"), "null"),
    "whole int64": (-(2**63), "-9223372036854775808"),
    "wider than int64": (2**80, "1208925819614629174706176"),
    "date": (date(2013, 1, 2), '"2013-01-02"'),
    "time": (time(1, 2, 3), '"01:02:03"'),
    "local instant": (datetime(2013, 1, 2, 3), '"2013-01-02T03:00:00"'),  # noqa: DTZ001
    "instant": (datetime(2013, 1, 2, 3, tzinfo=UTC), '"2013-01-02T03:00:00Z"'),
    "uuid": (UUID(int=1), '"00000000-0000-0000-0000-000000000001"'),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("write", [dumps, lambda value: dump_answer({"rows": [[value]]})[10:-3]])
def test_values_are_written_as_the_contract_says(name: str, write: Callable[[object], bytes]) -> None:
    """In any document and in the rows of an answer."""
    value, text = CASES[name]
    assert write(value).decode() == text


def test_other_values_of_ours_are_written_too() -> None:
    """Enums, paths, sets, durations; an instant of another zone is moved to UTC."""
    elsewhere = datetime(2013, 1, 2, 3, tzinfo=timezone(timedelta(hours=5)))
    value = [LivenessState.CORRECT, PurePosixPath("a/b"), {"b", "a"}, timedelta(seconds=1.5), elsewhere, b"\x01"]
    assert json.loads(dumps(value)) == ["CORRECT", "a/b", ["a", "b"], 1.5, "2013-01-01T22:00:00Z", "01"]


ROWS = st.lists(
    st.tuples(st.text(), st.integers(-(2**63), 2**63 - 1), st.decimals(allow_nan=False, places=2)), max_size=9
)


@given(ROWS, st.integers(1, 4))
def test_a_streamed_answer_has_the_bytes_of_a_whole_one(rows: list[tuple[object, ...]], rows_each: int) -> None:
    """However the rows are cut, also when a member says ``"rows":[]``."""
    answer = {"cube": '"rows":[]', "rows": rows, "grouping": [0] * len(rows), "partial": False}

    async def collect() -> bytes:
        return b"".join([piece async for piece in stream_answer(answer, rows_each)])

    assert asyncio.run(collect()) == dump_answer(answer)


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        (None, "a/json"),
        ("", "a/json"),
        ("*/*", "a/json"),
        ("text/*", "text/csv"),
        ("text/csv, a/json;q=0.9", "text/csv"),
        ("text/csv;q=0.1, a/json;q=0.9", "a/json"),
        ("a/*;q=0.2, */*;q=0.5", "text/csv"),
        ("a/json;q=0, */*", "text/csv"),
        ("TEXT/CSV; charset=utf-8", "text/csv"),
        ("text/csv;q=nonsense", "text/csv"),
        (",, text/csv ,", "text/csv"),
    ],
)
def test_the_client_chooses_among_what_is_offered(accept: str | None, chosen: str) -> None:
    """By quality, the most specific range first; the first offer where nothing is said."""
    assert negotiate(accept, ["a/json", "text/csv"]) == chosen


@pytest.mark.parametrize("accept", ["image/png", "a/json;q=0", "text/csv;q=0, a/json;q=0.0", "nonsense", ";"])
def test_what_is_not_offered_is_refused(accept: str) -> None:
    """With the media types that are."""
    with pytest.raises(NotAcceptableError) as caught:
        negotiate(accept, ["a/json", "text/csv"])
    assert "offered: a/json, text/csv" in str(caught.value)
