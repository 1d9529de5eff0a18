"""`python -m benchmarks`: measure, print, and write `results.md`; the exit code is 1 when a target is missed."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.cluster import TRIALS
from benchmarks.comparison import Line, Opening, measure
from benchmarks.configuration import large_configuration
from benchmarks.cube import cube_queries
from benchmarks.loading import sample_data
from benchmarks.machine import machine_facts
from benchmarks.messages import memory_request, messenger_request
from benchmarks.report import figures_table, machine, not_measured, page, table
from benchmarks.request import autowired_request
from benchmarks.start import help_page, lone_node, node_start
from benchmarks.trials import Figure
from benchmarks.wiring import many_components

RESULTS = Path(__file__).with_name("results.md")
ROUNDS = 11
TRIES = 20
QUICK = 3
TIME_LIMIT_S = 210.0

OPENINGS: Mapping[str, Opening] = {
    "start": node_start,
    "request": autowired_request,
    "cube": cube_queries,
    "help": help_page,
    "configuration": large_configuration,
    "wiring": many_components,
    "load": sample_data,
    "alone": lone_node,
    "messenger": messenger_request,
    "memory": memory_request,
}

EVERYTHING = (*OPENINGS, *TRIALS)
GROUPS: Mapping[str, Sequence[str]] = {"cluster": ("alone", "messenger", "memory", *TRIALS)}
"""Names that stand for several."""
KNOWN = (*EVERYTHING, *GROUPS)


def main(arguments: Sequence[str]) -> int:
    """Run the benchmarks that are asked for."""
    options = _options(arguments)
    facts = machine_facts()
    started = time.monotonic()
    openings = [OPENINGS[name] for name in options.only if name in OPENINGS]
    lines = measure(openings, rounds=options.rounds, time_limit_s=TIME_LIMIT_S, tell=_tell) if openings else []
    figures, missing = _tried([name for name in options.only if name in TRIALS], options.trials)
    tables = [
        *([table(lines)] if lines else []),
        *([figures_table(figures)] if figures else []),
        *not_measured(missing),
        machine(facts),
    ]
    print("\n" + "\n\n".join(tables))
    whole = set(options.only) == set(EVERYTHING) and not options.quick
    output = options.output or (RESULTS if whole else None)
    if output is not None:
        elapsed_s = time.monotonic() - started
        output.write_text(
            page(lines, figures, facts, trials=options.trials, elapsed_s=elapsed_s, missing=missing), encoding="utf-8"
        )
    return 1 if missing or any(map(_fails, lines)) or any(each.verdict == "missed" for each in figures) else 0


def _tried(names: Sequence[str], trials: int) -> tuple[list[Figure], list[str]]:
    """Try each; one that fails is told and left out, so that what the others took minutes for is not lost."""
    figures: list[Figure] = []
    missing = []
    for name in names:
        try:
            figures += TRIALS[name](trials, _tell)
        except (RuntimeError, OSError, LookupError, AssertionError) as error:
            _tell(f"{name} could not be measured: {error!r}\n{error}")
            missing.append(name)
    return figures, missing


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _fails(line: Line) -> bool:
    return line.verdict == "missed" and line.target is not None and line.target.binding


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m benchmarks", description="Measure ratios against what it stands on.")
    parser.add_argument("--only", type=_names, default=list(EVERYTHING), help=f"some of {','.join(KNOWN)}")
    parser.add_argument("--rounds", type=_count, help=f"how often each side is measured ({ROUNDS})")
    parser.add_argument("--trials", type=_count, help=f"how often a cluster is tried ({TRIES})")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK} rounds and {QUICK} trials unless given")
    parser.add_argument("--output", type=Path, help="where the page goes; a whole run writes benchmarks/results.md")
    options = parser.parse_args(arguments)
    options.rounds = options.rounds or (QUICK if options.quick else ROUNDS)
    options.trials = options.trials or (QUICK if options.quick else TRIES)
    return options


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a number from 1")
    return int(text)


def _names(text: str) -> list[str]:
    names = text.split(",")
    unknown = [name for name in names if name not in KNOWN]
    if unknown:
        raise argparse.ArgumentTypeError(f"there is no {', '.join(unknown)}; there are {', '.join(KNOWN)}")
    return list(dict.fromkeys(each for name in names for each in GROUPS.get(name, (name,))))


if __name__ == "__main__":
    # A supervisor's SIGTERM unwinds like Ctrl-C, so that no server is left behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    raise SystemExit(main(sys.argv[1:]))
