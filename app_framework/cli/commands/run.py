"""`af run`: one node in the foreground."""

from __future__ import annotations

from pathlib import Path

import click

from app_framework.cli.foreground import READY_FILE, run_in_foreground
from app_framework.cli.selection import TAKES_SETTINGS, Selection, selecting


@click.command("run", **TAKES_SETTINGS)
@selecting()
@READY_FILE
def command(selection: Selection, ready_file: Path | None) -> None:
    """Run one node in the foreground.

    MODULE:app names an Application, looked up in the current folder first. Without it the application is what
    application.yml and the installed starters make of it. Every setting is an option: --server.port=0.
    """
    run_in_foreground(selection, ready_file)
