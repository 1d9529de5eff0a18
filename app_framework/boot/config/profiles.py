"""Profiles: which are active, and the expressions that ask for them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from app_framework.errors import UserError

_NAME = re.compile(r"[\w.+@-]+\Z")
_TOKEN = re.compile(r"\s*([&|!()]|[\w.+@-]+)")


class ProfileSyntaxError(UserError, ValueError):
    """A profile expression that cannot be read; its text says what is wrong with it."""


def is_profile_name(name: str) -> bool:
    """Return whether `name` may be a profile: letters, digits and ``- _ . + @``."""
    return _NAME.match(name) is not None


@dataclass(frozen=True, slots=True)
class Profiles:
    """The profiles of one application.

    Args:
        active: those that were asked for, later ones win.
        default: those that hold while none is active.
    """

    active: tuple[str, ...] = ()
    default: tuple[str, ...] = ("default",)

    @property
    def accepted(self) -> tuple[str, ...]:
        """The profiles that hold: the active ones, or the default ones when none is active."""
        return self.active or self.default

    def accepts(self, expression: str) -> bool:
        """Return whether an expression such as ``prod & (us | eu) & !test`` holds.

        Raises:
            ProfileSyntaxError: if the expression cannot be read.

        >>> Profiles(("prod", "eu")).accepts("prod & (us | eu) & !test")
        True
        """
        return _Expression(expression, self.accepted).result()


def expanded(names: Iterable[str], groups: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Return `names`, each followed by the members of its group, each once.

    >>> expanded(["prod"], {"prod": ["db", "mq"], "mq": ["nats"]})
    ('prod', 'db', 'mq', 'nats')
    """
    found: dict[str, None] = {}

    def visit(name: str) -> None:
        if name not in found:
            found[name] = None
            for member in groups.get(name, ()):
                visit(member)

    for name in names:
        visit(name)
    return tuple(found)


class _Expression:
    """A recursive descent over one expression; every part is read, also what no longer matters."""

    def __init__(self, text: str, accepted: Sequence[str]) -> None:
        self._text = text
        self._accepted = accepted
        self._tokens = self._split(text)

    def result(self) -> bool:
        value = self._chain()
        if self._tokens:
            raise self._error(f"'{self._tokens[0]}' was not expected")
        return value

    def _chain(self) -> bool:
        """Read terms joined by one kind of operator; mixing the kinds needs parentheses."""
        value, operator = self._term(), ""
        while self._tokens and self._tokens[0] in "&|":
            found = self._tokens.pop(0)
            if operator and found != operator:
                raise self._error("'&' and '|' need parentheses when mixed")
            operator = found
            term = self._term()
            value = (value and term) if operator == "&" else (value or term)
        return value

    def _term(self) -> bool:
        word = self._tokens.pop(0) if self._tokens else ""
        if word == "!":
            return not self._term()
        if word == "(":
            value = self._chain()
            if not self._tokens or self._tokens.pop(0) != ")":
                raise self._error("a ')' is missing")
            return value
        if not is_profile_name(word):
            raise self._error(f"a profile was expected{f' before {word!r}' if word else ' at the end'}")
        return word in self._accepted

    def _split(self, text: str) -> list[str]:
        tokens, at = [], 0
        text = text.rstrip()
        while at < len(text):
            found = _TOKEN.match(text, at)
            if not found:
                raise self._error(f"'{text[at:].strip()[0]}' was not expected")
            tokens.append(found[1])
            at = found.end()
        return tokens

    def _error(self, reason: str) -> ProfileSyntaxError:
        return ProfileSyntaxError(f"profile expression '{self._text}' cannot be read: {reason}")
