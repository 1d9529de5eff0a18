"""The two roots of every error, and the helper that finds what a mistyped word was meant to be.

Exception
├── UserError        the caller can mend it; safe to show to a client
│   └── NoSuchNameError      there is nothing of that name; it knows what was probably meant
└── FrameworkError   the operator can mend it; shown in full in the log, by code to a client
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """A mistake of the caller: its text names what is wrong, where, and what to do."""

    code = "INVALID_REQUEST"


class NoSuchNameError(UserError):
    """There is nothing of that kind and name.

    Attributes:
        name: the name asked for.
        near: the names that were probably meant.
    """

    kind = "thing"

    def __init__(self, name: str, near: tuple[str, ...] = ()) -> None:
        super().__init__()
        self.name = name
        self.near = near

    def __str__(self) -> str:
        hint = did_you_mean(self.near)
        return f"There is no {self.kind} {self.name!r}." + (f" {hint}?" if hint else "")


class FrameworkError(Exception):
    """A fault of the installation or of the surroundings, for the operator to mend."""

    code = "INTERNAL"


class ServiceUnavailableError(FrameworkError):
    """What was asked for cannot be answered now; the same request may succeed later (A18).

    Attributes:
        retryable: whether trying again without a change can help.
    """

    code = "SERVICE_UNAVAILABLE"
    retryable = True


def near_matches(word: str, known: Iterable[str], limit: int = 3) -> tuple[str, ...]:
    """Return the known words that `word` was probably meant to be, the nearest first.

    Case and the difference between ``-``, ``_`` and ``.`` do not count.

    >>> near_matches("conect-timeout", ["connect-timeout", "servers"])
    ('connect-timeout',)
    """
    folded: dict[str, str] = {}
    for candidate in known:
        folded.setdefault(_fold(candidate), candidate)
    close = difflib.get_close_matches(_fold(word), folded, n=limit, cutoff=0.6)
    return tuple(folded[name] for name in close)


def did_you_mean(near: Iterable[str]) -> str:
    """Return ``Did you mean: a, b``, or an empty text when nothing is near.

    >>> did_you_mean(["port"])
    'Did you mean: port'
    """
    names = ", ".join(near)
    return f"Did you mean: {names}" if names else ""


def _fold(word: str) -> str:
    return word.lower().replace("_", "-").replace(".", "-")
