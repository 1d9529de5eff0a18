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

    def length(self) -> str:
        """Return the SQL of the interval, whichever way it leads.

        >>> Period.parse("-P1M2D").length()
        'to_months(1) + to_days(2)'
        """
        steps = (("to_months", self.months), ("to_days", self.days), ("to_seconds", self.seconds))
        return " + ".join(f"{function}({abs(number)})" for function, number in steps if number)

    @property
    def later(self) -> bool:
        """Whether it leads into the future, counted from a time."""
        return self.months + self.days + self.seconds > 0

    @property
    def about_s(self) -> float:
        """About how many seconds it has, to tell which of two is longer."""
        return (self.months * 30.436875 + self.days) * 86_400 + self.seconds


@dataclass(frozen=True, slots=True)
class TimeWindow:
    """The times around one.

    Args:
        first: how far the first is from it, None for no start; `HERE` for itself.
        last: the same of the last.
        after_first: whether the first itself is left out.

    >>> TimeWindow.read("P7D").frame
    'RANGE BETWEEN (to_days(7) - to_microseconds(1)) PRECEDING AND CURRENT ROW'
    >>> TimeWindow.read(["-P6D", 0]).frame
    'RANGE BETWEEN (to_days(6)) PRECEDING AND CURRENT ROW'
    """

    first: Period | None
    last: Period | None
    after_first: bool = False

    @classmethod
    def read(cls, value: object) -> TimeWindow | None:
        """Return the window that a model writes: a period that ends with the time itself, or two ends; else None."""
        if isinstance(value, str):
            period = Period.parse(value)
            if period is None or not period.later:
                return None
            return cls(Period.parse(f"-{period.text}"), HERE, after_first=True)
        if not isinstance(value, list | tuple) or len(value) != 2 or not any(isinstance(end, str) for end in value):
            return None
        ends = [_end(end) for end in value]
        known = [end for end, written in zip(ends, value, strict=True) if end is not None or written is None]
        if len(known) < 2 or (ends[0] and ends[1] and ends[0].about_s > ends[1].about_s):
            return None
        return cls(ends[0], ends[1])

    @property
    def periods(self) -> tuple[Period, ...]:
        """The periods that it is written in."""
        return tuple(end for end in (self.first, self.last) if end is not None and end != HERE)

    @property
    def frame(self) -> str:
        """The SQL of the frame, over times in order."""
        return f"RANGE BETWEEN {self._bound(self.first, 'PRECEDING')} AND {self._bound(self.last, 'FOLLOWING')}"

    def _bound(self, end: Period | None, beyond: str) -> str:
        if end is None:
            return f"UNBOUNDED {beyond}"
        if end == HERE:
            return "CURRENT ROW"
        # The time just after the first is the one a microsecond later: nothing is between them.
        length = f"{end.length()} - to_microseconds(1)" if self.after_first and beyond == "PRECEDING" else end.length()
        return f"({length}) {'FOLLOWING' if end.later else 'PRECEDING'}"


TIMES = ("date", "timestamp", "zoned")
"""The families of types whose values are as far from each other as a period says."""

HERE = Period("0", 0, 0, 0)
"""The end of a window that is the time itself."""


def _end(value: object) -> Period | None:
    if value == 0 and not isinstance(value, bool):
        return HERE
    return Period.parse(value) if isinstance(value, str) else None
