"""What is wrong with a configuration: the facts of each mistake, and the text that tells all of them at once.

FrameworkError
└── ConfigurationError    one or more ConfigProblem, in the order of the files
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from app_framework.boot.origin import Origin
from app_framework.errors import FrameworkError, did_you_mean

_CORRECT = re.compile(r"Correct the value of (?P<key>\S+)\.\Z")


@dataclass(frozen=True, slots=True)
class ConfigProblem:
    """One mistake in the configuration (FA2).

    Args:
        code: the kind of mistake, such as ``unknown-key`` or ``bad-value``.
        message: one sentence without a full stop; never holds a secret.
        origin: where the mistake was written, None when it is nowhere (a value that is missing).
        near: what was probably meant.
        action: what to do about it, a whole sentence.
        snippet: the lines around a syntax error with a caret below the place.
        key: the property it is about, in its dotted form.

    >>> print(ConfigProblem("unknown-key", "unknown key 'prot' in 'server'", Origin("a.yml", 2, 3), ("port",)))
    a.yml:2:3: unknown key 'prot' in 'server'. Did you mean: port
    """

    code: str
    message: str
    origin: Origin | None = None
    near: tuple[str, ...] = ()
    action: str = ""
    snippet: str = ""
    key: str = ""

    def __str__(self) -> str:
        place = f"{self.origin}: " if self.origin else ""
        hint = f". {did_you_mean(self.near)}" if self.near else ""
        return f"{place}{self.message}{hint}"


class ConfigurationError(FrameworkError):
    """The configuration cannot be used; holds every mistake that was found, not only the first.

    Attributes:
        problems: the mistakes in the order of the files.
    """

    code = "CONFIGURATION"

    def __init__(self, problems: Iterable[ConfigProblem]) -> None:
        self.problems = tuple(problems)
        super().__init__(self.problems)

    def __str__(self) -> str:
        return describe(self.problems)


def describe(problems: Sequence[ConfigProblem]) -> str:
    """Return the text of a *Description* block: every problem, grouped by the file it is in."""
    if len(problems) == 1:
        return _paragraph(problems[0], indent="")
    blocks = [f"The configuration has {len(problems)} problems:"]
    for _, group in groupby(problems, key=_home):
        blocks.append("\n".join(_paragraph(problem, indent="  ") for problem in group))
    return "\n\n".join(blocks)


def advise(problems: Sequence[ConfigProblem]) -> str:
    """Return the text of an *Action* block: what to do, each advice once."""
    actions = _joined(dict.fromkeys(problem.action for problem in problems if problem.action))
    if not actions:
        return "Correct the configuration and start again."
    if len(actions) == 1:
        return actions[0]
    return "\n".join(f"- {action}" for action in actions)


def _joined(actions: Iterable[str]) -> list[str]:
    """Return the actions with those that only ask to correct a value as one sentence."""
    kept: list[str] = []
    keys: list[str] = []
    for action in actions:
        if found := _CORRECT.match(action):
            keys.append(found["key"])
        else:
            kept.append(action)
    if len(keys) == 1:
        return [*kept, f"Correct the value of {keys[0]}."]
    return [*kept, f"Correct the values of {', '.join(keys)}."] if keys else kept


def _paragraph(problem: ConfigProblem, indent: str) -> str:
    text = f"{problem}\n{problem.snippet}" if problem.snippet else str(problem)
    return "\n".join(f"{indent}{line}" for line in text.split("\n"))


def _home(problem: ConfigProblem) -> str:
    """Return what problems are grouped by: their file, or one group for all that have none."""
    origin = problem.origin
    return origin.source if origin and origin.line is not None else ""
