"""How people want to see values: patterns such as ``#,##0.00`` for numbers and ``%d.%m.%Y`` for dates."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, time
from decimal import ROUND_HALF_UP, Decimal, localcontext

Format = Callable[[object], str | None]
"""Writes a value; None for one that has no number: NaN, infinity, or a value of another type."""


class FormatError(ValueError):
    """A text is no format of a type."""


def time_format(text: str) -> Format:
    """Return what a format writes of dates and times.

    >>> time_format("%d.%m.%Y")(date(2025, 2, 1))
    '01.02.2025'

    Raises:
        FormatError: it is none.
    """
    if "%" not in text:
        raise FormatError(f"{text!r} is not a format of dates and times; write one such as `%d.%m.%Y`")
    return lambda value: value.strftime(text) if isinstance(value, date | time) else None


@dataclass(frozen=True, slots=True)
class NumberFormat:
    """A pattern of digits: ``0`` is always written, ``#`` where there is a digit, ``,`` groups thousands.

    Args:
        before, after: what stands around the number as it is.
        percent: whether the number is written in hundredths.
        digits_min: how many digits stand before the point at least.
        scale_min, scale_max: how many stand after it.

    >>> NumberFormat.parse("#,##0.00 EUR").write(Decimal("-1234.505"))
    '-1,234.51 EUR'
    """

    before: str
    after: str
    grouped: bool
    percent: bool
    digits_min: int
    scale_min: int
    scale_max: int

    @classmethod
    def parse(cls, text: str) -> NumberFormat:
        """Return the format that a pattern writes.

        Raises:
            FormatError: it is none.
        """
        found = _PATTERN.fullmatch(text)
        if found is None:
            raise FormatError(f"{text!r} is not a format of numbers; write one such as `#,##0.00` or `0.0%`")
        fraction = found["fraction"] or ""
        return cls(
            found["before"],
            found["after"],
            "," in found["whole"],
            "%" in found["before"] + found["after"],
            found["whole"].count("0"),
            fraction.count("0"),
            len(fraction),
        )

    def write(self, value: object) -> str | None:
        """Return a number as people want to see it, None for what is no number; halves are rounded away from zero."""
        if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
            return None
        if isinstance(value, float) and not math.isfinite(value):
            return None
        with localcontext(prec=400):  # the largest double has 309 digits
            # The shortest text of a double is what people take it for: 2.675, not a little less.
            number = Decimal(repr(value) if isinstance(value, float) else value) * (100 if self.percent else 1)
            rounded = number.quantize(Decimal(1).scaleb(-self.scale_max), ROUND_HALF_UP)
        sign = "-" if rounded < 0 else ""
        return f"{sign}{self.before}{self._digits(abs(rounded))}{self.after}"

    def _digits(self, number: Decimal) -> str:
        whole, _, fraction = f"{number:f}".partition(".")
        whole = whole.lstrip("0").rjust(self.digits_min, "0")
        if self.grouped:
            whole = _THOUSANDS.sub(",", whole)
        fraction = fraction[: self.scale_min] + fraction[self.scale_min :].rstrip("0")
        return f"{whole}.{fraction}" if fraction else whole or "0"


_PATTERN = re.compile(
    r"(?P<before>[^#0.,;]*)(?=[#0,]*\.?[#0])(?P<whole>[#,]*[0,]*)(?:\.(?P<fraction>0*#*))?(?P<after>[^#0.,;]*)"
)
_THOUSANDS = re.compile(r"(?<=\d)(?=(?:\d{3})+\Z)")
