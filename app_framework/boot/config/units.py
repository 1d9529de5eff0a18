"""Durations and sizes as people write them: ``10s``, ``500ms``, ``PT5S``; ``10MB``, ``64KiB``."""

from __future__ import annotations

import math
import re
from datetime import timedelta

_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = r"(\d+(?:\.\d+)?)(ms|s|m|h|d)"
_SIMPLE = re.compile(rf"(?P<sign>-?)(?:{_PART})+\Z", re.IGNORECASE)
_ISO = re.compile(
    r"(?P<sign>-?)P(?=.)(?:(?P<d>\d+(?:\.\d+)?)D)?(?:T(?=.)(?:(?P<h>\d+(?:\.\d+)?)H)?"
    r"(?:(?P<m>\d+(?:\.\d+)?)M)?(?:(?P<s>\d+(?:\.\d+)?)S)?)?\Z",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"-?\d+(\.\d+)?\Z")

DURATION_HINT = "a duration such as 500ms, 10s, 2m, 1h, 1d or PT5S"
SIZE_HINT = "a size such as 512KB, 10MB, 4GB or 64KiB"


def parse_duration(text: str | float | timedelta) -> timedelta:
    """Return the duration that a text or a number of seconds says.

    Raises:
        ValueError: if it says none.

    >>> parse_duration("1h30m"), parse_duration("500ms"), parse_duration(5)
    (datetime.timedelta(seconds=5400), datetime.timedelta(microseconds=500000), datetime.timedelta(seconds=5))
    """
    if isinstance(text, timedelta):
        return text
    seconds = _seconds(text)
    if seconds is None or not math.isfinite(seconds):
        raise ValueError(f"is not {DURATION_HINT}")
    try:
        return timedelta(seconds=seconds)
    except OverflowError:
        raise ValueError("is too long") from None


def _seconds(text: str | float) -> float | None:
    if isinstance(text, (int, float)) and not isinstance(text, bool):
        return float(text)
    if not isinstance(text, str):
        return None
    text = text.strip()
    if _NUMBER.match(text):
        return float(text)
    if found := _SIMPLE.match(text):
        total = sum(float(n) * _UNITS_S[unit.lower()] for n, unit in re.findall(_PART, text, re.IGNORECASE))
    elif found := _ISO.match(text):
        total = sum(float(found[unit] or 0) * _UNITS_S[unit] for unit in "dhms")
    else:
        return None
    return -total if found["sign"] else total


def format_duration(value: timedelta) -> str:
    """Return the shortest exact text of a duration; `parse_duration` reads it back.

    >>> [format_duration(timedelta(seconds=s)) for s in (0.5, 90, 120, 86400)]
    ['500ms', '90s', '2m', '1d']
    """
    microseconds = value // timedelta(microseconds=1)
    for unit, size in (("d", 86_400_000_000), ("h", 3_600_000_000), ("m", 60_000_000), ("s", 1_000_000)):
        if microseconds and microseconds % size == 0:
            return f"{microseconds // size}{unit}"
    if microseconds % 1000 == 0:
        return f"{microseconds // 1000}ms" if microseconds else "0s"
    return f"{microseconds / 1000:f}".rstrip("0") + "ms"


_SIZES = {
    "": 1, "b": 1,
    "kb": 1000, "mb": 1000**2, "gb": 1000**3, "tb": 1000**4,
    "kib": 1024, "mib": 1024**2, "gib": 1024**3, "tib": 1024**4,
}  # fmt: skip
_SIZE = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>[A-Za-z]*)\Z")


def parse_size(text: str | int) -> int:
    """Return the number of bytes that a text says: ``KB`` counts by 1000, ``KiB`` by 1024.

    Raises:
        ValueError: if it says none.

    >>> parse_size("10MB"), parse_size("64KiB"), parse_size(512)
    (10000000, 65536, 512)
    """
    if isinstance(text, int) and not isinstance(text, bool) and text >= 0:
        return text
    found = _SIZE.match(text.strip()) if isinstance(text, str) else None
    factor = _SIZES.get(found["unit"].lower()) if found else None
    if found is None or factor is None:
        raise ValueError(f"is not {SIZE_HINT}")
    number = found["number"]
    return int(number) * factor if number.isdigit() else round(float(number) * factor)
