"""How commands that ask a node end when it refuses or does not answer: in words, and by exit code."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from app_framework.cli.cluster_text import NO_QUORUM
from app_framework.cli.connection import UNREACHABLE

if TYPE_CHECKING:
    from app_framework.client import ProblemError

REFUSED = 1

_ACTIONS = {
    "UNAUTHENTICATED": "Say who asks: --user NAME with AF_PASSWORD, or AF_TOKEN.",
    "FORBIDDEN": "Ask as a user with the role that is missing.",
    "NO_QUORUM": "Bring back the voting nodes that are gone. If they are gone for good: af cluster recover",
    "NOT_LEADER": "Try again in some seconds: a leader is being found.",
    "UNSTABLE": "Try again in some seconds.",
    "NOT_FOUND": "See the members: af cluster status",
    "OVERLOADED": "Try again in some seconds.",
    "SERVICE_UNAVAILABLE": "Try again in some seconds.",
    "TIMEOUT": "Ask for less, or give it more time.",
    "TOO_LARGE": "Ask for less.",
}


class NodeRefusedError(click.ClickException):
    """A node answered that it cannot, or may not.

    Attributes:
        action: what to do about it.
    """

    exit_code = REFUSED

    def __init__(self, problem: ProblemError) -> None:
        super().__init__(_with_leader(problem))
        self.action = _ACTIONS.get(problem.code, "Correct it and try again.")
        if "members" in problem.facts:
            self.action = "Bring the node back, or try again in some seconds; --partial leaves out what it has."


class WithoutQuorumError(NodeRefusedError):
    """A node answered that there is no majority."""

    exit_code = NO_QUORUM


class UnreachableNodeError(click.ClickException):
    """No node answers, or its answer was lost."""

    exit_code = UNREACHABLE
    action = "Start the node, or name one that runs: --url URL"


@contextlib.contextmanager
def cluster_call() -> Iterator[None]:
    """Turn what a client raises into the words and the exit code of a command.

    Raises:
        NodeRefusedError: a node refused.
        UnreachableNodeError: no node answered.
    """
    try:
        yield
    except Exception as error:
        from app_framework.errors import ServiceUnavailableError

        problem = problem_of(error)
        if problem is not None:
            refused = WithoutQuorumError if problem.code == "NO_QUORUM" else NodeRefusedError
            raise refused(problem) from error
        if isinstance(error, ServiceUnavailableError):
            raise UnreachableNodeError(_sentence(str(error))) from error
        raise


def problem_of(error: BaseException) -> ProblemError | None:
    """Return an error as the problem that a node told, None when it is something else."""
    try:
        from app_framework.client import ProblemError
    except ModuleNotFoundError:
        return None
    return error if isinstance(error, ProblemError) else None


def _with_leader(problem: ProblemError) -> str:
    leader = problem.leader
    told = str(problem) if leader is None or leader in problem.detail else f"{problem} (leader: {leader})"
    return _sentence(told)


def _sentence(text: str) -> str:
    return text if text.endswith((".", "?", "!")) else f"{text}."
