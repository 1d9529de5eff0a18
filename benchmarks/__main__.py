"""`python -m benchmarks`: measure, print, and write `results.md`; the exit code is 1 when a target is missed."""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

from benchmarks.answers import drillthrough_memory, large_answers
from benchmarks.cluster import TRIALS
from benchmarks.comparison import Case, Line, Opening, measure
from benchmarks.concurrency import dashboard, kept_answers, many_clients
from benchmarks.configuration import large_configuration
from benchmarks.covered import kept_aggregates
from benchmarks.cube import cube_queries
from benchmarks.cubejs import cubejs
from benchmarks.distribution import two_nodes
from benchmarks.distribution_merging import merges
from benchmarks.distribution_streams import large_partials
from benchmarks.distribution_trials import helper_tests, late_nodes
from benchmarks.facts import ROWS, Ground
from benchmarks.ingest import ingestion
from benchmarks.loading import sample_data
from benchmarks.lookup import lookups
from benchmarks.machine import machine_facts
from benchmarks.memory import memory_after_the_suite
from benchmarks.messages import memory_request, messenger_request
from benchmarks.pivot import pivot_changes
from benchmarks.readers import readers_and_writer
from benchmarks.report import EngineResults, figures_table, machine, not_measured, page, table
from benchmarks.request import autowired_request
from benchmarks.start import help_page, lone_node, node_start
from benchmarks.suite import each_question, engine_suite
from benchmarks.tiles import tiles
from benchmarks.totals import subtotals_and_distinct
from benchmarks.trials import Figure, Tell, Trials
from benchmarks.wiring import many_components

RESULTS = Path(__file__).with_name("results.md")
ROUNDS = 11
TRIES = 20
QUICK = 3
QUICK_ROWS = 600_000
TIME_LIMIT_S = 210.0
ENGINE_ROUNDS_MAX = 7
ENGINE_TRIALS_MAX = 3

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

ENGINE: Mapping[str, Callable[[Ground], AbstractContextManager[Sequence[Case]]]] = {
    "clients": many_clients,
    "kept": kept_answers,
    "lookup": lookups,
    "dashboard": dashboard,
    "totals": subtotals_and_distinct,
    "tiles": tiles,
    "answers": large_answers,
    "ingest": ingestion,
    "suite": engine_suite,
    "cubejs": cubejs,
    "pivot": pivot_changes,
}

ENGINE_TRIALS: Mapping[str, Callable[[Ground, int, Tell], Sequence[Figure]]] = {
    "aggregates": kept_aggregates,
    "readers": readers_and_writer,
    "rows-memory": drillthrough_memory,
    "node-memory": memory_after_the_suite,
}

DISTRIBUTION: Mapping[str, Callable[[Ground], AbstractContextManager[Sequence[Case]]]] = {
    "distributed": two_nodes,
    "merges": merges,
    "partials": large_partials,
}

DISTRIBUTION_TRIALS: Mapping[str, Callable[[Ground, int, Tell], Sequence[Figure]]] = {
    "late-node": late_nodes,
    "helper-tests": helper_tests,
}

ON_REQUEST = {"questions": each_question}
"""What is measured when it is named only."""

EVERYTHING = (*OPENINGS, *ENGINE, *ENGINE_TRIALS, *DISTRIBUTION, *DISTRIBUTION_TRIALS, *TRIALS)
GROUPS: Mapping[str, Sequence[str]] = {
    "cluster": ("alone", "messenger", "memory", *TRIALS),
    "engine": ("cube", *ENGINE, *ENGINE_TRIALS),
    "distribution": (*DISTRIBUTION, *DISTRIBUTION_TRIALS),
}
"""Names that stand for several."""
KNOWN = (*EVERYTHING, *ON_REQUEST, *GROUPS)


