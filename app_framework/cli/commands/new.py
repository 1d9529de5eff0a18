"""`af new NAME`: a project that runs and passes its own tests."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

import click

from app_framework.cli.failures import CommandError, NotPreparedError
from app_framework.cli.output import say

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_NAME_LENGTH_MAX = 64


@click.command("new")
@click.argument("name")
@click.option("--debug", is_flag=True, expose_value=False, help="Show the traceback of what fails.")
def command(name: str) -> None:
    """Make a project that runs and passes its own tests.

    The folder NAME gets an application.yml with a cube over a small CSV file, a component and a route in main.py,
    and tests.
    """
    from app_framework.cli.project import write_project

    _check_name(name)
    folder = Path(name)
    _check_empty(folder)
    for path in write_project(folder, name):
        click.echo(path.as_posix())
    _write_schema(folder)
    say(f"\nNext:\n\n  cd {name} && af run main:app\n  python -m pytest\n")


def _check_name(name: str) -> None:
    if _NAME.fullmatch(name) and len(name) <= _NAME_LENGTH_MAX:
        return
    suggestion = _slug(name)
    raise CommandError(
        f"'{name}' is no name for a project: it may hold lower-case letters, digits and single hyphens, "
        f"begins with a letter, and has at most {_NAME_LENGTH_MAX} characters.",
        f"Did you mean: {suggestion}" if suggestion else "Choose a name such as sales or flight-ops.",
    )


def _check_empty(folder: Path) -> None:
    if folder.is_dir() and not any(folder.iterdir()):
        return
    if folder.exists() or folder.is_symlink():
        kind = "is not empty" if folder.is_dir() else "exists and is not a folder"
        raise CommandError(f"{folder} {kind}; nothing was written.", "Choose another name, or remove it first.")


def _slug(name: str) -> str:
    """Return the nearest name that will do, empty when nothing of it will."""
    plain = unicodedata.normalize("NFKD", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name)).encode("ascii", "ignore")
    words = re.findall(r"[a-z0-9]+", plain.decode().lower())
    return re.sub(r"^[0-9-]+", "", "-".join(words))[:_NAME_LENGTH_MAX].rstrip("-")


def _write_schema(folder: Path) -> None:
    """Let editors complete the file from the first minute; a starter that is broken is no reason to fail here."""
    from app_framework.cli.schema_file import DEFAULT_PLACE, write_schema
    from app_framework.cli.selection import Selection

    try:
        write_schema(Selection(config=folder / "application.yml").environment(), folder / DEFAULT_PLACE)
    except NotPreparedError as error:
        say(f"The project is complete, but it will not run yet: {error.description}\nSee: af doctor")
