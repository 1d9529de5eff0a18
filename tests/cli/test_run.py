"""`af run`, in a process of its own."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Af

DEADLINE_S = 60.0

Running = tuple[subprocess.Popen[str], dict[str, str]]


@contextlib.contextmanager
def node(folder: Path, environ: dict[str, str], *arguments: str) -> Iterator[Running]:
    """A node in a process of its own, once it is ready, with what its ready file says; ended in any case."""
    file = folder / "ready.json"
    command = [sys.executable, "-m", "app_framework", "run", *arguments, "--server.port=0", "--ready-file", str(file)]
    process = subprocess.Popen(
        command, cwd=folder, env=environ, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        deadline = time.monotonic() + DEADLINE_S
        while not file.exists():
            assert process.poll() is None, process.communicate()[1]
            assert time.monotonic() < deadline, "the node did not become ready"
            time.sleep(0.02)
        yield process, json.loads(file.read_text())
    finally:
        process.kill()
        process.communicate()


def test_a_folder_with_one_file_is_an_application(folder: Path, environ: Callable[..., dict[str, str]]) -> None:
    """It answers, Ctrl-C stops it in order, and the ready file is gone (FA1, FA6)."""
    (folder / "application.yml").write_text("app: {name: corner}\nserver: {port: 1}\n")
    with node(folder, environ("web")) as (process, facts):
        assert facts["node"] == "corner"
        with urllib.request.urlopen(f"{facts['http']}/actuator/health", timeout=DEADLINE_S) as answer:
            assert json.load(answer)["status"] == "UP"
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=DEADLINE_S)[1]
    assert process.returncode == 0, said
    assert "Traceback" not in said
    assert not (folder / "ready.json").exists()


def test_a_start_that_fails_says_why_and_leaves_with_1(af: Af, folder: Path) -> None:
    """The place, the spelling that was meant, and no traceback (FA2)."""
    (folder / "application.yml").write_text("server:\n  prot: 80\n")
    done = af("run")
    assert done.exit_code == 1
    assert "application.yml:2:3: unknown key 'prot' in 'server'. Did you mean: port" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("profiles", [("--profile", "eu,prod"), ("--profile", "eu", "--profile", "prod")])
def test_profiles_repeat_and_take_commas(af: Af, folder: Path, profiles: tuple[str, ...]) -> None:
    assert "profiles: eu, prod" in af("config", "check", *profiles).stdout


def test_a_configuration_file_may_be_named(af: Af, folder: Path) -> None:
    """In the place of the current folder's."""
    (folder / "application.yml").write_text("server: {port: 1}\n")
    (folder / "other.yml").write_text("server: {port: 2}\n")
    assert "*  2      other.yml:1:16" in af("config", "explain", "server.port", "--config", "other.yml").stdout
    assert "there is no nowhere.yml" in af("run", "--config", "nowhere.yml").stderr
