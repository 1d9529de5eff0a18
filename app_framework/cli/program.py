"""The program `af`: the table of its commands, and how it ends when one of them cannot do what it was asked.

A new command is a module in `commands/` with a click command called ``command``, and a line in COMMANDS.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import click

from app_framework.cli.lazy import LazyCommand, LazyGroup
from app_framework.cli.output import colour

COMMANDS = {
    "run": LazyCommand(".commands.run", "Run one node in the foreground."),
    "node": LazyCommand(".commands.node", "Run the nodes of a cluster."),
    "witness": LazyCommand(".commands.witness", "Run a vote without data."),
    "cluster": LazyCommand(".commands.cluster", "Ask and change a running cluster."),
    "query": LazyCommand(".commands.query", "Ask a cube of a running node."),
    "shell": LazyCommand(".commands.shell", "Talk to a node, and to the cluster behind it."),
    "security": LazyCommand(".commands.security", "Make password hashes, tokens and secrets."),
    "new": LazyCommand(".commands.new", "Make a project that runs and passes its own tests."),
    "config": LazyCommand(".commands.config", "Check, show and explain the configuration."),
    "conditions": LazyCommand(".commands.conditions", "Show what would be wired, and why, without starting."),
    "starters": LazyCommand(".commands.starters", "List the installed starters: which are on, and why."),
    "doctor": LazyCommand(".commands.doctor", "Check this installation and this machine."),
}

EPILOG = """\
Every setting is an option too: af run --server.port=0. Completion in the shell: eval "$(_AF_COMPLETE=bash_source af)",
zsh and fish likewise.\
"""


class Program(LazyGroup):
    """The root of all commands. Data goes to standard output, messages to standard error; no mistake is a traceback."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> NoReturn:
        """Parse, run, and leave with the exit code: 0, 1 for what cannot be done, 2 for wrong usage."""
        given = list(sys.argv[1:] if args is None else args)
        extra.setdefault("color", colour())
        try:
            code = super().main(given, prog_name, complete_var, standalone_mode=False, **extra)
        except Exception as error:  # whatever it was, a person reads what is wrong and what to do
            from app_framework.cli.failures import report

            code = report(error, debug="--debug" in given)
        sys.exit(code)


def _show_version(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not context.resilient_parsing:
        import platform

        from app_framework import __version__

        click.echo(f"app-framework {__version__} (Python {platform.python_version()})")
        context.exit()


program = Program(
    "af",
    table=COMMANDS,
    help="Run and examine applications made of an application.yml, installed starters and your own components.",
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    params=[
        click.Option(
            ["--version"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_show_version,
            help="Show the version and exit.",
        )
    ],
)
