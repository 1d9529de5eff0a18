"""The command line in this process, in a folder of its own, with starters that a test names."""

from __future__ import annotations

import importlib.metadata
import os
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from app_framework.cli.program import program

ROOT = Path(__file__).resolve().parents[2]

Af = Callable[..., Result]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty current folder, and a process that forgets what is imported from it."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setenv("COLUMNS", "80")
    for name in [each for each in os.environ if each.startswith("APP_")]:
        monkeypatch.delenv(name)
    yield here
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.fixture
def af(folder: Path, installed: Callable[..., Path]) -> Af:
    """Invoke `af` in the current folder; the `web` starter is installed unless the test says otherwise."""
    installed("web")
    return lambda *arguments, **options: CliRunner().invoke(program, arguments, **options)


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Let exactly these of our starters be installed, whatever this environment has."""
    find = importlib.metadata.distributions
    real = [each for each in find() if not is_starter(each)]

    def install(*names: str) -> Path:
        place = tmp_path / "-".join(("site", *names))
        for name in names:
            write_distribution(place, ROOT / "starters" / name / "pyproject.toml")
        starters = list(find(path=[str(place)]))
        monkeypatch.setattr(importlib.metadata, "distributions", lambda: iter([*real, *starters]))
        return place

    return install


def is_starter(distribution: importlib.metadata.Distribution) -> bool:
    return distribution.metadata["Name"].startswith("app-framework-starter-")


def write_distribution(place: Path, pyproject: Path) -> None:
    """Write the metadata that installing a starter of ours leaves behind."""
    project = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]
    info = place / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir(parents=True)
    facts = [f"Name: {project['name']}", f"Version: {project['version']}", f"Summary: {project['description']}"]
    facts += [f"Requires-Dist: {each}" for each in project["dependencies"]]
    (info / "METADATA").write_text("\n".join(["Metadata-Version: 2.4", *facts, ""]))
    (info / "entry_points.txt").write_text("\n".join(_sections(project.get("entry-points", {}))))


def _sections(groups: dict[str, dict[str, str]]) -> Iterator[str]:
    for group, points in groups.items():
        yield f"[{group}]"
        yield from (f"{name} = {value}" for name, value in points.items())


@pytest.fixture
def environ(tmp_path: Path, installed: Callable[..., Path]) -> Callable[..., dict[str, str]]:
    """The environment of a process that finds the framework, and these starters where they are not installed."""

    def of(*names: str) -> dict[str, str]:
        clean = {key: value for key, value in os.environ.items() if not key.startswith("APP_")}
        return clean | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(installed(*names))])}

    return of
