"""`af conditions` and `af starters`: what is on, what is off, and why."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from app_framework.testing import GoldenFiles
from tests.cli.conftest import Af

OFF = "app: {autoconfigure: {exclude: [web]}}\n"


def test_conditions_are_shown_without_starting(af: Af, folder: Path) -> None:
    """The port is not opened; the bean that would open it is listed."""
    shown = af("conditions").stdout
    assert shown.startswith("CONDITIONS\n")
    assert "web.web_server" in shown


def test_conditions_as_json_have_springs_shape(af: Af, folder: Path) -> None:
    (folder / "application.yml").write_text(OFF)
    report = json.loads(af("conditions", "-o", "json").stdout)
    assert report["exclusions"] == ["web"]
    assert report.keys() == {"positiveMatches", "negativeMatches", "exclusions", "unconditionalClasses"}


def test_conditions_of_an_application_that_would_not_start_say_why(af: Af, folder: Path) -> None:
    (folder / "main.py").write_text(
        "from app_framework import Application, component\n"
        "class Missing: ...\n"
        "@component\n"
        "class Shop:\n"
        "    def __init__(self, missing: Missing) -> None: ...\n"
        "app = Application(sources=[Shop])\n"
    )
    done = af("conditions", "main:app")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "Missing" in done.stderr
    assert "main.py:3" in done.stderr


def test_fa1_starters_are_listed_with_the_reason(af: Af, folder: Path, golden: GoldenFiles) -> None:
    golden("starters_on.txt", af("starters").stdout)
    (folder / "application.yml").write_text("app: {autoconfigure: {exclude: [security, web]}}\n")
    golden("starters_off.txt", af("starters").stdout)


def test_starters_are_listed_although_the_configuration_is_wrong(af: Af, folder: Path) -> None:
    (folder / "application.yml").write_text("server: {prot: 1}\n")
    done = af("starters", "-o", "json")
    (web,) = json.loads(done.stdout)
    assert (web["name"], web["version"], web["state"]) == ("app-framework-starter-web", "0.1.0", None)
    assert (done.exit_code, "Did you mean: port" in done.stderr) == (1, True)


def test_without_starters_it_says_how_to_install_one(af: Af, installed: Callable[..., Path]) -> None:
    installed()
    done = af("starters")
    assert (done.exit_code, done.stdout) == (0, "")
    assert "pip install app-framework-starter-server" in done.stderr
