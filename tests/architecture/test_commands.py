"""The commands that the README and CONTRIBUTING promise exist, and say what they do."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from tests.architecture.source_tree import ROOT

TARGETS = {"acceptance", "bench", "check", "clean", "demo", "docs", "help", "lock", "run", "soak", "test"}


@pytest.fixture(scope="module")
def help_page() -> str:
    if shutil.which("make") is None:
        pytest.skip("needs make: apt-get install make")
    return subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60).stdout


def test_make_help_lists_every_target_with_its_purpose(help_page: str) -> None:
    assert set(re.findall(r"^  make (\w+) +\S", help_page, re.MULTILINE)) == TARGETS


def test_every_make_command_in_the_pages_exists(help_page: str) -> None:
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]
    text = "\n".join(page.read_text(encoding="utf-8") for page in pages)
    assert set(re.findall(r"`make ([a-z]+)", text)) <= TARGETS


def test_the_build_server_runs_check_and_test_and_stops_at_the_first_failure() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "set -euo pipefail" in script
    assert re.findall(r"^make (\w+)$", script, re.MULTILINE) == ["check", "test"]
