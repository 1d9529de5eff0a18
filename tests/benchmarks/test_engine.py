"""The engine's part measures what it says: the same facts, the same answers, all of it checked; no time is judged."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path

import duckdb
import pytest

from benchmarks import __main__ as program
from benchmarks import covered, peers, readers
from benchmarks.answers import large_answers
from benchmarks.comparison import Case, Line, Samples, Target, measure
from benchmarks.concurrency import dashboard, many_clients
from benchmarks.facts import Ground, made
from benchmarks.peers import open_peer
from benchmarks.processes import served
from benchmarks.questions import SUITE
from benchmarks.readers import BUCKETS, CHANNELS, Load, Seen
from benchmarks.report import EngineResults, page, table
from benchmarks.start import BARE_NODE, HEALTH
from benchmarks.suite import engine_suite
from benchmarks.totals import subtotals_and_distinct
from benchmarks.trials import Figure
from benchmarks.wire import KeepAlive

QUIET: Callable[[str], None] = lambda _: None  # noqa: E731
ROWS = 4_000


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    with Ground(ROWS, tmp_path_factory.mktemp("cache")) as ground:
        yield ground


def rows_of(folder: Path) -> list[tuple[object, ...]]:
    return duckdb.execute(f"FROM read_parquet('{folder}/sales.parquet')").fetchall()


def test_the_facts_are_the_same_wherever_they_are_made(ground: Ground, tmp_path: Path) -> None:
    """27 columns, as many rows as asked for, in the order of their days."""
    facts, again = rows_of(ground.files), rows_of(made(ROWS, tmp_path))
    assert facts == again
    assert (len(facts), len(facts[0])) == (ROWS, 27)
    days = [row[1] for row in facts]
    assert days == sorted(days)  # type: ignore[type-var]


def test_facts_are_made_once(ground: Ground) -> None:
    before = (ground.files / "sales.parquet").stat().st_mtime_ns
    assert (made(ROWS, ground.files.parent) / "sales.parquet").stat().st_mtime_ns == before


def test_polars_answers_every_question_as_our_cube_does(ground: Ground) -> None:
    """The opening compares rows and sums of all peers that are here before anything is timed."""
    (line, *_) = measure([partial(engine_suite, ground)], rounds=1, time_limit_s=60, tell=QUIET)
    assert (line.reference, line.absent) == ("Polars", "")


def test_a_peer_that_answers_something_else_is_not_compared(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    polars = open_peer("Polars", ground.files)

    class Wrong:
        def checksum(self, question: object) -> tuple[int, int]:
            return 0, 0

        def close(self) -> None:
            polars.close()

    monkeypatch.setattr("benchmarks.suite.open_peer", lambda name, files: Wrong())
    with pytest.raises(RuntimeError, match=r"Polars, grand total.*\(0, 0\) and not \(1, 4000\)"), engine_suite(ground):
        pass


def test_a_peer_that_is_not_installed_says_so(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.suite.PEERS", {"Nobody": "benchmarks.peers.nobody:Nobody"})
    monkeypatch.setattr(peers, "PEERS", {"Nobody": "benchmarks.peers.nobody:Nobody"})
    lines = measure([partial(engine_suite, ground)], rounds=1, time_limit_s=60, tell=QUIET)
    suite = [line for line in lines if line.case.name == "suite"]
    assert [(line.reference, line.verdict) for line in suite] == [("", ""), ("Nobody", "")]
    assert "not measured: it is not installed" in table(lines)


def test_a_target_about_every_reference_judges_each() -> None:
    case = Case("c", "C", lambda: 2.0, {"a": lambda: 1.0, "b": lambda: 4.0}, Target(1.0, every=True))

    @contextmanager
    def cases() -> Iterator[Sequence[Case]]:
        yield [case]

    lines = measure([cases], rounds=1, time_limit_s=60, tell=QUIET)
    assert [line.verdict for line in lines] == ["missed", "met"]


def test_a_case_that_fails_costs_its_own_lines_only() -> None:
    def broken() -> float:
        raise RuntimeError("out of flour")

    @contextmanager
    def cases() -> Iterator[Sequence[Case]]:
        yield [Case("good", "Good", lambda: 1.0), Case("bad", "Bad", broken)]

    failed: dict[str, str] = {}
    (line,) = measure([cases], rounds=3, time_limit_s=60, tell=QUIET, failed=failed)
    assert (line.case.name, len(line.ours.ms)) == ("good", 3)
    assert "out of flour" in failed["bad"]


def test_what_cannot_be_opened_is_named_and_the_run_has_failed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def closed(_: Ground) -> AbstractContextManager[Sequence[Case]]:
        raise RuntimeError("no oven")

    monkeypatch.setattr(program, "ENGINE", {"suite": closed})
    output = tmp_path / "results.md"
    assert program.main(["--only", "suite", "--rows", "1", "--rounds", "1", "--output", str(output)]) == 1
    assert "Not measured, because it failed: suite" in output.read_text()
    assert "no oven" in capsys.readouterr().err


def test_small_ratios_have_digits_that_count() -> None:
    line = Line(Case("c", "C", lambda: 0.0, target=Target(0.002)), Samples([1.0]), "r", Samples([400.0]), Target(0.002))
    assert "| 0.0025 (0.0025) | ≤ 0.002 | missed |" in table([line])


def test_the_page_says_how_many_facts_there_were() -> None:
    engine = EngineResults(6_000_000, 5, figures=[Figure("Memory", [300.0], "MB")])
    text = page([], [], ["2 cores"], trials=20, elapsed_s=1, engine=engine)
    assert "## The engine on 6,000,000 facts" in text
    assert "| Memory | 300 MB | 300 MB |" in text


def test_a_connection_that_was_idle_for_long_is_opened_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers close it, and the next round would fail."""
    monkeypatch.setattr("benchmarks.wire.IDLE_S_MAX", -1.0)
    with served(BARE_NODE, HEALTH) as server, KeepAlive(server.port) as connection:
        before = connection.port
        assert connection.get(HEALTH).status == 200
        assert connection.port != before


