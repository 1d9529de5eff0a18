"""What of a question one application can answer: its frames by the levels and measures that the application has.

A value of an application has no place along a hierarchy that the application does not have. Either it repeats at each
member, and then filters on the hierarchy say nothing of it; or it stands where the hierarchy is rolled up, and a filter
on the hierarchy leaves it out. Rows of a slicing hierarchy are never added up, so there the default member stands for
what is rolled up.

| replication | along other hierarchies | along slicing hierarchies |
| ----------- | ----------------------- | ------------------------- |
| always      | repeats                 | repeats                   |
| on-slicer   | rolled up               | repeats                   |
| never       | rolled up               | at the default member     |
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from app_framework.olap.condition import AnyPath, Condition, Predicate, Slice, levels_of
from app_framework.olap.dimension import Hierarchy, Level
from app_framework.olap.filter import Between, In, NotIn
from app_framework.olap.frames import Frame
from app_framework.olap.model import CubeModel
from app_framework.olap.partial.question import PartialFrame, Restriction
from app_framework.olap.partial.splitting import Split, contexts_of

Replication = Literal["on-slicer", "always", "never"]
Default = Callable[[Hierarchy], object]
"""Finds the default member of a slicing hierarchy."""


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What an application has, and where its values stand along what it has not.

    Args:
        levels: the full names of its levels.
        measures: the names of its measures.
        replication: whether its values repeat.
    """

    levels: frozenset[str]
    measures: frozenset[str]
    replication: Replication = "on-slicer"

    def has(self, level: Level) -> bool:
        """Whether it has a level."""
        return level.full_name in self.levels

    def repeats(self, hierarchy: Hierarchy) -> bool:
        """Whether its values stand at every member of a hierarchy that it does not have."""
        return self.replication == "always" or (self.replication == "on-slicer" and hierarchy.slicing)


def project(split: Split, model: CubeModel, knowledge: Knowledge, default: Default) -> tuple[PartialFrame | None, ...]:
    """Return what an application is asked of each frame of a split; None where it has nothing to say.

    Args:
        split: of a question.
        model: of all applications together.
        knowledge: what this one has.
        default: finds the default member of a slicing hierarchy.
    """
    projector = _Projector(split, model, knowledge, default)
    return tuple(projector.projected(frame, asked) for frame, asked in split.frames.items())


class _Projector:
    def __init__(self, split: Split, model: CubeModel, knowledge: Knowledge, default: Default) -> None:
        self._plan = split.plan
        self._model = model
        self._knowledge = knowledge
        self._default = default

    def projected(self, frame: Frame, asked: PartialFrame) -> PartialFrame | None:
        levels = [key.level for key in frame.keys]
        known = [self._knowledge.has(level) for level in levels]
        conditions = () if frame.everything else self._plan.conditions
        if not self._passes(conditions) or (not asked.cells and not all(known)):
            return None
        contexts = [*contexts_of(self._plan, frame)]
        passing = [self._passes(context) for context in contexts]
        cells = [c for c in asked.cells if c.measure in self._knowledge.measures and passing[c.context]]
        if asked.cells and not cells:
            return None
        return replace(
            asked,
            levels=tuple(name for name, has in zip(asked.levels, known, strict=True) if has),
            where=self._kept(conditions, asked.where),
            contexts=tuple(map(self._kept, contexts, asked.contexts)),
            cells=tuple(cells),
        )

    def _kept(self, conditions: Sequence[Condition], restrictions: Sequence[Restriction]) -> tuple[Restriction, ...]:
        """Return the restrictions on levels that it has; what the others say of it is known already."""
        return tuple(r for c, r in zip(conditions, restrictions, strict=True) if self._has_all(c))

    def _passes(self, conditions: Iterable[Condition]) -> bool:
        """Return whether conditions on what it does not have leave it in."""
        return all(self._has_all(condition) or self._stands_in(condition) for condition in conditions)

    def _has_all(self, condition: Condition) -> bool:
        return all(map(self._knowledge.has, read_by(condition)))

    def _stands_in(self, condition: Condition) -> bool:
        hierarchy = self._model.hierarchy_of(read_by(condition)[0])
        if self._knowledge.repeats(hierarchy):
            return True
        return hierarchy.slicing and _selects(condition, hierarchy, self._default(hierarchy))


def read_by(condition: Condition) -> tuple[Level, ...]:
    """Return the levels that a condition reads: of paths, as many as the longest has."""
    if isinstance(condition, AnyPath):
        longest = max(map(len, condition.paths), default=1)
        return condition.levels[: max(longest, 1)]
    return levels_of(condition)


def _selects(condition: Condition, hierarchy: Hierarchy, member: object) -> bool:
    """Return whether a condition on the first level of a hierarchy keeps one of its members."""
    if isinstance(condition, Slice):
        return _selects(condition.default, hierarchy, member)
    if isinstance(condition, AnyPath):
        return any(path[0] == member for path in condition.paths)
    if not isinstance(condition, Predicate) or condition.level.full_name != hierarchy.levels[0].full_name:
        return False
    wanted = condition.filter
    if isinstance(wanted, In | NotIn):
        return (member in wanted.members) == isinstance(wanted, In)
    if isinstance(wanted, Between):
        return _is_between(member, wanted)
    return isinstance(member, str) and member.startswith(wanted.prefix)


def _is_between(member: Any, bounds: Between) -> bool:
    """Return whether a member is within bounds of its own type; none is not."""
    low: Any = bounds.low
    high: Any = bounds.high
    return member is not None and (low is None or member >= low) and (high is None or member <= high)
