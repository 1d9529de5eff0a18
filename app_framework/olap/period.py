"""Periods as ISO 8601 writes them: ``P1M``, ``P1Y6M``, ``P2W``, ``PT12H``, ``-P1D``."""

from __future__ import annotations

import re
from dataclasses import dataclass

_PERIOD = re.compile(
    r"(?P<sign>-?)P(?:(?P<Y>\d{1,5})Y)?(?:(?P<M>\d{1,6})M)?(?:(?P<W>\d{1,6})W)?(?:(?P<D>\d{1,7})D)?"
    r"(?:T(?:(?P<h>\d{1,8})H)?(?:(?P<m>\d{1,9})M)?(?:(?P<s>\d{1,9})S)?)?"
)


@dataclass(frozen=True, slots=True)
class Period:
    """A length of time on the calendar: months have no fixed number of days, days are subtracted as days.

    >>> Period.parse("P1Y6M2DT3H")
    Period(text='P1Y6M2DT3H', months=18, days=2, seconds=10800)
    """

    text: str
    months: int
    days: int
    seconds: int

    @classmethod
    def parse(cls, text: str) -> Period | None:
        """Return the period a text writes, None when it writes none, or one of no length."""
        found = _PERIOD.fullmatch(text.strip())
        if found is None:
            return None
        part = {name: int(number) for name, number in found.groupdict("0").items() if name != "sign"}
        sign = -1 if found["sign"] else 1
        months = sign * (12 * part["Y"] + part["M"])
        days = sign * (7 * part["W"] + part["D"])
        seconds = sign * (3600 * part["h"] + 60 * part["m"] + part["s"])
        return cls(text.strip(), months, days, seconds) if months or days or seconds else None

    def before(self, sql: str) -> str:
        """Return the SQL of the time this long before another; a day that a month lacks is its last one.

        >>> Period.parse("P1M").before("day")
        'day - to_months(1)'
        """
        steps = (("to_months", self.months), ("to_days", self.days), ("to_seconds", self.seconds))
        return sql + "".join(f" - {function}({number})" for function, number in steps if number)
