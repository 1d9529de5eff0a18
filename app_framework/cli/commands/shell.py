"""`af shell`: a conversation with a node; lines come from `-c`, from standard input, or from a person at a terminal."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import click

from app_framework.cli.cluster_call import cluster_call
from app_framework.cli.connection import Connection, connecting
from app_framework.cli.failures import report
from app_framework.cli.output import say
from app_framework.cli.shell import COMMANDS, ExitShellError, Shell

FAILED = 1


@click.command("shell")
@connecting
@click.option("-c", "--command", "commands", metavar="COMMAND", multiple=True, help="Run it and exit; may repeat.")
@click.option("-o", "--output", type=click.Choice(["table", "json"]), default="table", help="How to write answers.")
@click.option("--debug", is_flag=True, help="Show the traceback of what fails.")
def command(connection: Connection, commands: tuple[str, ...], output: str, debug: bool) -> None:
    """Talk to a node, and to the cluster behind it.

    Without -c it reads lines from standard input; `help` lists what they may be. Exit code 0, and 1 when a line of -c
    or of standard input failed; what follows it is not run then.
    """
    shell = Shell(connection, json=output == "json")
    try:
        if commands or not sys.stdin.isatty():
            code = _run_all(shell, commands or sys.stdin, debug=debug)
        else:
            code = _converse(shell, debug=debug)
    finally:
        shell.close()
    raise click.exceptions.Exit(code)


def _run_all(shell: Shell, lines: Iterable[str], *, debug: bool) -> int:
    """Run lines until one fails."""
    for line in lines:
        try:
            _run(shell, line)
        except ExitShellError:
            return 0
        except BrokenPipeError:  # whoever reads our output has seen enough
            raise
        except Exception as error:
            report(error, debug=debug)
            return FAILED
    return 0


def _converse(shell: Shell, *, debug: bool) -> int:
    """Run what a person types until they leave; a mistake is told, and the conversation goes on."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # Ctrl-C gives up the command, not the conversation
    read = _reader(shell)
    say("`help` lists the commands, `exit` or Ctrl-D ends.")
    while True:
        try:
            _run(shell, read())
        except (ExitShellError, EOFError):
            return 0
        except KeyboardInterrupt:
            continue
        except Exception as error:
            report(error, debug=debug)


def _run(shell: Shell, line: str) -> None:
    with cluster_call():
        for printed in shell.run(line):
            click.echo(printed)


def _reader(shell: Shell) -> Callable[[], str]:
    """Return what asks for the next line: with history and completion where the library for it is installed."""
    try:
        from prompt_toolkit import PromptSession
        from prompt_toolkit.completion import NestedCompleter
        from prompt_toolkit.history import FileHistory
    except ModuleNotFoundError:
        return lambda: input(_prompt(shell))
    session: PromptSession[str] = PromptSession(
        completer=NestedCompleter.from_nested_dict(_words()), history=FileHistory(str(_history_file()))
    )
    return lambda: session.prompt(_prompt(shell))


def _prompt(shell: Shell) -> str:
    return f"{shell.place or 'af'}> "


def _words() -> dict[str, dict[str, None] | None]:
    """Return the first words of all commands, each with the second ones."""
    found: dict[str, dict[str, None] | None] = {}
    for each in COMMANDS:
        first, *more = each.words
        second = found.setdefault(first, {} if more else None)
        if more and second is not None:
            second[more[0]] = None
    return found


def _history_file() -> Path:
    """Return a file that only this user can read, because values stand in it."""
    base = os.environ.get("XDG_STATE_HOME") or ""
    folder = (Path(base) if Path(base).is_absolute() else Path.home() / ".local" / "state") / "app-framework"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / "shell_history"
    path.touch(mode=0o600, exist_ok=True)
    return path
