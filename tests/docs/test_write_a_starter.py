"""The how-to "write a starter", followed step by step: a starter outside this tree, built, installed, used, removed."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.docs.conftest import PageFactory
from tests.docs.page import ROOT, Page, blocks

PAGE = ROOT / "docs" / "how-to" / "write-a-starter.md"
OFFLINE = {
    "PIP_NO_INDEX": "1",
    "PIP_NO_DEPS": "1",
    "PIP_NO_BUILD_ISOLATION": "0",  # pip reads the variable as the value of build_isolation
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "PIP_QUIET": "1",
}


@pytest.fixture
def environment_of_its_own(tmp_path: Path) -> Path:
    """Return the commands of a fresh virtual environment that sees everything installed for the suite."""
    folder = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    packages = folder / Path(sysconfig.get_path("purelib")).relative_to(sys.prefix)
    (packages / "suite.pth").write_text(f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n")
    for command, module in (("af", "app_framework"), ("pip", "pip")):
        script = folder / "bin" / command
        script.write_text(f'#!/bin/sh\nexec "{folder}/bin/python" -m {module} "$@"\n')
        script.chmod(0o755)
    return folder / "bin"


def test_following_the_page_gives_a_working_starter(open_page: PageFactory, environment_of_its_own: Path) -> None:
    """Its own test, its condition, properties, failure analyzer and removal are blocks of the page, and all hold."""
    page = open_page(PAGE, **OFFLINE)
    page.terminal.run(f'PATH="{environment_of_its_own}:$PATH"')
    page.run()
    assert page.terminal.stop_nodes() is None
    assert not installed(page)


def test_the_page_has_every_part_of_a_starter() -> None:
    """A starter is complete when a reader copied these files and nothing else."""
    files = {block.file for block in blocks(PAGE)}
    assert {
        "acme-rates/pyproject.toml",
        "acme-rates/acme_rates/__init__.py",
        "acme-rates/acme_rates/rates.py",
        "acme-rates/acme_rates/properties.py",
        "acme-rates/acme_rates/autoconfigure.py",
        "acme-rates/test_rates.py",
        "shop/application.yml",
        "shop/main.py",
    } <= files


def installed(page: Page) -> bool:
    return page.terminal.run("cd / && python -c 'import acme_rates' 2>/dev/null && echo yes").strip() == "yes"
