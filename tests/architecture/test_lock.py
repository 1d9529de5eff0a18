"""The lock: exact, hashed, for every platform, from nowhere in particular, and true to pyproject.toml."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.architecture.source_tree import ROOT

APART = "bench"
"""The extra with a lock of its own: nobody else downloads other engines."""


def entries(text: str) -> list[str]:
    return [entry.strip() for entry in re.sub(r"\s*\\\n\s*", " ", text).splitlines() if entry.strip()]


def locked(text: str) -> dict[str, Requirement]:
    return {canonicalize_name((pin := Requirement(entry.split(" --hash")[0])).name): pin for entry in entries(text)}


LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
LOCKED = locked(LOCK)
BENCH_LOCK = (ROOT / "benchmarks" / "requirements.lock").read_text(encoding="utf-8")
BENCH_LOCKED = locked(BENCH_LOCK)


@pytest.mark.parametrize("lock", [LOCK, BENCH_LOCK], ids=["requirements.lock", "benchmarks/requirements.lock"])
def test_every_line_pins_one_version_with_its_hashes(lock: str) -> None:
    assert [
        entry[:60]
        for entry in entries(lock)
        if not re.fullmatch(r"[a-z0-9-]+==\S+( ; [^-].*?)?( --hash=sha256:[0-9a-f]{64})+", entry)
    ] == []


def test_it_names_no_registry_and_no_folder() -> None:
    """An address would bind everyone to one mirror, and would show who wrote the lock."""
    assert re.findall(r"\S*(?:://|file:|--index|--find-links)\S*", LOCK + BENCH_LOCK) == []


def test_other_engines_are_locked_for_the_benchmarks_only() -> None:
    """Where both locks have a library, they have the same version of it: one environment holds both."""
    assert {"chdb", "datafusion"} <= BENCH_LOCKED.keys() - LOCKED.keys()
    both = [name for name in BENCH_LOCKED.keys() & LOCKED.keys() if name != "numpy"]  # one version for each Python
    assert [name for name in both if BENCH_LOCKED[name].specifier != LOCKED[name].specifier] == []


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
        *(wanted for extra, wanted in project["optional-dependencies"].items() if extra != APART),
    ]
    return [Requirement(text) for group in groups for text in group]


def pin_of(name: str) -> Requirement:
    return LOCKED[canonicalize_name(name)]


def version_of(name: str) -> str:
    (exactly,) = pin_of(name).specifier
    return exactly.version
