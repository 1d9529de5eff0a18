"""Budget 22: a suite of questions to our cube, against the engines that one might have used instead."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from statistics import geometric_mean

from app_framework.olap import Cube
from benchmarks.comparison import Case, Side, Target
from benchmarks.facts import Ground
from benchmarks.peers import PEERS, Peer, open_peer
from benchmarks.questions import SUITE, Checksum, SuiteQuestion

ASKED_BEFORE = 3
NOT_INSTALLED = "not measured: it is not installed"


@contextlib.contextmanager
def engine_suite(ground: Ground) -> Iterator[Sequence[Case]]:
    """Everything in this process, with the same files loaded; engines that answer differently are not compared."""
    with _opened(ground) as (peers, absent):
        ours = _side(lambda question: ground.cube.query_sync(question.asked))
        references = {name: _side(peer.run) for name, peer in peers.items()}
        title = f"{len(SUITE)} questions of a pivot, geometric mean, in process"
        kept = _side(lambda question: ground.cubes["covered"].query_sync(question.asked))
        _let_choose(ground.cubes["covered"])
        yield [
            Case("suite", title, ours, references, Target(1.0, every=True), absent),
            Case("suite-kept", "… with what the cube keeps of them", kept, {"without": ours}),
        ]


@contextlib.contextmanager
def each_question(ground: Ground) -> Iterator[Sequence[Case]]:
    """The same, a line for each question: where the others win. It is measured when it is asked for only."""
    with _opened(ground) as (peers, absent):
        yield [
            Case(
                f"question-{number}",
                question.name,
                partial(_run_ms, lambda question: ground.cube.query_sync(question.asked), question),
                {name: partial(_run_ms, peer.run, question) for name, peer in peers.items()},
                absent=absent,
            )
            for number, question in enumerate(SUITE, start=1)
        ]


@contextlib.contextmanager
def _opened(ground: Ground) -> Iterator[tuple[Mapping[str, Peer], Mapping[str, str]]]:
    """Yield the peers that are here, and why others are not."""
    with contextlib.ExitStack() as stack:
        expected = {question.name: _checksum(ground, question) for question in SUITE}
        peers, absent = dict[str, Peer](), dict[str, str]()
        for name in PEERS:
            try:
                peers[name] = open_peer(name, ground.files)
            except ImportError:
                absent[name] = NOT_INSTALLED
                continue
            stack.callback(peers[name].close)
            _compare(name, peers[name], expected)
        yield peers, absent


def _let_choose(cube: Cube) -> None:
    """Ask everything a few times, and let the cube keep what it then finds worth it."""
    for _ in range(ASKED_BEFORE):
        for question in SUITE:
            cube.query_sync(question.asked)
    cube.aggregates.choose().result()
    for question in SUITE:
        cube.query_sync(question.asked)


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
