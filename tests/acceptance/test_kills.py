"""A node that is ended at any moment: it never hangs, never lies about how it ended, and finds its data again."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

import sample_app
from tests.acceptance.processes import AF, DEADLINE_S, Node, clean_environ

SAMPLE = Path(sample_app.__file__).parent
ORDERLY = {0, 128 + signal.SIGINT, 128 + signal.SIGTERM, -signal.SIGINT, -signal.SIGTERM}


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start the sample's node without waiting for it."""
    command = [str(AF), "run", "sample_app.main:app", "--server.port=0", *arguments]
    return subprocess.Popen(command, cwd=folder, env=clean_environ(), stderr=subprocess.PIPE, text=True)


@pytest.mark.acceptance
@pytest.mark.parametrize("seed", range(40))
def test_a_signal_at_any_moment_of_a_start_ends_the_node(seed: int, tmp_path: Path) -> None:
    """While it is imported, while components are created, when it is ready: it ends, without a traceback."""
    chance = random.Random(seed)
    node = start(tmp_path)
    time.sleep(chance.uniform(0.05, 1.0))  # the moment is the test's input, not a wait for something
    node.send_signal(chance.choice([signal.SIGTERM, signal.SIGINT]))
    _, err = node.communicate(timeout=DEADLINE_S)
    assert node.returncode in ORDERLY, err
    assert "Traceback" not in err


@pytest.mark.acceptance
@pytest.mark.parametrize("seed", range(10))
def test_a_kill_at_any_moment_of_a_load_leaves_a_database_that_starts(seed: int, tmp_path: Path) -> None:
    """The tables are there as a whole or not at all; the next start has all of them, and a higher version."""
    chance = random.Random(seed)
    database = f"--database.path={tmp_path / 'flights.duckdb'}"
    node = start(tmp_path, database)
    time.sleep(chance.uniform(0.2, 0.9))
    node.kill()
    node.communicate(timeout=DEADLINE_S)
    versions = []
    for _ in range(2):
        again = Node(tmp_path, "sample_app.main:app", database)
        answer = again.query("flights", measures=["flights", "planes"]).json()
        assert answer["rows"] == [[336776, 4043]]
        versions.append(answer["versions"]["nyc-ops"])
        again.process.kill()
        again.process.communicate()
        again.ready_file.unlink()
    assert versions[0] <= versions[1]


def test_the_demo_leaves_nothing_behind_when_it_is_killed(tmp_path: Path) -> None:
    """Its node ends with it, whatever ended the demo."""
    demo = subprocess.Popen(
        [str(AF.with_name("python")), "-m", "sample_app.demo", "--server.port=0"],
        cwd=SAMPLE.parent,
        env=clean_environ(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert demo.stdout is not None
    for line in demo.stdout:
        if line.strip().startswith("Studio"):
            break
    demo.kill()
    _, err = demo.communicate(timeout=DEADLINE_S)  # ends when the node has closed its end of the pipe
    assert "nyc-ops has stopped" in err
