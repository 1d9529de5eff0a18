"""The spellings of one name: ``join-timeout`` in files, ``JOIN_TIMEOUT`` in variables, ``join_timeout`` in Python."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_NO_WORD = re.compile(r"[^A-Za-z0-9]")


def kebab(name: str) -> str:
    """Return the canonical form of a key that is written as ``join_timeout`` or ``joinTimeout``.

    A key that begins with a capital letter is nobody's spelling of a field and stays as it is.

    >>> [kebab(name) for name in ("join_timeout", "joinTimeout", "join-timeout", "import_", "Sales")]
    ['join-timeout', 'join-timeout', 'join-timeout', 'import', 'Sales']
    """
    if name[:1].isupper():
        return name
    return _HUMP.sub("-", name.rstrip("_")).replace("_", "-").lower()


def squashed(name: str) -> str:
    """Return what all spellings of a name share in an environment variable.

    >>> squashed("join-timeout"), squashed("Date.Calendar")
    ('JOINTIMEOUT', 'DATECALENDAR')
    """
    return _NO_WORD.sub("", name).upper()


def by_variable(names: Iterable[str]) -> dict[str, list[str]]:
    """Return names by what their spellings in a variable share."""
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(squashed(name), []).append(name)
    return found


def spells(tokens: Sequence[str], name: str) -> bool:
    """Return whether parts of a variable spell a name: between its words an underscore may stand or not.

    >>> spells(["JOIN", "TIMEOUT"], "join-timeout"), spells(["JOINTIMEOUT"], "join-timeout")
    (True, True)
    >>> spells(["JOI", "NTIMEOUT"], "join-timeout")
    False
    """
    words = [word.upper() for word in _NO_WORD.split(name) if word]
    for token in tokens:
        spelled = ""
        while words and len(spelled) < len(token):
            spelled += words.pop(0)
        if spelled != token or not token:
            return False
    return not words


def variable_name(path: tuple[str | int, ...], prefix: str) -> str:
    """Return the environment variable that sets a property.

    >>> variable_name(("nats", "connect-timeout"), "APP_"), variable_name(("nats", "servers", 0), "APP_")
    ('APP_NATS_CONNECT_TIMEOUT', 'APP_NATS_SERVERS_0')
    """
    return prefix + "_".join(_NO_WORD.sub("_", str(step)).upper() for step in path)


def edit_distance(one: str, other: str, limit: int) -> int:
    """Return how many letters to add, drop, change or swap turn one word into the other; at most `limit` + 1.

    >>> edit_distance("PROT", "PORT", 2), edit_distance("HOME", "PORT", 1)
    (1, 2)
    """
    if abs(len(one) - len(other)) > limit:
        return limit + 1
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        above, row = row, [i]
        for j, facing in enumerate(other, 1):
            cost = min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (letter != facing))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == facing:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        before = above
        if min(row) > limit:
            return limit + 1
    return min(row[-1], limit + 1)
