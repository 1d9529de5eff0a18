"""`af conditions`: what would be wired and why, without starting."""

from __future__ import annotations

import click

from app_framework.cli.output import as_json
from app_framework.cli.selection import TAKES_SETTINGS, Selection, selecting


@click.command("conditions", **TAKES_SETTINGS)
@selecting()
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", help="How to write the report.")
def command(selection: Selection, output: str) -> None:
    """Show what would be wired, and why, without starting.

    Everything is decided as `af run` would decide it, and nothing is created.
    """
    conditions = selection.prepared().conditions
    click.echo(conditions.to_text() if output == "text" else as_json(conditions.to_json()), nl=output == "json")
