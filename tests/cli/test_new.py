"""`af new`: the project that it makes runs, answers, and passes its own tests."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app_framework.cli.project import write_project
from app_framework.testing import GoldenFiles
from tests.cli.conftest import Af
from tests.cli.test_run import DEADLINE_S, node

Environ = Callable[..., dict[str, str]]
QUESTION = {"measures": ["revenue", "units"], "levels": ["category"], "totals": "grand"}


@pytest.fixture
def project(folder: Path) -> Path:
    list(write_project(folder / "corner-shop", "corner-shop"))
    return folder / "corner-shop"


@pytest.fixture
def server(af: Af, installed: Callable[..., Path]) -> Af:
    """`af` where the whole server is installed, as the project wants it."""
    installed("server")
    return af


def test_it_says_what_it_wrote_and_the_next_two_commands(server: Af, folder: Path, golden: GoldenFiles) -> None:
    done = server("new", "corner-shop")
    assert done.exit_code == 0
    assert all((folder / line).is_file() for line in done.stdout.splitlines())
    golden("new.txt", done.stdout + done.stderr)


def test_editors_can_complete_the_file_from_the_first_minute(server: Af, folder: Path) -> None:
    """The schema is where the first line of application.yml says it is."""
    server("new", "corner-shop")
    first, *_ = (folder / "corner-shop" / "application.yml").read_text().splitlines()
    schema = folder / "corner-shop" / first.partition("$schema=")[2]
    assert "server" in json.loads(schema.read_text())["properties"]


def test_without_the_starters_the_project_is_made_and_says_what_is_missing(af: Af, folder: Path) -> None:
    """The section that nobody owns is named with the distribution that would own it (FA1)."""
    done = af("new", "corner-shop")
    assert (done.exit_code, (folder / "corner-shop" / "main.py").is_file()) == (0, True)
    assert "will not run yet" in done.stderr
    assert "app-framework-starter-database" in done.stderr


def test_the_project_passes_its_own_tests(project: Path, environ: Environ) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error"],
        cwd=project, env=environ("server", "test"), capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 passed" in done.stdout


def test_the_project_runs_and_answers(project: Path, environ: Environ) -> None:
    """As its README says: `af run main:app`, then a question to the cube and one to the route."""
    with node(project, environ("server"), "main:app") as (process, facts):
        assert ask(f"{facts['http']}/bestsellers/north")[0] == "espresso"
        assert ask(f"{facts['http']}/cubes/sales/query", QUESTION)["rows"] == [
            ["coffee", 933.2, 127], ["goods", 307.0, 25], ["tea", 533.4, 128], [None, 1773.6, 280],
        ]  # fmt: skip
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 0


def ask(url: str, question: object = None) -> Any:
    body = json.dumps(question).encode() if question else None
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=DEADLINE_S) as answer:
        return json.load(answer)


@pytest.mark.parametrize(
    ("name", "meant"),
    [("My Shop", "my-shop"), ("CornerShop", "corner-shop"), ("a/b", "a-b"), ("2nd_café", "nd-cafe"), ("-", "")],
)
def test_a_name_that_will_not_do_gets_a_suggestion(af: Af, folder: Path, name: str, meant: str) -> None:
    done = af("new", "--", name)
    assert (done.exit_code, list(folder.iterdir())) == (1, [])
    assert f"Did you mean: {meant}\n" in done.stderr if meant else "Choose a name such as" in done.stderr


def test_a_folder_that_holds_something_is_left_alone(af: Af, folder: Path) -> None:
    """An empty one will do."""
    (folder / "shop").mkdir()
    assert af("new", "shop").exit_code == 0
    before = sorted(folder.rglob("*"))
    done = af("new", "shop")
    assert (done.exit_code, sorted(folder.rglob("*"))) == (1, before)
    assert "shop is not empty; nothing was written." in done.stderr
