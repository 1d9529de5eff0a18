"""The results as a page: a table for people, the rules by which it was made, and the machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median

from benchmarks.comparison import Line, Samples, ratio_text
from benchmarks.trials import Figure

HEADS = ("what", "ours", "against", "reference", "ratio", "target", "")
FIGURE_HEADS = ("what", "median", "most", "target", "")


@dataclass(frozen=True, slots=True)
class EngineResults:
    """What came out of a part that is measured over facts: the engine's, and that of distributed cubes.

    Args:
        rows: how many facts there were.
        trials: how often each figure was tried.
        lines: of the comparisons.
        figures: of the trials.
    """

    rows: int
    trials: int
    lines: Sequence[Line] = ()
    figures: Sequence[Figure] = ()


def page(
    lines: Sequence[Line],
    figures: Sequence[Figure],
    facts: Sequence[str],
    *,
    trials: int,
    elapsed_s: float,
    missing: Sequence[str] = (),
    engine: EngineResults | None = None,
    distribution: EngineResults | None = None,
) -> str:
    """Return the results as Markdown."""
    parts = [
        "# Benchmarks",
        *(["## Against what it stands on", table(lines), _rules_of_lines(len(lines[0].ours.ms))] if lines else []),
        *(_engine_section(engine) if engine is not None else []),
        *(_distribution_section(distribution) if distribution is not None else []),
        *(["## A cluster of three processes", figures_table(figures), _rules_of_figures(trials)] if figures else []),
        *not_measured(missing),
        machine(facts),
        f"Written by `make bench` on {datetime.now(UTC):%Y-%m-%d} in {elapsed_s:.0f} s.",
    ]
    return "\n\n".join(parts) + "\n"


def _engine_section(engine: EngineResults) -> list[str]:
    return [
        f"## The engine on {engine.rows:,} facts",
        *([table(engine.lines), _rules_of_engine(len(engine.lines[0].ours.ms))] if engine.lines else []),
        *([figures_table(engine.figures), _rules_of_engine_figures(engine.trials)] if engine.figures else []),
    ]


def _distribution_section(found: EngineResults) -> list[str]:
    return [
        f"## Distributed cubes on {found.rows:,} facts",
        *([table(found.lines), _rules_of_distribution(len(found.lines[0].ours.ms))] if found.lines else []),
        *([figures_table(found.figures), _rules_of_distribution_figures(found.trials)] if found.figures else []),
    ]


def _rules_of_distribution(rounds: int) -> str:
    return f"""\
The median of {rounds} rounds, by the same rules. Two data nodes are processes with one engine thread each, hold the
facts of two channels each, and answer over NATS to a query cube in the measuring process; one node is a cube of that
process with all facts and two threads. Both have given the same answers. What is called own overhead is the time of a
question less that of its slower node. A merge is timed by the merger itself, of parts that have arrived."""


def _rules_of_distribution_figures(trials: int) -> str:
    return f"""\
{trials} trials each. A data node is late when everything else has been answering for a while; its process is ready, or
its distribution is started, and the query cube is asked again and again until its rows are in the answer. Tests with
`DistributionTestHelper` run one after the other in one pytest."""


def _rules_of_engine(rounds: int) -> str:
    return f"""\
The median of {rounds} rounds, by the same rules. The facts have 27 columns, are in the order of their days and lie in a
file of the database; texts are texts. A question that is called uncached has a filter that was hardly asked for before.
Polars, DataFusion and chdb hold the same facts in the way that suits them best, and have given the same answers."""


def _rules_of_engine_figures(trials: int) -> str:
    return f"""\
{trials} trials each. A ratio, and the longest commit, is missed when the median and the best trial both breach it; what
is counted is missed when any trial does, memory when the median does. Readers come at a fixed rate, whether they were
answered or not: what they wait for their turn is in their times."""


def not_measured(names: Sequence[str]) -> list[str]:
    """Return the line that names what failed; nothing when nothing did."""
    return [f"**Not measured, because it failed: {', '.join(names)}.**"] if names else []


def _rules_of_lines(rounds: int) -> str:
    return f"""\
Milliseconds: the median of {rounds} rounds, and the best in brackets. A ratio is the median over the rounds of ours by
the reference of the same round, and in brackets our best by its best. Every round measures all cases in a new random
order, both sides of a case one after the other, also in random order. A target is missed when the median and the best
both breach it, unclear when only the median does. A target in brackets is a budget that is watched."""


def _rules_of_figures(trials: int) -> str:
    return f"""\
{trials} trials on real processes: `af node start` three times on this machine, each with its own NATS servers; idle is
measured for 20 s in a fifth of the trials, for each node. A target is met when every trial keeps it, unclear when only
the median does; one with a second bound is missed when either is breached. A machine dies when the node and its servers
are killed with -9 at once. While the leader dies, both others are asked for `GET /api/cluster` every 4 ms, ask each
other over the messenger every 5 ms, and write by compare-and-set; a pause is the time between two answers."""


def table(lines: Sequence[Line]) -> str:
    """Return the lines as a Markdown table, aligned also for those who read it as text."""
    return _aligned([HEADS, *(_row(line, first=_is_first(lines, at)) for at, line in enumerate(lines))])


def figures_table(figures: Sequence[Figure]) -> str:
    """Return the figures of trials as a Markdown table."""
    return _aligned([FIGURE_HEADS, *map(_figure_row, figures)])


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
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
        f"{ratio_text(ratio)} ({ratio_text(best)})" if ratio is not None and best is not None else line.absent,
        str(line.target or ""),
        line.verdict,
    )


def _figure_row(figure: Figure) -> tuple[str, ...]:
    return (
        figure.title,
        figure.shown(median(figure.values)),
        figure.shown(max(figure.values)),
        figure.bound.told(figure.unit) if figure.bound else "",
        figure.verdict,
    )


def _is_first(lines: Sequence[Line], at: int) -> bool:
    return at == 0 or lines[at - 1].case is not lines[at].case


def _times(samples: Samples) -> str:
    return f"{_number(samples.median)} ({_number(samples.best)})"


def _number(ms: float) -> str:
    """Three digits that count.

    >>> [_number(ms) for ms in (0.0012345, 0.12345, 1.2345, 12.345, 1234.5)]
    ['0.00123', '0.123', '1.23', '12.3', '1234']
    """
    for limit, digits in ((0.01, 5), (1, 3), (10, 2), (100, 1)):
        if ms < limit:
            return f"{ms:.{digits}f}"
    return f"{ms:.0f}"
