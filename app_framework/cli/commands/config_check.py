"""`af config check`: would it start?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from app_framework.cli.output import say, toned
from app_framework.cli.selection import TAKES_SETTINGS, Selection, selecting

if TYPE_CHECKING:
    from app_framework.boot import ApplicationContext, Environment


@click.command("check", **TAKES_SETTINGS)
@selecting()
def command(selection: Selection) -> None:
    """Check the configuration and the graph of components.

    Exit code 0 when the application would get as far as creating its components, 1 with everything that is wrong.
    Files of data are not opened: whether a table has a column is seen when the application starts.
    """
    context = selection.checked()
    for line in _summary(context):
        click.echo(line)
    for problem in context.environment.warnings:
        say(f"{toned('warning', 'yellow')}: {problem}")
    click.echo(toned("ok", "green"))


def _summary(context: ApplicationContext) -> Iterator[str]:
    environment = context.environment
    yield f"profiles: {', '.join(environment.active_profiles) or f'none, so {_default(environment)}'}"
    yield "sources, the strongest first:"
    yield from (f"  {name}" for name in context.source_names() or ["defaults only"])


def _default(environment: Environment) -> str:
    return ", ".join(environment.default_profiles)
