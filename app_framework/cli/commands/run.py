"""`af run`: one node in the foreground."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator
from pathlib import Path

import click

from app_framework.cli.selection import TAKES_SETTINGS, Selection, selecting


@click.command("run", **TAKES_SETTINGS)
@selecting()
@click.option(
    "--ready-file",
    metavar="F",
    type=click.Path(path_type=Path, dir_okay=False),
    help='Written as JSON {"pid", "http", "node"} when the node is ready; removed when it stops.',
)
def command(selection: Selection, ready_file: Path | None) -> None:
    """Run one node in the foreground.

    MODULE:app names an Application, looked up in the current folder first. Without it the application is what
    application.yml and the installed starters make of it. Every setting is an option: --server.port=0.
    """
    with _modules_that_stay():
        application = selection.application()
    try:
        code = application.run(
            selection.settings,
            config=selection.config,
            profiles=selection.profiles,
            ready_file=ready_file,
            debug=selection.debug,
        )
    finally:
        gc.unfreeze()  # or libraries that look for leaks at the end find their modules
    raise click.exceptions.Exit(code)


@contextlib.contextmanager
def _modules_that_stay() -> Iterator[None]:
    """Import without looking for garbage: going through modules again and again is a tenth of a start.

    They are not looked at later either, so that the full collections of a running node are short.
    """
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        gc.enable()
