"""What is installed: Python, the framework, the starters and their libraries."""

from __future__ import annotations

import importlib.metadata
import platform
import sys
import tomllib
from collections.abc import Iterable, Iterator
from importlib.metadata import Distribution
from pathlib import Path
from typing import TYPE_CHECKING

from app_framework import __version__
from app_framework.cli.checks.distributions import ENTRY_POINT_GROUP, FRAMEWORK, editable_folder, normalized, ours
from app_framework.cli.checks.finding import Finding, fail, ok, warn
from app_framework.cli.checks.libraries import library_findings

if TYPE_CHECKING:
    from app_framework.boot.starters import Installed

PYTHON_MIN = (3, 11)


def installation_findings(distributions: Iterable[Distribution] | None = None) -> Iterator[Finding]:
    """Check everything that is installed.

    Args:
        distributions: what is installed; everything that this process can import when None.
    """
    found = list(importlib.metadata.distributions() if distributions is None else distributions)
    own = [each for each in found if ours(each)]
    yield python_finding(sys.version_info[:2])
    yield framework_finding(own)
    yield from stale_findings(own)
    yield from duplicate_findings(own)
    yield from starter_findings(found)
    yield from library_findings(own)


def python_finding(version: tuple[int, ...]) -> Finding:
    """Is this Python new enough?"""
    wanted = ".".join(map(str, PYTHON_MIN))
    if version < PYTHON_MIN:
        return fail("python", f"{'.'.join(map(str, version))} is too old", f"Install Python {wanted} or newer.")
    return ok("python", f"{platform.python_version()} at {sys.executable}")


def framework_finding(own: Iterable[Distribution]) -> Finding:
    """Is the code that runs the code that is installed?"""
    installed = next((each.version for each in own if normalized(each) == FRAMEWORK), None)
    if installed is None:
        return warn(FRAMEWORK, f"{__version__} runs from a folder and is not installed", "pip install . in its folder.")
    if installed != __version__:
        return fail(
            FRAMEWORK,
            f"the code says {__version__}, but version {installed} is installed",
            "Install it again: pip install --force-reinstall --no-deps app-framework (or -e and its folder).",
        )
    return ok(FRAMEWORK, installed)


def stale_findings(own: Iterable[Distribution]) -> Iterator[Finding]:
    """Has a pyproject.toml changed since it was installed as editable? Entry points are a snapshot of it."""
    for each in own:
        folder = editable_folder(each)
        changed = _changes(each, folder / "pyproject.toml") if folder else []
        if folder and changed:
            yield fail(
                each.metadata["Name"],
                f"its pyproject.toml was changed after it was installed: {', '.join(changed)}",
                f"Install it again: pip install --no-deps -e {folder}",
            )


def duplicate_findings(own: Iterable[Distribution]) -> Iterator[Finding]:
    """Is one of ours installed twice? Python uses the first and never says so."""
    places: dict[str, dict[str, str]] = {}
    for each in own:
        places.setdefault(normalized(each), {})[str(each.locate_file(""))] = each.version
    for name, found in places.items():
        if len(found) > 1:
            used, *others = (f"{version} in {place}" for place, version in found.items())
            text = f"installed {len(found)} times: {used} is used, not {', '.join(others)}"
            yield warn(name, text, f"pip uninstall {name}, until one is left.")


def starter_findings(found: Iterable[Distribution]) -> Iterator[Finding]:
    """Can every starter be imported, and was it made for this version?"""
    from app_framework.boot.starters import StarterError, discover_starters

    try:
        installed: Installed = discover_starters(found)
    except StarterError as error:
        for problem in error.problems:
            yield fail("starter", f"{problem.distribution} {problem.version}: {problem.message}", problem.action)
        return
    for starter in installed.starters:
        yield ok("starter", f"{starter.distribution} {starter.version} configures {', '.join(starter.ids)}")
    if not installed.starters:
        yield warn("starter", "none is installed", "For a whole server: pip install app-framework-starter-server")


def _changes(distribution: Distribution, path: Path) -> list[str]:
    try:
        project = tomllib.loads(path.read_text(encoding="utf-8"))["project"]
    except (OSError, tomllib.TOMLDecodeError, KeyError) as error:
        return [f"{path} cannot be read ({type(error).__name__})"]
    written = project.get("entry-points", {}).get(ENTRY_POINT_GROUP, {})
    known = {point.name: point.value for point in distribution.entry_points if point.group == ENTRY_POINT_GROUP}
    names = sorted(name for name in written.keys() | known.keys() if written.get(name) != known.get(name))
    changed = [f"auto-configuration {name}" for name in names]
    if project.get("version", distribution.version) != distribution.version:
        changed.insert(0, f"version {distribution.version} is now {project['version']}")
    return changed
