"""A group of commands that are imported when they are invoked; their help is known without (FA10)."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import click

from app_framework.errors import did_you_mean, near_matches


@dataclass(frozen=True, slots=True)
class LazyCommand:
    """A command that is not imported yet.

    Args:
        home: the module that defines it, relative to this package: ``.commands.run``.
        help: one line for the list of commands; the command says the same about itself.
        attribute: what it is called there.
    """

    home: str
    help: str
    attribute: str = "command"

    def load(self) -> click.Command:
        """Import the command."""
        found: click.Command = getattr(importlib.import_module(self.home, __package__), self.attribute)
        return found


class LazyGroup(click.Group):
    """A group over a table of lazy commands, in the table's order; without a command it shows its help."""

    def __init__(self, name: str | None = None, *, table: Mapping[str, LazyCommand], **settings: Any) -> None:
        super().__init__(name, invoke_without_command=True, callback=_help_without_command, **settings)
        self.table = table

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the table, which is the order in which people need them."""
        return list(self.table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command, None when there is none of that name."""
        found = self.table.get(cmd_name)
        return found.load() if found else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that the arguments begin with, or say which was probably meant."""
        name = args[0]
        if name not in self.table and not name.startswith("-") and not ctx.resilient_parsing:
            near = did_you_mean(near_matches(name, self.table))
            raise click.UsageError(f"There is no command '{name}'. {near}".rstrip(), ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands from the table, without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, lazy.help) for name, lazy in self.table.items()])


def _help_without_command(**_: object) -> None:
    context = click.get_current_context()
    if context.invoked_subcommand is None:
        click.echo(context.get_help())
