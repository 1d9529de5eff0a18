"""`af config explain KEY`: why a key has its value (FA5)."""

from __future__ import annotations

import json

import click

from app_framework.cli.keys import unknown_key
from app_framework.cli.output import as_json, table
from app_framework.cli.selection import TAKES_SETTINGS, Selection, selecting


@click.command("explain", **TAKES_SETTINGS)
@selecting("KEY")
@click.option("-o", "--output", type=click.Choice(["table", "json"]), default="table", help="How to write the sources.")
def command(selection: Selection, word: str | None, output: str) -> None:
    """Show every source that sets a key, the winner first.

    KEY is written with dots, such as server.port. The last line is the default; secrets are masked.
    """
    from app_framework.boot.config.explanation import UnknownPropertyError

    if word is None:
        raise click.UsageError("Which key? Name one, such as server.port.", click.get_current_context())
    environment = selection.environment()
    try:
        settings = environment.explain(word)
    except UnknownPropertyError as error:
        raise unknown_key(word, environment) from error
    if output == "json":
        click.echo(as_json([{"value": s.value, "origin": str(s.origin), "winner": s.winner} for s in settings]))
        return
    rows = [["*" if each.winner else "", _text(each.value), str(each.origin)] for each in settings]
    click.echo(table(["", "VALUE", "ORIGIN"], rows) if rows else "nobody sets it, and it has no default")


def _text(value: object) -> str:
    return value if isinstance(value, str) and value.strip() else json.dumps(value, ensure_ascii=False, default=str)
