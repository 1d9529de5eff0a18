"""The part of distributed cubes measures what it says: right answers, whole transfers; no time is judged."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import pytest

from app_framework.olap.partial import PartialAnswer
from benchmarks import __main__ as program
from benchmarks import distribution
from benchmarks import distribution_merging as merging
from benchmarks import distribution_streams as streams
from benchmarks import distribution_trials as trials
from benchmarks.comparison import measure
from benchmarks.distribution_merging import merges
from benchmarks.distribution_streams import large_partials
from benchmarks.facts import Ground
from benchmarks.report import EngineResults, page
from benchmarks.subjects import streaming
from benchmarks.trials import Figure

QUIET: Callable[[str], None] = lambda _: None  # noqa: E731
ROWS = 4_000


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    with Ground(ROWS, tmp_path_factory.mktemp("cache")) as ground:
        yield ground


def test_what_four_nodes_sent_makes_the_whole_before_its_making_is_timed(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line for sums and one for distinct counts, each against what Arrow takes."""
    monkeypatch.setattr(merging, "BLOCK", 1)
    lines = measure([partial(merges, ground)], rounds=1, time_limit_s=60, tell=QUIET)
    assert {line.case.name for line in lines} == {"merge", "merge-distinct"}


def test_parts_that_lack_a_node_are_not_timed(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merging, "CHANNELS", merging.CHANNELS[1:])
    with pytest.raises(RuntimeError, match="merged parts: the answers differ"), merges(ground):
        pass


def test_a_large_partial_is_one_and_about_as_large_as_it_says() -> None:
    """Both sides send the pieces of an answer, as nodes make them."""
    chunks = streaming.partial(1)
    assert 0.9 < sum(map(len, chunks)) / streaming.MB < 1.1
    assert PartialAnswer.read(chunks).version == 1


def test_both_ways_of_a_large_partial_bring_all_of_it(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two processes, over NATS with a direct connection and over bare TCP; less than all is no time."""
    monkeypatch.setattr(streams, "BLOCKS", {1: 1})
    (line,) = measure([partial(large_partials, ground)], rounds=1, time_limit_s=60, tell=QUIET)
    assert (line.case.name, line.reference) == ("partial-1", "bare asyncio TCP, the same bytes")


def test_the_page_has_a_part_for_distributed_cubes() -> None:
    found = EngineResults(6_000_000, 3, figures=[Figure("A late node", [0.4])])
    text = page([], [], ["2 cores"], trials=20, elapsed_s=1, distribution=found)
    assert "## Distributed cubes on 6,000,000 facts" in text
    assert "| A late node | 0.400 s | 0.400 s |" in text
    assert "3 trials each. A data node is late" in text


def test_distributed_cubes_are_measured_alone_when_they_are_named() -> None:
    chosen = program._options(["--only", "distribution"]).only
    assert chosen == [*program.DISTRIBUTION, *program.DISTRIBUTION_TRIALS]
    assert set(chosen) <= set(program.EVERYTHING)


def test_two_data_nodes_answer_as_one_before_anything_is_timed(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every question, over NATS to two processes; a line for each, and one for what the asking itself costs."""
    monkeypatch.setattr(distribution, "ASKED_BEFORE", 1)
    lines = measure([partial(distribution.two_nodes, ground)], rounds=1, time_limit_s=60, tell=QUIET)
    names = [line.case.name for line in lines]
    assert names == [f"distributed-{each.name}" for each in (*distribution.SUMS, *distribution.STATES)] + [
        "distributed-overhead"
    ]


def test_a_late_data_node_is_seen_with_all_its_rows(ground: Ground) -> None:
    """A trial is a stop, a start, an end, and another process; whatever it took, it came."""
    process, started = trials.late_nodes(ground, 1, QUIET)
    assert (len(process.values), len(started.values)) == (1, 1)


def test_the_tests_that_are_timed_pass(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that fails is no time."""
    monkeypatch.setattr(trials, "TESTS", 2)
    (figure,) = trials.helper_tests(ground, 1, QUIET)
    assert figure.title == "2 tests with `DistributionTestHelper`, one pytest"
    monkeypatch.setattr(trials, "TEST", trials.TEST.replace("== distribution", "!= distribution"))
    with pytest.raises(RuntimeError, match="the tests failed"):
        trials.helper_tests(ground, 1, QUIET)
