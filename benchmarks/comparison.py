"""Ours against references: what is measured, the rounds in which it is measured, and what comes out of them."""

from __future__ import annotations

import gc
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from statistics import median
from typing import Literal

OURS = "ours"

Side = Callable[[], float]
"""Measures once and returns milliseconds; a side with many operations returns the p50 of a block of them."""

Verdict = Literal["met", "unclear", "missed", ""]


@dataclass(frozen=True, slots=True)
class Target:
    """What a case should reach.

    Args:
        limit: the largest ratio, or the most milliseconds.
        of: which of the two it is.
        binding: a budget that is only watched is not.
        every: whether it is about every reference, not about the first one only.
    """

    limit: float
    of: Literal["ratio", "ms"] = "ratio"
    binding: bool = True
    every: bool = False

    def judge(self, middle: float, best: float) -> Verdict:
        """A busy machine can spoil the median or the best; both at once is no accident.

        >>> Target(1.5).judge(1.4, 1.6), Target(1.5).judge(1.6, 1.4), Target(1.5).judge(1.7, 1.6)
        ('met', 'unclear', 'missed')
        """
        if middle <= self.limit:
            return "met"
        return "missed" if best > self.limit else "unclear"

    def __str__(self) -> str:
        text = f"≤ {self.limit:g} ms" if self.of == "ms" else f"≤ {ratio_text(self.limit)}"
        return text if self.binding else f"({text})"


@dataclass(frozen=True, slots=True)
class Case:
    """One question: how long something of ours takes, and what it is compared with.

    Args:
        name: what ``--only`` calls it.
        title: what is measured, for the report.
        ours: our side.
        references: the other sides by what they are; the target is about the first one, unless it is about every one.
        target: what should be reached; None for a figure that is only known.
        absent: the other sides that cannot be measured here, and why.
    """

    name: str
    title: str
    ours: Side
    references: Mapping[str, Side] = field(default_factory=dict)
    target: Target | None = None
    absent: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Samples:
    """The times of one side, in milliseconds, a sample per round."""

    ms: Sequence[float]

    @property
    def median(self) -> float:
        """The middle one."""
        return median(self.ms)

    @property
    def best(self) -> float:
        """The least disturbed one."""
        return min(self.ms)


@dataclass(frozen=True, slots=True)
class Line:
    """Ours against one reference, or alone.

    Args:
        case: what was measured.
        ours: our samples.
        reference: what it is compared with; empty when there is nothing.
        theirs: its samples, None when there is no reference.
        target: what the line is judged by, if at all.
        absent: why the reference was not measured; empty when it was.
    """

    case: Case
    ours: Samples
    reference: str = ""
    theirs: Samples | None = None
    target: Target | None = None
    absent: str = ""

    @property
    def ratio(self) -> float | None:
        """The median over the rounds of ours by theirs: what slows down a whole round is in both."""
        if self.theirs is None:
            return None
        return median(ours / theirs for ours, theirs in zip(self.ours.ms, self.theirs.ms, strict=True))

    @property
    def best_ratio(self) -> float | None:
        """Our best by their best."""
        return None if self.theirs is None else self.ours.best / self.theirs.best

    @property
    def verdict(self) -> Verdict:
        """Whether the target is met; empty without one."""
        if self.target is None:
            return ""
        if self.target.of == "ms":
            return self.target.judge(self.ours.median, self.ours.best)
        assert self.ratio is not None, "a ratio needs a reference"
        assert self.best_ratio is not None
        return self.target.judge(self.ratio, self.best_ratio)


def ratio_text(ratio: float) -> str:
    """Return a ratio with two digits after the point, and a small one with two that count.

    >>> [ratio_text(ratio) for ratio in (12.345, 0.5, 0.05, 0.00213)]
    ['12.35', '0.50', '0.05', '0.0021']
    """
    return f"{ratio:.2f}" if ratio >= 0.1 else f"{ratio:.2g}"


Opening = Callable[[], AbstractContextManager[Sequence[Case]]]
"""Starts what some cases need, servers for instance, and ends it."""


def measure(
    openings: Sequence[Opening],
    *,
    rounds: int,
    time_limit_s: float,
    tell: Callable[[str], None],
    failed: dict[str, str] | None = None,
) -> list[Line]:
    """Measure cases in rounds and return a line for each case and reference, in the order of the cases.

    Args:
        openings: where the cases come from.
        rounds: how often each side is measured; fewer when the time would not suffice.
        time_limit_s: bound of the rounds.
        tell: hears how it goes.
        failed: gets the name and the error of each case that could not be measured; without, such an error is raised.
    """
    with ExitStack() as stack:
        cases = [case for opening in openings for case in stack.enter_context(opening())]
        deadline = time.monotonic() + time_limit_s
        found: dict[tuple[str, str], list[float]] = {}
        lost: dict[str, str] = {}
        for number, _ in enumerate(_rounds(rounds, deadline), start=1):
            tell(f"round {number} of {rounds}")
            for case, name, side in _shuffled([case for case in cases if case.name not in lost]):
                gc.collect()  # nobody pays for the garbage of the side before
                try:
                    found.setdefault((case.name, name), []).append(side())
                except Exception as error:
                    if failed is None:
                        raise
                    lost[case.name] = f"{name}: {error!r}"  # whatever it is, it costs this line and not the others
        if failed is not None:
            failed |= lost
        return [line for case in cases if case.name not in lost for line in _lines(case, found)]


def _rounds(count: int, deadline: float) -> Iterator[int]:
    """Count the rounds for which there is time, judged by the longest so far; one at least."""
    longest = 0.0
    for number in range(count):
        started = time.monotonic()
        if number and started + longest > deadline:
            return
        yield number
        longest = max(longest, time.monotonic() - started)


def _shuffled(cases: Sequence[Case]) -> Iterator[tuple[Case, str, Side]]:
    """Yield every side of every case; the sides of one case stay neighbours, so that they share the weather."""
    for case in random.sample(cases, len(cases)):
        sides = [(OURS, case.ours), *case.references.items()]
        for name, side in random.sample(sides, len(sides)):
            yield case, name, side


def _lines(case: Case, found: Mapping[tuple[str, str], Sequence[float]]) -> Iterator[Line]:
    ours = Samples(found[case.name, OURS])
    if not case.references:
        alone = case.target if case.target is not None and case.target.of == "ms" else None
        yield Line(case, ours, target=alone)
    for position, name in enumerate(case.references):
        theirs = Samples(found[case.name, name])
        judged = position == 0 or (case.target is not None and case.target.every)
        yield Line(case, ours, name, theirs, case.target if judged else None)
    for name, why in case.absent.items():
        yield Line(case, ours, name, absent=why)
