"""`af config schema`: what editors check `application.yml` with."""

from __future__ import annotations

from pathlib import Path

import click

from app_framework.cli.output import say
from app_framework.cli.schema_file import schema_text, write_schema
from app_framework.cli.selection import TAKES_SETTINGS, Selection, selecting

HELP = """Write the JSON Schema of application.yml.

It covers every installed starter. An editor with the YAML language server completes and checks the file when its first
line is:

\b
  # yaml-language-server: $schema=./.app/application.schema.json
"""


@click.command("schema", help=HELP, **TAKES_SETTINGS)
@selecting()
@click.option(
    "--output", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False), help="Where to write it; else shown."
)
def command(selection: Selection, output: Path | None) -> None:
    """Write the schema to standard output or to a file."""
    environment = selection.environment()
    if output is None:
        click.echo(schema_text(environment))
        return
    write_schema(environment, output)
    say(f"written: {output}")
