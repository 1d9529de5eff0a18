"""The two ways a name or a text may enter SQL: quoted. Everything else is bound as a parameter."""

from __future__ import annotations

from collections.abc import Iterable


def quote(name: str) -> str:
    """Return a name as an SQL identifier.

    >>> print(quote('the "best"  one'))
    "the ""best""  one"
    """
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Return a text as an SQL string.

    >>> literal("it's")
    "'it''s'"
    """
    return "'" + text.replace("'", "''") + "'"


def names(columns: Iterable[str]) -> str:
    """Return names as an SQL list of identifiers."""
    return ", ".join(quote(column) for column in columns)