def test_the_sums_that_readers_expect_are_those_of_the_rows(tmp_path: Path) -> None:
    """Of the facts and of every batch, whatever is asked for."""
    folder = readers.made(tmp_path, per_cell=3, aggregates="none")
    buckets = [0, 7, BUCKETS - 1]
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE rows AS FROM read_parquet(?)", [f"{folder}/sales.parquet"])
        connection.register("batch", readers.batch_table(2))
        connection.execute("INSERT INTO rows FROM (FROM batch UNION ALL FROM batch)")
        sql = "SELECT channel, count(*), sum(quantity)::BIGINT FROM rows WHERE list_contains(?, bucket) GROUP BY ALL"
        found = connection.execute(f"{sql} ORDER BY ALL", [buckets]).fetchall()
    assert [list(row) for row in found] == Load(0, 3, 2).expected(buckets, commits=2)


def test_a_torn_answer_is_found() -> None:
    """One that has a commit by half, one of a version that nobody committed; not one that is right."""
    load = Load(0, base_per_cell=3, batch_per_cell=2, versions=[7, 8])
    right = load.expected([1, 2], commits=1)
    half = [*load.expected([1, 2], commits=1)[:2], *load.expected([1, 2], commits=2)[2:]]
    load.seen = [Seen([1, 2], 7, right, 1.0), Seen([1, 2], 6, load.expected([1, 2], 0), 1.0)]
    assert load.torn() == []
    load.seen += [Seen([1, 2], 8, half, 1.0), Seen([1, 2], 9, right, 1.0), Seen([1, 2], 8, right, 1.0)]
    assert [text.partition(",")[0] for text in load.torn()] == ["version 8", "version 9", "version 8"]
    assert len(half) == len(CHANNELS)


def test_a_round_measures_every_case(ground: Ground) -> None:
    """Against a node, raw DuckDB and a service written by hand; whether targets are met is not asked."""
    openings = (many_clients, dashboard, subtotals_and_distinct, large_answers)
    lines = measure([partial(each, ground) for each in openings], rounds=1, time_limit_s=60, tell=QUIET)
    assert {line.case.name for line in lines} >= {"clients", "dashboard", "totals", "distinct", "cells", "drill"}


def test_what_aggregates_gain_is_compared_answer_by_answer(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    """On few questions; none of the answers differs from what the facts say."""
    monkeypatch.setattr(covered, "QUESTIONS", 20)
    monkeypatch.setattr(covered, "COMMITS", 1)
    figures = {figure.title: figure for figure in covered.kept_aggregates(ground, 1, QUIET)}
    assert figures["… answers that differ (floats by 1e-9)"].values == [0]
    assert len(figures) == 6


def test_a_workload_is_the_same_for_the_same_seed() -> None:
    assert covered.workload(random.Random(7), 5) == covered.workload(random.Random(7), 5)


@pytest.mark.acceptance
def test_a_small_run_of_the_engine_ends_with_a_page(tmp_path: Path) -> None:
    """Every line, once; those of libraries and tools that are not here say so."""
    output = tmp_path / "results.md"
    chosen = ",".join(name for name in program.GROUPS["engine"] if name != "pivot")
    program.main(["--only", chosen, "--rows", "250000", "--rounds", "1", "--trials", "1", "--output", str(output)])
    text = output.read_text(encoding="utf-8")
    assert "## The engine on 250,000 facts" in text
    assert "because it failed" not in text


def test_every_question_of_the_suite_has_its_own_name() -> None:
    assert len({question.name for question in SUITE}) == len(SUITE)
