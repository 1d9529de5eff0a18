"""Trials on a cluster judge as they say, watch what they say, and leave no process behind; no time is judged here."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from benchmarks import __main__ as program
from benchmarks.cluster import NONE_LOST, TRIALS
from benchmarks.cluster_nodes import ClusterNode, Sight, Trio, Watcher, Writers, is_working
from benchmarks.processes import ROOT
from benchmarks.report import figures_table, page
from benchmarks.trials import Bound, Figure, Tell

DEADLINE_S = 60.0


def watcher(*seen_s: float) -> Watcher:
    sights = [Sight(each - 0.001, each, "FOLLOWER", "node1", 1) for each in seen_s]
    return Watcher(ClusterNode.__new__(ClusterNode), sights)


@pytest.mark.parametrize(
    ("values", "bound", "verdict"),
    [
        ([1.0, 2.0, 3.0], Bound(3), "met"),
        ([1.0, 2.0, 9.0], Bound(3), "unclear"),
        ([1.0, 4.0, 9.0], Bound(3), "missed"),
        ([1.0, 2.0, 9.0], Bound(3, most=8), "missed"),
        ([1.0, 4.0, 7.0], Bound(3, most=8), "missed"),
        ([0, 0, 0], NONE_LOST, "met"),
        ([0, 0, 1], NONE_LOST, "missed"),
    ],
)
def test_a_figure_is_judged_by_every_trial(values: Sequence[float], bound: Bound, verdict: str) -> None:
    assert Figure("A figure", values, "s", bound).verdict == verdict


def test_a_figure_without_a_bound_is_only_known() -> None:
    assert Figure("A figure", [1.0]).verdict == ""


def test_the_table_tells_the_worst_trial_beside_the_median() -> None:
    text = figures_table([Figure("A stop", [0.1, 0.2, 0.9], "s", Bound(0.5)), Figure("… known", [3], "%")])
    assert "| A stop  | 0.200 s | 0.900 s | ≤ 0.5 s | unclear |" in text
    assert "| … known | 3.00 %  | 3.00 %  |         |         |" in text


def test_a_page_of_trials_says_how_many_there_were() -> None:
    text = page([], [Figure("A stop", [0.1], "s", Bound(0.5))], ["2 cores"], trials=7, elapsed_s=1)
    assert "7 trials on real processes" in text
    assert "Against what it stands on" not in text


def test_a_pause_is_the_time_between_two_answers() -> None:
    """A look that failed leaves no answer, so what it cost is in the pause."""
    assert watcher(1.0, 1.1, 3.6, 3.7).longest_pause_s == pytest.approx(2.5)


def test_writers_know_their_longest_pause_whatever_order_they_were_answered_in() -> None:
    writers = Writers([])
    writers.acknowledged = {2: 5.0, 1: 1.0, 3: 5.5}
    assert (writers.longest_pause_s, writers.written_after(5.4), writers.written_after(5.5)) == (4.0, True, False)


def test_a_cluster_with_an_unanswering_node_or_two_leaders_does_not_work() -> None:
    nodes = [{"_id": name, "status": "ACTIVE"} for name in "ab"]
    leads = {"nodeId": "a", "leaderId": "a", "state": "LEADER", "nodes": nodes}
    follows = {"nodeId": "b", "leaderId": "a", "state": "FOLLOWER", "nodes": nodes}
    assert is_working([leads, follows])
    assert not is_working([leads, {}])
    assert not is_working([leads, {**follows, "state": "LEADER"}])
    assert not is_working([leads, {**follows, "leaderId": None}])


def test_a_section_and_a_group_can_be_asked_for_alone() -> None:
    assert program._options(["--only", "handover", "--quick"]).only == ["handover"]
    chosen = program._options(["--only", "cluster,idle"])
    assert chosen.only == list(program.GROUPS["cluster"])
    assert (chosen.trials, program._options(["--quick"]).trials) == (20, 3)


def test_a_section_that_fails_costs_neither_the_others_nor_the_truth(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its name is on the page, its reason on standard error, and the run has failed."""

    def broken(trials: int, tell: Tell) -> Sequence[Figure]:
        raise RuntimeError("no leader in sight")

    known = {"formation": lambda trials, tell: [Figure("It forms", [1.0] * trials)], "idle": broken}
    monkeypatch.setattr(program, "TRIALS", known)
    output = tmp_path / "results.md"
    assert program.main(["--only", "idle,formation", "--trials", "2", "--output", str(output)]) == 1
    assert "It forms" in output.read_text()
    assert "Not measured, because it failed: idle" in output.read_text()
    assert "no leader in sight" in capsys.readouterr().err


@pytest.mark.parametrize("wrong", [["--only", "handovr"], ["--trials", "0"], ["--rounds", "-1"]])
def test_what_cannot_be_run_is_refused(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        program._options(wrong)
    assert wrong[1] in capsys.readouterr().err


def test_three_nodes_end_with_their_block_and_so_do_their_servers() -> None:
    with Trio() as trio:
        trio.until_working()
        pids = [pid for node in trio.nodes.values() for pid in (node.pid, *node.servers())]
        assert len(pids) >= 6
    assert not any(map(is_running, pids))


@pytest.mark.parametrize("ended_by", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_ended_leaves_no_node_behind(ended_by: signal.Signals, tmp_path: Path) -> None:
    """Ctrl-C and a supervisor's signal unwind: nodes and folders are gone when the program is."""
    run = subprocess.Popen(
        [sys.executable, "-m", "benchmarks", "--only", "idle", "--trials", "1"],
        cwd=ROOT, env={**os.environ, "TMPDIR": str(tmp_path)}, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    deadline_s = time.monotonic() + DEADLINE_S
    while not (files := list(tmp_path.glob("*/node*/data/cluster/nats/*/nats.pid"))) and time.monotonic() < deadline_s:
        time.sleep(0.02)
    pids = [int(text) for text in (file.read_text() for file in files) if text.strip()]
    run.send_signal(ended_by)
    run.wait(DEADLINE_S)
    assert pids
    assert not any(map(is_running, pids))
    assert not list(tmp_path.glob("benchmark-cluster-*"))


@pytest.mark.acceptance
def test_one_trial_of_everything_ends_with_a_page(tmp_path: Path) -> None:
    output = tmp_path / "results.md"
    program.main(["--only", ",".join(TRIALS), "--trials", "1", "--output", str(output)])
    text = output.read_text(encoding="utf-8")
    assert "Three nodes are a cluster" in text
    assert "acknowledged writes" in text


def is_running(pid: int) -> bool:
    """Whether a process is there and not only waited for by whoever adopted it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
