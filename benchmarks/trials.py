"""What is tried on real processes a number of times: figures, and by what they are judged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

from benchmarks.comparison import Verdict

Unit = Literal["s", "ms", "%", "MB", "x", ""]
Tell = Callable[[str], None]

DIGITS = {"s": 3, "ms": 1, "%": 2, "MB": 0, "x": 2, "": 0}


@dataclass(frozen=True, slots=True)
class Bound:
    """What a figure should reach.

    Args:
        limit: what the median may be; every trial, when `most` is not given.
        most: what a single trial may be.
        noisy: whether a busy machine can spoil it: then it is missed only when the best trial breaches it as well.
    """

    limit: float
    most: float | None = None
    noisy: bool = False

    def judge(self, values: Sequence[float]) -> Verdict:
        """A figure with two bounds keeps both; one with a single bound keeps it always, or it is at least not clear.

        >>> Bound(8).judge([6, 7, 8]), Bound(8).judge([6, 7, 9]), Bound(8).judge([7, 9, 10])
        ('met', 'unclear', 'missed')
        >>> Bound(10, most=15).judge([4, 9, 14]), Bound(10, most=15).judge([4, 9, 16])
        ('met', 'missed')
        >>> [Bound(2, noisy=True).judge(values) for values in ([1, 2, 9], [1, 3, 9], [3, 3, 9])]
        ['met', 'unclear', 'missed']
        """
        if self.noisy:
            return "missed" if min(values) > self.limit else "met" if median(values) <= self.limit else "unclear"
        if median(values) > self.limit or (self.most is not None and max(values) > self.most):
            return "missed"
        return "met" if self.most is not None or max(values) <= self.limit else "unclear"

    def told(self, unit: Unit) -> str:
        """Return the bound in words.

        >>> Bound(10, most=15).told("s"), Bound(2).told("%"), Bound(0).told("")
        ('≤ 10 s, at most 15 s', '≤ 2 %', '0')
        """
        after = f" {unit}" if unit else ""
        if not unit and self.limit == 0:
            return "0"
        most = f", at most {self.most:g}{after}" if self.most is not None else ""
        return f"≤ {self.limit:g}{after}{most}"


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of a number of trials.

    Args:
        title: what was measured, for the report.
        values: one or more of each trial.
        unit: in which.
        bound: what it is judged by; None for a figure that is only known.
    """

    title: str
    values: Sequence[float]
    unit: Unit = "s"
    bound: Bound | None = None

    @property
    def verdict(self) -> Verdict:
        """Whether the bound is kept; empty without one."""
        return self.bound.judge(self.values) if self.bound is not None else ""

    def shown(self, value: float) -> str:
        """Return a value as it is printed.

        >>> Figure("x", [1]).shown(2.34567), Figure("x", [1], "%").shown(1.5), Figure("x", [1], "").shown(812)
        ('2.346 s', '1.50 %', '812')
        """
        return f"{value:.{DIGITS[self.unit]}f} {self.unit}".rstrip()


Trials = Callable[[int, Tell], Sequence[Figure]]
"""Tries something so many times, tells how it goes, and returns what came out."""
