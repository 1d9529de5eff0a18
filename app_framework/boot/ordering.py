"""The order of auto-configurations: by id, then ``order``, then what ``before`` and ``after`` ask for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from app_framework.boot.starters import AutoConfiguration
from app_framework.errors import FrameworkError


class AutoConfigurationCycleError(FrameworkError):
    """Auto-configurations ask to come before each other.

    Attributes:
        ids: the cycle, its first id again at the end.
    """

    def __init__(self, ids: Sequence[str]) -> None:
        self.ids = tuple(ids)
        super().__init__(self.ids)

    def __str__(self) -> str:
        return f"auto-configurations ask to come before each other: {' -> '.join(self.ids)}"


def order_auto_configurations(candidates: Iterable[AutoConfiguration]) -> list[AutoConfiguration]:
    """Return the auto-configurations in the order in which they are decided about.

    It is the order of definition, and so of ``on_missing_component``; components are created by dependency.

    Raises:
        AutoConfigurationCycleError: when the wishes contradict each other.
    """
    by_id = {candidate.id: candidate for candidate in candidates}
    names = sorted(by_id, key=lambda name: (by_id[name].mark.order, name))
    earlier = {name: set(by_id[name].mark.after) & by_id.keys() for name in names}
    for name in names:
        for later in by_id[name].mark.before:
            if later in earlier:
                earlier[later].add(name)
    ordered: list[str] = []
    for name in names:
        _visit(name, names, earlier, ordered, [])
    return [by_id[name] for name in ordered]


def _visit(name: str, names: Sequence[str], earlier: dict[str, set[str]], ordered: list[str], path: list[str]) -> None:
    if name in path:
        raise AutoConfigurationCycleError([*path[path.index(name) :], name])
    if name in ordered:
        return
    for before in sorted(earlier[name], key=names.index):
        _visit(before, names, earlier, ordered, [*path, name])
    ordered.append(name)
