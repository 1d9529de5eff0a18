"""The results as a page: a table for people, the rules by which it was made, and the machine."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from benchmarks.comparison import Line, Samples

HEADS = ("what", "ours", "against", "reference", "ratio", "target", "")


def page(lines: Sequence[Line], facts: Sequence[str], *, elapsed_s: float) -> str:
    """Return the results as Markdown."""
    rounds = len(lines[0].ours.ms)
    return f"""\
# Benchmarks

{table(lines)}

Milliseconds: the median of {rounds} rounds, and the best in brackets. A ratio is the median over the rounds of ours by
the reference of the same round, and in brackets our best by its best. Every round measures all cases in a new random
order, both sides of a case one after the other, also in random order. A target is missed when the median and the best
both breach it, unclear when only the median does. A target in brackets is a budget that is watched.

{machine(facts)}

Written by `make bench` on {datetime.now(UTC):%Y-%m-%d} in {elapsed_s:.0f} s.
"""


def table(lines: Sequence[Line]) -> str:
    """Return the lines as a Markdown table, aligned also for those who read it as text."""
    rows = [HEADS, *(_row(line, first=_is_first(lines, at)) for at, line in enumerate(lines))]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADS))]
    head, *body = [
        f"| {' | '.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))} |" for row in rows
    ]
    rule = f"|{'|'.join('-' * (width + 2) for width in widths)}|"
    return "\n".join([head, rule, *body])


def machine(facts: Sequence[str]) -> str:
    """Return the facts as a list."""
    return "\n".join(f"- {fact}" for fact in facts)


def _row(line: Line, *, first: bool) -> tuple[str, ...]:
    ratio, best = line.ratio, line.best_ratio
    return (
        line.case.title if first else "",
        _times(line.ours) if first else "",
        line.reference,
        _times(line.theirs) if line.theirs else "",
        f"{ratio:.2f} ({best:.2f})" if ratio is not None else "",
        str(line.target or ""),
        line.verdict,
    )


def _is_first(lines: Sequence[Line], at: int) -> bool:
    return at == 0 or lines[at - 1].case is not lines[at].case


def _times(samples: Samples) -> str:
    return f"{_number(samples.median)} ({_number(samples.best)})"


def _number(ms: float) -> str:
    """Three digits that count.

    >>> [_number(ms) for ms in (0.12345, 1.2345, 12.345, 1234.5)]
    ['0.123', '1.23', '12.3', '1234']
    """
    for limit, digits in ((1, 3), (10, 2), (100, 1)):
        if ms < limit:
            return f"{ms:.{digits}f}"
    return f"{ms:.0f}"
