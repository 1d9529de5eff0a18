"""Masked members: those that a data cube holds and is not asked for (AA9)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


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
