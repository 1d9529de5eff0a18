"""Whether a version fits a range such as ``>=0.1,<0.2``.

The ranges that starters write are compared here; `packaging`, which knows every other one, takes as long to import as
all starters together take to be found, and so is only asked when it is needed.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from itertools import zip_longest

_CLAUSE = re.compile(r"\s*(>=|<=|<|>)\s*(\d+(?:\.\d+)*)\s*")
_RELEASE = re.compile(r"\d+(?:\.\d+)*")
_COMPARE: dict[str, Callable[[tuple[int, ...], tuple[int, ...]], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "<": operator.lt,
    ">": operator.gt,
}


def is_in_range(version: str, range_: str) -> bool:
    """Tell whether a version fits a range; an empty range fits every version.

    >>> is_in_range("0.1.3", ">=0.1,<0.2"), is_in_range("0.2.0", ">=0.1,<0.2"), is_in_range("1.10", ">1.9")
    (True, False, True)
    """
    clauses = [_CLAUSE.fullmatch(clause) for clause in range_.split(",")] if range_ else []
    if not _RELEASE.fullmatch(version) or None in clauses:
        from packaging.specifiers import SpecifierSet

        return SpecifierSet(range_).contains(version, prereleases=True)
    return all(_COMPARE[each[1]](*_aligned(version, each[2])) for each in clauses if each)


def _aligned(one: str, other: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return two releases with as many numbers: 1.0 is 1.0.0."""
    pairs = list(zip_longest(map(int, one.split(".")), map(int, other.split(".")), fillvalue=0))
    return tuple(pair[0] for pair in pairs), tuple(pair[1] for pair in pairs)
