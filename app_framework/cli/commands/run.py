"""`af run`: one node in the foreground."""

from __future__ import annotations

from pathlib import Path

import click

from ..selection import TAKES_SETTINGS, Selection, selecting


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
    application = selection.application()
    code = application.run(
        selection.settings,
        config=selection.config,
        profiles=selection.profiles,
        ready_file=ready_file,
        debug=selection.debug,
    )
    raise click.exceptions.Exit(code)
