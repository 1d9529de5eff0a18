"""What the options of `af query` say, as the parts of a question.

>>> where(["year>=1993", "year<=1995", "flag=R", "flag=A", "city="],
...       {"T.T.year": "int64", "F.F.flag": "string", "C.C.city": "string"})
{'year': {'from': 1993, 'to': 1995}, 'flag': ['R', 'A'], 'city': [None]}
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Mapping
from typing import Any

from app_framework.cli.failures import CommandError

_FILTER = re.compile(r"(?P<level>[^=!<>]+)(?P<sign>!=|>=|<=|=)(?P<member>.*)", re.DOTALL)
_BOUNDS = {">=": "from", "<=": "to"}


def names(given: Iterable[str]) -> list[str]:
    """Return the names of an option that may be repeated and may hold several.

    >>> names(["a, b", "c"])
    ['a', 'b', 'c']
    """
    return [name.strip() for text in given for name in text.split(",") if name.strip()]


def orders(given: Iterable[str]) -> list[dict[str, Any]]:
    """Return what to sort by.

    >>> orders(["lines:desc,year"])
    [{'by': 'lines', 'descending': True}, {'by': 'year', 'descending': False}]

    Raises:
        CommandError: something else than a direction stands behind a colon.
    """
    found = []
    for name in names(given):
        by, _, direction = name.partition(":")
        if direction not in ("", "asc", "desc"):
            raise CommandError(
                f"--order {name!r}: {direction!r} is no direction.", "Write NAME, NAME:asc or NAME:desc."
            )
        found.append({"by": by, "descending": direction == "desc"})
    return found


def where(given: Iterable[str], types: Mapping[str, str]) -> dict[str, Any]:
    """Return the filters.

    Args:
        given: each ``LEVEL=MEMBER``, or with ``!=``, ``>=`` or ``<=``.
        types: of the levels, by full name.

    Raises:
        CommandError: one has another shape, or a level has filters that do not go together.
    """
    filters: dict[str, Any] = {}
    for text in given:
        found = _FILTER.fullmatch(text)
        if found is None:
            raise CommandError(f"--where {text!r} is no filter.", "Write LEVEL=MEMBER, or with !=, >= or <=.")
        level, sign = found["level"].strip(), found["sign"]
        member = _member(found["member"], _type(level, types))
        filters[level] = _joined(level, filters.get(level), sign, member)
    return filters


def _joined(level: str, before: Any, sign: str, member: Any) -> Any:
    """Add one more filter to those that a level has already."""
    if sign == "=" and isinstance(before, list | None):
        return [*(before or []), member]
    if sign == "!=" and (before is None or (isinstance(before, dict) and "not" in before)):
        return {"not": [*(before["not"] if before else []), member]}
    if sign in _BOUNDS and (before is None or (isinstance(before, dict) and "not" not in before)):
        return {**(before or {}), _BOUNDS[sign]: member}
    raise CommandError(f"--where: the filters of {level!r} do not go together.", "Use =, or !=, or >= with <=.")


def _type(level: str, types: Mapping[str, str]) -> str:
    """Return the type of a level by any of its names; where it is not clear, the node says what is wrong."""
    found = {kind for name, kind in types.items() if name == level or name.endswith(f".{level}")}
    return found.pop() if len(found) == 1 else "string"


def _member(text: str, kind: str) -> Any:
    """Return a member as JSON writes it for a level of a type; a text that cannot be one is left to the node."""
    if not text:
        return None
    if kind == "boolean":
        return {"true": True, "false": False}.get(text.lower(), text)
    with contextlib.suppress(ValueError):
        if kind.startswith(("int", "uint")):
            return int(text)
        if kind in ("double", "float"):
            return float(text)
    return text
