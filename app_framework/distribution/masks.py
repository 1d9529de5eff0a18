"""Masked members: those that a data cube holds and is not asked for (AA9)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from app_framework.olap.errors import QueryError, QueryProblem
from app_framework.olap.names import NameReader

if TYPE_CHECKING:
    from app_framework.olap.model import CubeModel

Masks = Mapping[str, frozenset[object]]


@dataclass(frozen=True, slots=True)
class MaskReport:
    """Who knows of a change of masks: rows may be dropped once everybody does.

    Args:
        version: of the masks, which every change makes one larger.
        acknowledged: the query cubes, ``name@node``, that route by it and whose earlier questions have ended.
        failures: of each other query cube that was to know, why it is not known that it does.
    """

    version: int
    acknowledged: tuple[str, ...] = ()
    failures: Mapping[str, str] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether every query cube knows."""
        return not self.failures


def changed_masks(
    model: CubeModel, level: str, mask: Sequence[object], unmask: Sequence[object]
) -> Callable[[Masks], dict[str, frozenset[object]]]:
    """Return what makes of masks those with some more members and without others.

    Args:
        model: of the data cube, as query cubes see it.
        level: whose members are meant.
        mask: members that are masked from now on.
        unmask: members that are not any more.

    Raises:
        QueryError: there is no such level, or it cannot have such members.
    """
    problems: list[QueryProblem] = []
    names = NameReader(model, lambda *parts: problems.append(QueryProblem(*parts)))
    found = names.level("level", level)
    if found is None:
        raise QueryError.of(problems)
    added = frozenset(names.member(f"mask[{i}]", member, found) for i, member in enumerate(mask))
    removed = frozenset(names.member(f"unmask[{i}]", member, found) for i, member in enumerate(unmask))
    if problems:
        raise QueryError.of(problems)
    name = found.full_name

    def change(masks: Masks) -> dict[str, frozenset[object]]:
        changed = {**masks, name: (masks.get(name, frozenset()) - removed) | added}
        return {each: members for each, members in changed.items() if members}

    return change
