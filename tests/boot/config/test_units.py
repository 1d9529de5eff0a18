"""Durations and sizes are read as people write them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from app_framework.boot.config.properties import DataSize, Duration, SignedDuration
from app_framework.boot.config.units import format_duration, parse_duration, parse_size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("500ms", 0.5), ("10s", 10), ("2m", 120), ("1h", 3600), ("1d", 86400), ("1h30m", 5400), ("PT5S", 5),
        ("P1DT2H", 93600), ("10", 10), (10, 10), (0.25, 0.25), (" 3s ", 3), ("1.5h", 5400), ("2M", 120), ("-5s", -5),
    ],
)  # fmt: skip
def test_durations(text: str | float, seconds: float) -> None:
    """Units, ISO 8601, and a bare number of seconds."""
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "soon", "5 apples", "P", "PT", "s", True, None, [], "1e3s", "5s!", float("nan")])
def test_what_is_no_duration_is_refused(text: str) -> None:
    """The message says what one looks like."""
    with pytest.raises(ValueError, match="is not a duration such as 500ms"):
        parse_duration(text)


def test_a_negative_duration_needs_a_type_that_asks_for_it() -> None:
    """A timeout of minus five seconds is a mistake."""
    with pytest.raises(ValidationError, match="must not be negative"):
        TypeAdapter(Duration).validate_python("-5s")
    assert TypeAdapter(SignedDuration).validate_python("-5s") == timedelta(seconds=-5)


def test_a_duration_beyond_all_calendars_is_refused() -> None:
    """Python's own bound is met with a sentence."""
    with pytest.raises(ValueError, match="is too long"):
        parse_duration("99999999999d")


@given(st.timedeltas(timedelta(0), timedelta(days=10_000)))
def test_a_formatted_duration_is_read_back(duration: timedelta) -> None:
    """The short text is exact to the microsecond."""
    assert abs(parse_duration(format_duration(duration)) - duration) <= timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("text", "size"),
    [("10MB", 10_000_000), ("64KiB", 65536), ("1gib", 2**30), ("1.5 GB", 1_500_000_000), (512, 512), ("512", 512),
     ("7B", 7)],
)  # fmt: skip
def test_sizes(text: str | int, size: int) -> None:
    """KB counts by 1000, KiB by 1024."""
    assert parse_size(text) == size
    assert TypeAdapter(DataSize).validate_python(text) == size


@pytest.mark.parametrize("text", ["", "10 apples", "-5MB", -5, "MB", None, True, 1.5])
def test_what_is_no_size_is_refused(text: str) -> None:
    """The message says what one looks like."""
    with pytest.raises(ValueError, match="is not a size such as 512KB"):
        parse_size(text)
