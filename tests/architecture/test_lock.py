"""The lock: exact, hashed, for every platform, from nowhere in particular, and true to pyproject.toml."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.architecture.source_tree import ROOT

LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
ENTRIES = [entry.strip() for entry in re.sub(r"\s*\\\n\s*", " ", LOCK).splitlines() if entry.strip()]
LOCKED = {canonicalize_name((pin := Requirement(entry.split(" --hash")[0])).name): pin for entry in ENTRIES}


def test_every_line_pins_one_version_with_its_hashes() -> None:
    assert [
        entry[:60]
        for entry in ENTRIES
        if not re.fullmatch(r"[a-z0-9-]+==\S+( ; [^-].*?)?( --hash=sha256:[0-9a-f]{64})+", entry)
    ] == []


def test_it_names_no_registry_and_no_folder() -> None:
    """An address would bind everyone to one mirror, and would show who wrote the lock."""
    assert re.findall(r"\S*(?:://|file:|--index|--find-links)\S*", LOCK) == []


def test_nothing_is_pinned_for_one_platform_only_without_saying_so() -> None:
    """A marker is text that pip on any platform can judge; what is for one platform has one."""
    assert pin_of("colorama").marker is not None
    assert pin_of("duckdb").marker is None


def test_it_holds_everything_that_pyproject_asks_for_in_a_version_that_will_do() -> None:
    """Also the build backend: the editable install runs without isolation, hence without a download."""
    assert [
        str(wanted)
        for wanted in wanted_requirements(ROOT / "pyproject.toml")
        if canonicalize_name(wanted.name) != "app-framework"
        and not wanted.specifier.contains(version_of(wanted.name), prereleases=True)
    ] == []


def wanted_requirements(path: Path) -> list[Requirement]:
    document = tomllib.loads(path.read_text(encoding="utf-8"))
    project = document["project"]
    groups = [
        document["build-system"]["requires"],
        project["dependencies"],
        *project["optional-dependencies"].values(),
    ]
    return [Requirement(text) for group in groups for text in group]


def pin_of(name: str) -> Requirement:
    return LOCKED[canonicalize_name(name)]


def version_of(name: str) -> str:
    (exactly,) = pin_of(name).specifier
    return exactly.version
