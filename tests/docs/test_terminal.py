"""The terminals of a page: nodes stay as long as they should, are looked at as people do, and none is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.docs.conftest import clean_environment
from tests.docs.page import ROOT, Page
from tests.docs.ports import SHOWN, Ports
from tests.docs.terminal import Terminal

AF = """#!/bin/bash
# Stands for the real command: a node that answers until Ctrl-C, and a status that changes when it is looked at again.
trap 'exit "${CODE:-0}"' INT
case "$1" in
  cluster) echo x >> looks; echo "looked $(wc -l < looks | tr -d ' ') times" ;;
  *) echo $$ > pid; echo "http://127.0.0.1:8080 $*"; while true; do sleep 0.02; done ;;
esac
"""
DEADLINE_S = 10.0


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    """A terminal whose `af` is a stand-in."""
    commands, folder = tmp_path / "bin", tmp_path / "page"
    commands.mkdir()
    folder.mkdir()
    (commands / "af").write_text(AF)
    (commands / "af").chmod(0o755)
    environ = clean_environment()
    terminal = Terminal(folder, {**environ, "PATH": f"{commands}{os.pathsep}{environ['PATH']}"})
    yield terminal
    terminal.close()


def test_the_nodes_of_a_cluster_run_side_by_side_until_their_section_ends(terminal: Terminal) -> None:
    assert terminal.check("af node start --name a", "http://127.0.0.1:8080 node start --name a") is None
    assert terminal.check("af witness --peer a", "http://127.0.0.1:8080 witness --peer a") is None
    assert terminal.stop_cluster() is None


def test_a_node_that_tells_of_the_end_of_another_one_is_ended_too(terminal: Terminal) -> None:
    assert terminal.check("af node start 'node2: it is stopping'", "http://... node2: it is stopping") is None
    assert terminal.stop_cluster() is None


def test_a_command_that_reads_is_repeated_while_nodes_of_a_cluster_run(terminal: Terminal) -> None:
    assert "looked 1 times" in str(terminal.check("af cluster status", "looked 3 times"))
    terminal.check("af node start", "http://...")
    assert terminal.check("af cluster status", "looked 3 times") is None


def test_a_node_that_ends_badly_is_told(terminal: Terminal) -> None:
    terminal.check("export CODE=3", "")
    terminal.check("af node start", "http://...")
    assert "ended with exit code 3" in str(terminal.stop_cluster())


def test_a_node_that_the_page_kills_may_end_by_that(terminal: Terminal) -> None:
    terminal.check("af node start", "http://...")
    assert terminal.check("kill -9 $(cat pid)", "") is None
    assert terminal.stop_cluster() is None


def test_two_pages_never_share_a_port() -> None:
    ports = [Ports() for _ in range(5)]
    given = [each[shown] for each in ports for shown in SHOWN]
    assert len(set(given)) == len(given)
    assert ports[0].replaced("127.0.0.2:2836 and 18080") == f"127.0.0.2:{ports[0]['2836']} and 18080"
    for each in ports:
        each.close()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
def test_no_node_outlives_a_suite_that_is_killed(tmp_path: Path) -> None:
    """With kill -9, as a deadline outside may do it."""
    program = """
import os, sys, time
from pathlib import Path
from tests.docs.foreground import Foreground
folder = Path(sys.argv[1])
node = Foreground("exec sleep 60", folder, os.environ, folder / "log")
print(node._process.pid, flush=True)
time.sleep(60)
"""
    suite = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert suite.stdout is not None
    node = int(suite.stdout.readline())
    assert until(lambda: "sleep" in command_of(node))
    os.kill(suite.pid, signal.SIGKILL)
    suite.communicate()
    assert until(lambda: not command_of(node))


def test_a_page_ends_its_nodes_where_a_section_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A heading of level three does not end one."""
    stopped: list[int] = []
    page = tmp_path / "page.md"
    page.write_text("# P\n\n## A\n\n```text\n```\n\n### Still A\n\n```text\n```\n\n## B\n\n```text\n```\n")
    (tmp_path / "folder").mkdir()
    opened = Page(page, tmp_path / "folder", clean_environment())
    monkeypatch.setattr(Terminal, "stop_cluster", lambda _: stopped.append(1))
    opened.run()
    opened.close()
    assert len(stopped) == 2


def command_of(pid: int) -> str:
    """Return what a process runs; nothing when it is gone, or a zombie."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


def until(condition: Callable[[], bool]) -> bool:
    """Wait for a condition; whether it came."""
    deadline_s = time.monotonic() + DEADLINE_S
    while not condition() and time.monotonic() < deadline_s:
        time.sleep(0.01)
    return condition()
