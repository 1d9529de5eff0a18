"""The program itself: help, versions, what was probably meant, and how little it imports."""

from __future__ import annotations

import os
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from app_framework import __version__
from app_framework.cli.commands import config
from app_framework.cli.lazy import LazyCommand
from app_framework.cli.program import COMMANDS, program
from app_framework.testing import GoldenFiles
from tests.cli.conftest import Af

HEAVY = {"pydantic", "yaml", "fastapi", "duckdb", "dependency_injector", "uvicorn", "pyarrow", "app_framework.boot"}
EVERY = {**COMMANDS, **{f"config {name}": lazy for name, lazy in config.COMMANDS.items()}}


@pytest.mark.parametrize("words", ["--help", "--version", "run --help", "config --help"])
def test_fa10_help_imports_nothing_heavy(words: str) -> None:
    """In a process of its own, and by what is loaded rather than by the clock: `make bench` has the figure."""
    script = (
        "import sys; from app_framework.cli import main\n"
        f"sys.argv = ['af', *{words.split()!r}]\n"
        "try: main()\n"
        f"finally: print(*({HEAVY!r} & sys.modules.keys()), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stderr.split() == []


def test_help_lists_every_command_in_the_order_of_need(af: Af, golden: GoldenFiles) -> None:
    """`af` alone says the same as `af --help`."""
    golden("help.txt", af("--help").stdout)
    assert af().stdout == af("--help").stdout
    assert af().exit_code == 0


@pytest.mark.parametrize("name", EVERY)
def test_a_command_says_the_same_about_itself_as_the_list_does(name: str) -> None:
    """The list is written from the table, so that no command is imported for it."""
    lazy: LazyCommand = EVERY[name]
    command = lazy.load()
    assert command.get_short_help_str(limit=200) == lazy.help
    assert command.name == name.rpartition(" ")[2]


def test_the_version_is_the_frameworks(af: Af) -> None:
    assert af("--version").stdout.startswith(f"app-framework {__version__} (Python 3.")


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [(["rnu"], "run"), (["config", "chek"], "check"), (["run", "--profil=x"], "--profile")],
)
def test_a_misspelt_word_gets_a_suggestion(af: Af, arguments: list[str], meant: str) -> None:
    """Wrong usage leaves with 2, on standard error, in the shape of every other mistake."""
    done = af(*arguments)
    assert done.exit_code == 2
    assert done.stdout == ""
    assert f"Did you mean: {meant}" in done.stderr
    assert "Description:" in done.stderr
    assert "Action:" in done.stderr


@pytest.mark.parametrize(("option", "meant"), [("--prot=1", "--server.port=1"), ("--sever={}", "--server={}")])
def test_a_plain_option_that_nobody_knows_may_be_a_setting_or_a_section(af: Af, option: str, meant: str) -> None:
    assert f"Did you mean: {meant}" in af("run", option).stderr


def test_a_setting_needs_an_equals_sign(af: Af) -> None:
    """A separate value would be taken for the application."""
    assert "written with an equals sign: --server.port=7" in af("run", "--server.port", "7").stderr


def test_colours_are_for_terminals_that_want_them(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "\x1b[" in CliRunner().invoke(program, ["rnu"], color=True).stderr
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[" not in CliRunner().invoke(program, ["rnu"], color=True).stderr


def test_a_traceback_is_shown_when_it_is_asked_for(af: Af) -> None:
    assert "Traceback" not in af("conditions", "nowhere:app").stderr
    assert "Traceback" in af("conditions", "nowhere:app", "--debug").stderr


def test_ctrl_c_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> click.Command:
        raise KeyboardInterrupt

    monkeypatch.setattr(LazyCommand, "load", interrupted)
    done = CliRunner().invoke(program, ["doctor"])
    assert (done.exit_code, done.output.strip()) == (130, "")


def test_the_package_runs_as_a_module() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "app_framework", "--version"],
        capture_output=True, text=True, check=True, timeout=60, env={**os.environ, "NO_COLOR": "1"},
    )  # fmt: skip
    assert done.stdout.startswith("app-framework ")
