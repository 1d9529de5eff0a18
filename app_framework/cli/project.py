"""Writing a new project from the files in `templates/new`.

A template's name ends in ``.template``, so that no tool takes it for what it will become; ``dot-`` stands for the dot
that hides a file.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path, PurePosixPath
from string import Template

from app_framework import __version__

_SUFFIX = ".template"


def write_project(folder: Path, name: str) -> Iterator[Path]:
    """Write the files of a project into a folder that is empty or absent.

    Args:
        folder: where.
        name: what the project and its application are called.

    Yields:
        Each file that was written.
    """
    values = {"name": name, "title": name.replace("-", " ").capitalize(), "minor": _minor(__version__)}
    root = files("app_framework.cli") / "templates" / "new"
    for place, template in _templates(root, PurePosixPath()):
        path = folder / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(Template(template.read_text(encoding="utf-8")).substitute(values), encoding="utf-8")
        yield path


def _templates(folder: Traversable, above: PurePosixPath) -> Iterator[tuple[PurePosixPath, Traversable]]:
    """Yield each template with the place of what it becomes."""
    for entry in sorted(folder.iterdir(), key=lambda each: each.name):
        if entry.is_dir():
            yield from _templates(entry, above / entry.name)
        elif entry.name.endswith(_SUFFIX):
            name = entry.name.removesuffix(_SUFFIX)
            yield above / (f".{name.removeprefix('dot-')}" if name.startswith("dot-") else name), entry


def _minor(version: str) -> str:
    """Return the requirement that takes every patch of this minor version.

    >>> _minor("0.1.3")
    '>=0.1,<0.2'
    """
    major, minor, *_ = version.split(".")
    return f">={major}.{minor},<{major}.{int(minor) + 1}"
