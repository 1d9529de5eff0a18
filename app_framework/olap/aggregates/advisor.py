"""Which aggregates to keep: a greedy choice by what was asked and by how large each would be; pure.

Every aggregate of less than some rows costs what the engine needs for any statement. Counted like that, a few that
cover much are chosen, and not dozens of small ones that each cover a little.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import combinations

CANDIDATES_MAX = 40
KINDS_LOOKED_AT = 16
KINDS_JOINED = 6
SAME_SIZE = 1.25
"""A wider aggregate with so many times the rows at most is taken instead of a narrower one."""

Levels = frozenset[str]


@dataclass(frozen=True, slots=True)
class Choice:
    """An aggregate that is worth keeping.

    Args:
        levels: the full names of its levels.
        rows: about how many groups it has.
        questions: how many of those that were asked would be answered from it.
        gain: how many times fewer rows those would read.
    """

    levels: tuple[str, ...]
    rows: int
    questions: float
    gain: float

    def __str__(self) -> str:
        names = " x ".join(name.rpartition(".")[2] for name in self.levels)
        return f"{names}: {self.rows:,} rows, {self.questions:g} questions, {self.gain:,.0f} times less to read"


_SHOWN = ("levels", "rows", "questions", "gain")


@dataclass(frozen=True, slots=True)
class Advice:
    """Which aggregates are worth keeping, the most worth first.

    Args:
        cube: that was asked.
        base_rows: how many rows its base table has.
        questions: how many questions were remembered; older ones count less.
        choices: what to keep.
    """

    cube: str
    base_rows: int
    questions: float
    choices: tuple[Choice, ...] = field(default=())

    @property
    def covered(self) -> float:
        """The part of the questions that would be answered from aggregates."""
        return sum(choice.questions for choice in self.choices) / self.questions if self.questions else 0.0

    def to_json(self) -> dict[str, object]:
        """Return the advice as JSON."""
        choices = [{name: getattr(choice, name) for name in _SHOWN} for choice in self.choices]
        return {"base_rows": self.base_rows, "questions": self.questions, "covered": self.covered, "choices": choices}

    def __str__(self) -> str:
        lines = [f"{self.cube}: {self.covered:.0%} of {self.questions:g} questions, {self.base_rows:,} rows"]
        return "\n".join([*lines, *(f"  {choice}" for choice in self.choices)])


def candidates(asked: Mapping[Levels, float], coarser: Mapping[str, Levels]) -> list[Levels]:
    """Return what may be worth keeping: what questions need, together, and with the coarser levels of hierarchies."""
    often = sorted((levels for levels in asked if levels), key=lambda levels: -asked[levels])[:KINDS_LOOKED_AT]
    joined = [one | other for one, other in combinations(often[:KINDS_JOINED], 2)]
    narrow = dict.fromkeys([*often, *joined])
    wide = [levels.union(*(coarser.get(name, frozenset()) for name in levels)) for levels in narrow]
    return list(dict.fromkeys([*narrow, *wide]))[:CANDIDATES_MAX]


def choose(
    asked: Mapping[Levels, float],
    sizes: Mapping[Levels, int],
    base_rows: int,
    *,
    each_max: float,
    all_max: int,
    floor: int,
) -> tuple[Choice, ...]:
    """Return what to keep of the candidates whose `sizes` are known.

    Each time that one is taken that spares most per row that it costs, until nothing is spared any more.

    Args:
        asked: how often each kind of question was asked.
        sizes: how many groups each candidate has.
        base_rows: what a question reads that no aggregate covers.
        each_max: the largest that may be taken.
        all_max: how large all may be together.
        floor: what a smaller one costs nevertheless.
    """
    left = {levels: size for levels, size in _widest(sizes) if size <= each_max}
    read: dict[Levels, tuple[int, Levels | None]] = dict.fromkeys(asked, (base_rows, None))
    taken: dict[Levels, int] = {}

    def spared(candidate: Levels) -> float:
        cost = max(left[candidate], floor)
        gains = (n * (max(read[q][0], floor) - cost) for q, n in asked.items() if candidate >= q)
        return sum(gain for gain in gains if gain > 0) / (left[candidate] + floor)

    while left:
        best = max(left, key=lambda levels: (spared(levels), len(levels)))
        if spared(best) <= 0:
            break
        size = left.pop(best)
        if size + sum(taken.values()) > all_max:
            continue
        taken[best] = size
        read |= {q: (size, best) for q in asked if best >= q and max(size, floor) < max(read[q][0], floor)}
    return tuple(_choice(levels, size, asked, read, base_rows, floor) for levels, size in taken.items())


def _widest(sizes: Mapping[Levels, int]) -> Iterable[tuple[Levels, int]]:
    """Leave out what a wider candidate of about the same size covers too."""
    for levels, size in sizes.items():
        if not any(other > levels and more <= size * SAME_SIZE for other, more in sizes.items()):
            yield levels, size


def _choice(
    levels: Levels,
    size: int,
    asked: Mapping[Levels, float],
    read: Mapping[Levels, tuple[int, Levels | None]],
    base_rows: int,
    floor: int,
) -> Choice:
    questions = sum(n for q, n in asked.items() if read[q][1] == levels)
    return Choice(tuple(sorted(levels)), size, questions, base_rows / max(size, min(floor, base_rows), 1))
