"""What cannot be done: the errors of commands, and the words and exit code that any error leaves with.

UserError
└── CommandError          what is wrong and what to do about it
    └── NotPreparedError  the application would not start; carries its analysed failure
"""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING

import click

from app_framework.cli.output import say
from app_framework.errors import UserError

if TYPE_CHECKING:
    from app_framework.boot import FailureReport
    from app_framework.boot.management.redaction import Redactor

INTERRUPTED = 130
"""The exit code of a command that Ctrl-C ended."""


class CommandError(UserError):
    """Something that a command was asked for cannot be done.

    Attributes:
        description: what is wrong, and where.
        action: what to do about it.
    """

    def __init__(self, description: str, action: str) -> None:
        self.description = description
        self.action = action
        super().__init__(description, action)

    def __str__(self) -> str:
        return f"{self.description} {self.action}"


class NotPreparedError(CommandError):
    """The application would not start, for a reason that is known without starting it.

    Attributes:
        failure: the error with the words for it.
        redactor: blanks out the secrets of the application.
    """

    def __init__(self, failure: FailureReport, redactor: Redactor) -> None:
        self.failure = failure
        self.redactor = redactor
        super().__init__(failure.description, failure.action)


def report(error: Exception, *, debug: bool) -> int:
    """Tell a person about an error, on standard error.

    Args:
        error: what ended a command.
        debug: whether the traceback is wanted as well.

    Returns:
        The exit code.
    """
    if isinstance(error, click.Abort):
        return INTERRUPTED
    if debug:
        trace = "".join(traceback.format_exception(error))
        say(error.redactor.mask(trace) if isinstance(error, NotPreparedError) else trace)
    description, action = _words(error)
    say(f"\n{_heading('Description')}\n{_indented(description)}\n\n{_heading('Action')}\n{_indented(action)}\n")
    return error.exit_code if isinstance(error, click.ClickException) else 1


def _words(error: Exception) -> tuple[str, str]:
    if isinstance(error, CommandError):
        return error.description, error.action
    if isinstance(error, click.ClickException):
        context = getattr(error, "ctx", None)
        action = getattr(error, "action", None)
        return error.format_message(), action or f"See {context.command_path if context else 'af'} --help."
    if isinstance(error, UserError):
        return str(error), "Correct it and try again."
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}.", "Choose another place, or ask for the permission."
    return f"{type(error).__name__}: {error}", "Run it again with --debug to see where it was raised."


def _heading(title: str) -> str:
    return click.style(f"{title}:", bold=True) + "\n"


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" if line else "" for line in text.splitlines())
