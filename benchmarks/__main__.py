"""`python -m benchmarks`: measure, print, and write `results.md`; the exit code is 1 when a target is missed."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.comparison import Line, Opening, measure
from benchmarks.configuration import large_configuration
from benchmarks.cube import cube_queries
from benchmarks.loading import sample_data
from benchmarks.machine import machine_facts
from benchmarks.report import machine, page, table
from benchmarks.request import autowired_request
from benchmarks.start import help_page, node_start
from benchmarks.wiring import many_components

RESULTS = Path(__file__).with_name("results.md")
ROUNDS = 11
TIME_LIMIT_S = 210.0

OPENINGS: Mapping[str, Opening] = {
    "start": node_start,
    "request": autowired_request,
    "cube": cube_queries,
    "help": help_page,
    "configuration": large_configuration,
    "wiring": many_components,
    "load": sample_data,
}


def main(arguments: Sequence[str]) -> int:
    """Run the benchmarks that are asked for."""
    options = _options(arguments)
    facts = machine_facts()
    started = time.monotonic()
    lines = measure(
        [OPENINGS[name] for name in options.only],
        rounds=options.rounds,
        time_limit_s=TIME_LIMIT_S,
        tell=lambda text: print(text, file=sys.stderr, flush=True),
    )
    print(f"\n{table(lines)}\n\n{machine(facts)}")
    output = options.output or (RESULTS if options.only == list(OPENINGS) else None)
    if output is not None:
        output.write_text(page(lines, facts, elapsed_s=time.monotonic() - started), encoding="utf-8")
    return 1 if any(_fails(line) for line in lines) else 0


def _fails(line: Line) -> bool:
    return line.verdict == "missed" and line.target is not None and line.target.binding


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m benchmarks", description="Measure ratios against what it stands on.")
    parser.add_argument("--only", type=_names, default=list(OPENINGS), help=f"some of {','.join(OPENINGS)}")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="how often each side is measured (%(default)s)")
    parser.add_argument("--output", type=Path, help="where the page goes; a whole run writes benchmarks/results.md")
    return parser.parse_args(arguments)


def _names(text: str) -> list[str]:
    names = text.split(",")
    unknown = [name for name in names if name not in OPENINGS]
    if unknown:
        raise argparse.ArgumentTypeError(f"there is no {', '.join(unknown)}; there are {', '.join(OPENINGS)}")
    return names


if __name__ == "__main__":
    # A supervisor's SIGTERM unwinds like Ctrl-C, so that no server is left behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    raise SystemExit(main(sys.argv[1:]))
