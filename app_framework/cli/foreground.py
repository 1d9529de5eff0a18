"""Running a node in the foreground: what `af run`, `af node start` and `af witness` have in common."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import click

from app_framework.cli.selection import Selection

READY_FILE: Callable[[Callable[..., Any]], Callable[..., Any]] = click.option(
    "--ready-file",
    metavar="F",
    type=click.Path(path_type=Path, dir_okay=False),
    help='Written as JSON {"pid", "http", "node"} when the node is ready; removed when it stops.',
)


def run_in_foreground(selection: Selection, ready_file: Path | None) -> NoReturn:
    """Run the application until it is asked to stop, and leave with its exit code.

    Args:
        selection: application and configuration.
        ready_file: where to say that it is ready.

    Raises:
        CommandError: the selection does not lead to an application.
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
