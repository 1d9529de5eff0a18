"""The order of a level's members: that of their values, or another that the model asks for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from app_framework.database.datatype import DataType
from app_framework.database.promise import Promise
from app_framework.database.sql import literal
from app_framework.olap.join import Path
from app_framework.olap.member import member_text


@dataclass(frozen=True, slots=True)
class LevelOrder:
    """How members are sorted; in whichever order, nothing comes last.

    Args:
        listed: SQL of an array of the members that come first.
        length: how many they are.
        key: SQL, over the tables of `joins`, of what is sorted by instead of the member; one per member.
        text: the key as written.
        descending: whether the largest comes first.
        promise: what has to be true of the rows for it: each member has one key.
        type: the type of the key.

    >>> NATURAL.terms('"city"')
    ['"city" NULLS LAST']
    >>> LevelOrder(key="n", text="n", descending=True).terms('"city"', '"#order 0"')
    ['"#order 0" DESC NULLS LAST', '"city" NULLS LAST']
    """

    listed: str = ""
    length: int = 0
    key: str = ""
    text: str = ""
    joins: frozenset[Path] = frozenset()
    descending: bool = False
    promise: Promise | None = field(default=None, compare=False, repr=False)
    type: DataType | None = field(default=None, compare=False, repr=False)

    def terms(self, member: str, key: str = "", *, reverse: bool = False) -> list[str]:
        """Return what stands after ORDER BY.

        Args:
            member: SQL of the member, usually a column.
            key: SQL of its sort key, where the order has one; null for a missing member.
            reverse: sort from the last member to the first.
        """
        way = _way(descending=self.descending != reverse)
        if self.key:
            return [f"{key}{way}", f"{member}{_way(descending=reverse)}"]
        if self.listed:
            place = f"coalesce(list_position({self.listed}, {member}), {self.length + 1})"
            return [f"CASE WHEN {member} IS NOT NULL THEN {place} END{way}", f"{member}{way}"]
        return [f"{member}{way}"]

    def row_key(self, member: str) -> str:
        """Return the sort key as SQL over a row: null where there is no member."""
        return f"CASE WHEN {member} IS NOT NULL THEN {self.key} END"

    def told(self, name: str) -> str:
        """Return the order of a level as a plan shows it."""
        way = " descending" if self.descending else ""
        return f"{name} by {self.text}{way}" if self.key else f"{name} as listed" if self.listed else f"{name}{way}"


NATURAL = LevelOrder()
"""Numbers and times from the least, text by code point."""


def listed_first(members: Iterable[object], kind: DataType) -> LevelOrder:
    """Return the order in which these members of a level of type `kind` come first."""
    texts = [literal(member_text(member)) for member in members]
    return LevelOrder(listed=f"CAST([{', '.join(texts)}] AS {kind.sql}[])", length=len(texts))


def _way(*, descending: bool) -> str:
    return " DESC NULLS LAST" if descending else " NULLS LAST"
