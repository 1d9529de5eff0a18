"""The members of a level with a code each, in the order of the level; and what conditions on rows keep of them.

A condition keeps what its SQL keeps (`where.py`): a member is one of a filter's or is not, nothing is kept only where
it is asked for, and what the level's type cannot hold is no member.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from app_framework.olap.condition import FirstMember, Predicate
from app_framework.olap.dimension import Level
from app_framework.olap.filter import Between, In, NotIn, StartsWith
from app_framework.olap.ordering import NATURAL

Codes: TypeAlias = NDArray[np.intp]


class Axis:
    """One axis of a tile.

    Args:
        level: whose members it has.
        members: all that rows have, in the order of the level; None, the missing one, is last.
        backwards: the same in the order of the level from its last member to its first; None is last as well.

    Raises:
        ValueError: a member is there twice.
    """

    def __init__(self, level: Level, members: Sequence[object], backwards: Sequence[object]) -> None:
        self.level = level
        self.members = tuple(members)
        self.code_of = {member: code for code, member in enumerate(members)}
        if len(self.code_of) < len(self.members):
            raise ValueError(f"members of {level.full_name} look the same")
        # The value of what is rolled up stands behind the last code, where -1 finds it.
        self._values = np.array([*members, None], dtype=object)
        self._places = np.empty(len(members) + 1, dtype=np.intp)
        self._places[[self.code_of[member] for member in backwards]] = np.arange(len(members))
        self._places[-1] = len(members)
        self._sorted = level.order == NATURAL and not level.type.sql.upper().startswith("ENUM")

    def __len__(self) -> int:
        return len(self.members)

    @property
    def null_code(self) -> int | None:
        """The code of the missing member, None where every row has one."""
        return self.code_of.get(None)

    def values(self, codes: Codes) -> list[object]:
        """Return the members of these codes; -1 is what is rolled up."""
        return cast("list[object]", self._values[codes].tolist())

    def places(self, codes: Codes, *, descending: bool) -> Codes:
        """Return numbers that sort as the members of these codes do: nothing is last in both directions."""
        return self._places[codes] if descending else np.where(codes < 0, len(self.members), codes)

    def first(self) -> list[int]:
        """Return the code of the first member, no code where there are no rows."""
        return [0] if self.members else []

    def kept(self, condition: Predicate | FirstMember) -> list[int]:
        """Return the codes of the members that a condition keeps, in their order."""
        if isinstance(condition, FirstMember):
            return self.first()
        filter_ = condition.filter
        if isinstance(filter_, In):
            return self.codes(filter_.members)
        if isinstance(filter_, NotIn):
            without = {*self.codes(member for member in filter_.members if member is not None)}
            if None in filter_.members and self.null_code is not None:
                without.add(self.null_code)
            return [code for code in range(len(self)) if code not in without]
        return self._beginning(filter_.prefix) if isinstance(filter_, StartsWith) else self._between(filter_)

    def codes(self, members: Iterable[object]) -> list[int]:
        """Return the codes of those of these members that rows have, in their order."""
        return sorted({code for member in members if (code := self.code_of.get(member)) is not None})

    def _known(self) -> Sequence[object]:
        return self.members[:-1] if self.null_code is not None else self.members

    def _beginning(self, prefix: str) -> list[int]:
        return [code for code, member in enumerate(self._known()) if str(member).startswith(prefix)]

    def _between(self, bounds: Between) -> list[int]:
        known: Sequence[Any] = self._known()
        if not self._sorted:
            return [code for code, member in enumerate(known) if _within(member, bounds)]
        low = 0 if bounds.low is None else bisect_left(known, bounds.low)
        high = len(known) if bounds.high is None else bisect_right(known, bounds.high)
        return [*range(low, high)]

    def __repr__(self) -> str:
        return f"<Axis {self.level.full_name} {len(self)} members>"


def _within(member: object, bounds: Between) -> bool:
    above = bounds.low is None or member >= bounds.low  # type: ignore[operator]
    return bool(above and (bounds.high is None or member <= bounds.high))  # type: ignore[operator]
