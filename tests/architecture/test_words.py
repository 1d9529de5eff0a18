"""What may not stand in the repository: one machine's folders, registries, leftovers, overlong files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.source_tree import ROOT

LINES_MAX = 500
NOT_OURS = {"__pycache__", "build", "dist", "site", "node_modules"}
VENDORED = ("app_framework/web/static/", "app_framework/web/studio/static/")
TEXT = {
    ".py",
    ".md",
    ".toml",
    ".yml",
    ".yaml",
    ".json",
    ".txt",
    ".sql",
    ".html",
    ".css",
    ".js",
    ".lock",
    ".sh",
    "",
}

REFUSED = {
    "a folder of one machine": re.compile(r"(?<![\w.~-])/(work|tmp|home/\w+|root)/"),
    "a folder beside the repository": re.compile(r"\.\./shared"),
    "the address of a registry": re.compile(
        r"(files\.pythonhosted|pypi|test\.pypi|registry\.npmjs)\.org|index-url\s*=|extra-index"
    ),
    "a leftover": re.compile(r"\b(TODO|FIXME|XXX|HACK)\b"),
    "a ticket of ours": re.compile(r"\bissue #?\d", re.IGNORECASE),
}


def files() -> Iterator[Path]:
    for path in sorted(ROOT.rglob("*")):
        parts = path.relative_to(ROOT).parts
        hidden = parts[0].startswith(".") and len(parts) > 1 and parts[0] != ".ci"
        ours = not hidden and not any(part in NOT_OURS or part.endswith(".egg-info") for part in parts)
        if ours and path.is_file() and path.suffix in TEXT and path != Path(__file__):
            yield path


def shown(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("what", REFUSED)
def test_no_file_holds(what: str) -> None:
    """Someone else reads this on another machine, in another year."""
    assert [
        f"{shown(path)}:{number}: {line.strip()[:100]}"
        for path in files()
        if not shown(path).startswith(VENDORED)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if REFUSED[what].search(line)
    ] == []


def test_no_python_file_is_too_long_to_read() -> None:
    assert [
        f"{shown(path)} has {length} lines"
        for path in files()
        if path.suffix == ".py" and (length := len(path.read_text(encoding="utf-8").splitlines())) > LINES_MAX
    ] == []
