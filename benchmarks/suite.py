"""Budget 22: a suite of questions to our cube, against the engines that one might have used instead."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import geometric_mean

from benchmarks.comparison import Case, Side, Target
from benchmarks.facts import Ground
from benchmarks.peers import PEERS, Peer, open_peer
from benchmarks.questions import SUITE, Checksum, SuiteQuestion

NOT_INSTALLED = "not measured: it is not installed"


@contextlib.contextmanager
def engine_suite(ground: Ground) -> Iterator[Sequence[Case]]:
    """Everything in this process, with the same files loaded; engines that answer differently are not compared."""
    with contextlib.ExitStack() as stack:
        expected = {question.name: _checksum(ground, question) for question in SUITE}
        references: dict[str, Side] = {}
        absent = {}
        for name in PEERS:
            try:
                peer = open_peer(name, ground.files)
            except ImportError:
                absent[name] = NOT_INSTALLED
                continue
            stack.callback(peer.close)
            _compare(name, peer, expected)
            references[name] = _side(peer.run)
        yield [
            Case(
                "suite",
                f"{len(SUITE)} questions of a pivot, geometric mean, in process",
                _side(lambda question: ground.cube.query_sync(question.asked)),
                references,
                Target(1.0, every=True),
                absent,
            )
        ]


def _side(run: Callable[[SuiteQuestion], object]) -> Side:
    return lambda: geometric_mean([_run_ms(run, question) for question in SUITE])


def _run_ms(run: Callable[[SuiteQuestion], object], question: SuiteQuestion) -> float:
    started = time.perf_counter()
    run(question)
    return (time.perf_counter() - started) * 1000


def _checksum(ground: Ground, question: SuiteQuestion) -> Checksum:
    answer = ground.cube.query_sync(question.asked)
    place = len(question.asked.levels)
    return len(answer), sum(int(str(row[place])) for row in answer.rows)


def _compare(name: str, peer: Peer, expected: Mapping[str, Checksum]) -> None:
    """Refuse to compare times of answers that are not the same.

    Raises:
        RuntimeError: one is not.
    """
    for question in SUITE:
        if (found := peer.checksum(question)) != expected[question.name]:
            raise RuntimeError(f"{name}, {question.name}: {found} and not {expected[question.name]}")
