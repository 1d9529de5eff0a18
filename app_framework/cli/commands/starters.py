"""`af starters`: what is installed, what is on, and why (FA1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from app_framework.cli.failures import NotPreparedError
from app_framework.cli.output import as_json, say, table
from app_framework.cli.selection import TAKES_SETTINGS, Selection, prepare, selecting

if TYPE_CHECKING:
    from app_framework.boot import ApplicationContext

HOW_TO_INSTALL = "No starter is installed. For a whole server: pip install app-framework-starter-server"


@click.command("starters", **TAKES_SETTINGS)
@selecting()
@click.option("-o", "--output", type=click.Choice(["table", "json"]), default="table", help="How to write the list.")
def command(selection: Selection, output: str) -> None:
    """List the installed starters: which are on, and why.

    Where the application would not start, they are listed all the same, and the reason follows.
    """
    context = selection.context()
    failure = _failure(context)
    found = _starters(context)
    if output == "json":
        click.echo(as_json(found))
    elif found:
        click.echo(table(_HEADS, [_row(each) for each in found]))
    if not found and failure is None:
        say(HOW_TO_INSTALL)
    if failure is not None:
        raise failure


_HEADS = ("NAME", "VERSION", "STATE", "CONFIGURES", "WHY")


def _failure(context: ApplicationContext) -> NotPreparedError | None:
    try:
        prepare(context)
    except NotPreparedError as error:
        return error
    return None


def _starters(context: ApplicationContext) -> list[dict[str, object]]:
    """Return the facts of each starter; state and reason only where the application came far enough to decide."""
    decided = bool(context.conditions.entries)
    return [
        {
            "name": starter.distribution,
            "version": starter.version,
            "state": ("on" if line.on else "off") if decided else None,
            "reason": line.reason if decided else None,
            "autoConfigurations": list(starter.ids),
        }
        for starter, line in zip(context.installed.starters, context.starter_lines(), strict=True)
    ]


def _row(starter: dict[str, object]) -> list[str]:
    ids = starter["autoConfigurations"]
    assert isinstance(ids, list)
    facts = [starter["name"], starter["version"], starter["state"], ", ".join(ids), starter["reason"]]
    return [str(fact or "-") for fact in facts]