def main(arguments: Sequence[str]) -> int:
    """Run the benchmarks that are asked for."""
    options = _options(arguments)
    facts = machine_facts()
    started = time.monotonic()
    missing: list[str] = []
    openings = [_guarded(name, OPENINGS[name], missing) for name in options.only if name in OPENINGS]
    lines = _measured(openings, options.rounds, missing) if openings else []
    with Ground(options.rows) as ground:
        engine = _over(ground, {**ENGINE, **ON_REQUEST}, ENGINE_TRIALS, options, missing)
        distribution = _over(ground, DISTRIBUTION, DISTRIBUTION_TRIALS, options, missing)
    figures = _tried(options.only, TRIALS, options.trials, missing)
    tables = [
        *([table(lines)] if lines else []),
        *([table(engine.lines)] if engine.lines else []),
        *([figures_table(engine.figures)] if engine.figures else []),
        *([table(distribution.lines)] if distribution.lines else []),
        *([figures_table(distribution.figures)] if distribution.figures else []),
        *([figures_table(figures)] if figures else []),
        *not_measured(missing),
        machine(facts),
    ]
    print("\n" + "\n\n".join(tables))
    whole = set(options.only) == set(EVERYTHING) and not options.quick
    output = options.output or (RESULTS if whole else None)
    if output is not None:
        text = page(
            lines,
            figures,
            facts,
            trials=options.trials,
            elapsed_s=time.monotonic() - started,
            missing=missing,
            engine=engine if engine.lines or engine.figures else None,
            distribution=distribution if distribution.lines or distribution.figures else None,
        )
        output.write_text(text, encoding="utf-8")
    judged = [*figures, *engine.figures, *distribution.figures]
    fails = any(map(_fails, [*lines, *engine.lines, *distribution.lines]))
    fails = fails or any(figure.verdict == "missed" for figure in judged)
    return 1 if missing or fails else 0


def _over(
    ground: Ground,
    known: Mapping[str, Callable[[Ground], AbstractContextManager[Sequence[Case]]]],
    known_trials: Mapping[str, Callable[[Ground, int, Tell], Sequence[Figure]]],
    options: argparse.Namespace,
    missing: list[str],
) -> EngineResults:
    """Measure what is asked for of one part, over one set of facts."""
    trials = min(options.trials, ENGINE_TRIALS_MAX)
    asked = [name for name in options.only if name in known]
    openings = [_guarded(name, partial(known[name], ground), missing) for name in asked]
    lines = _measured(openings, min(options.rounds, ENGINE_ROUNDS_MAX), missing) if openings else []
    tried: Mapping[str, Trials] = {name: partial(known_trials[name], ground) for name in known_trials}
    return EngineResults(ground.rows, trials, lines, _tried(options.only, tried, trials, missing))


def _measured(openings: Sequence[Opening], rounds: int, missing: list[str]) -> list[Line]:
    failed: dict[str, str] = {}
    lines = measure(openings, rounds=rounds, time_limit_s=TIME_LIMIT_S, tell=_tell, failed=failed)
    for name, why in failed.items():
        _tell(f"{name} could not be measured: {why}")
    missing += failed
    return lines


def _guarded(name: str, opening: Opening, missing: list[str]) -> Opening:
    """Return an opening without cases when it cannot be opened; what the others took minutes for is not lost."""

    @contextlib.contextmanager
    def opened() -> Iterator[Sequence[Case]]:
        with contextlib.ExitStack() as stack:
            try:
                cases = stack.enter_context(opening())
            except Exception as error:
                _tell(f"{name} could not be measured: {error!r}\n{error}")
                missing.append(name)
                cases = ()
            yield cases

    return opened


def _tried(names: Sequence[str], known: Mapping[str, Trials], trials: int, missing: list[str]) -> list[Figure]:
    """Try each; one that fails is told and left out, so that what the others took minutes for is not lost."""
    figures: list[Figure] = []
    for name in names:
        if name not in known:
            continue
        try:
            figures += known[name](trials, _tell)
        except Exception as error:
            _tell(f"{name} could not be measured: {error!r}\n{error}")
            missing.append(name)
    return figures


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _fails(line: Line) -> bool:
    return line.verdict == "missed" and line.target is not None and line.target.binding


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m benchmarks", description="Measure ratios against what it stands on.")
    parser.add_argument("--only", type=_names, default=list(EVERYTHING), help=f"some of {','.join(KNOWN)}")
    parser.add_argument("--rounds", type=_count, help=f"how often each side is measured ({ROUNDS})")
    parser.add_argument("--trials", type=_count, help=f"how often a cluster is tried ({TRIES})")
    parser.add_argument("--rows", type=_count, help=f"how many facts the engine is measured with ({ROWS:,})")
    parser.add_argument(
        "--quick", action="store_true", help=f"{QUICK} rounds, {QUICK} trials and {QUICK_ROWS:,} facts unless given"
    )
    parser.add_argument("--output", type=Path, help="where the page goes; a whole run writes benchmarks/results.md")
    options = parser.parse_args(arguments)
    options.rounds = options.rounds or (QUICK if options.quick else ROUNDS)
    options.trials = options.trials or (QUICK if options.quick else TRIES)
    options.rows = options.rows or (QUICK_ROWS if options.quick else ROWS)
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
