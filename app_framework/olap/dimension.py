"""Dimensions, hierarchies and levels: the ways along which a cube is cut."""

from __future__ import annotations

from dataclasses import dataclass

from app_framework.database.datatype import DataType
from app_framework.database.expression import Expression
from app_framework.olap.join import Path
from app_framework.olap.ordering import NATURAL, LevelOrder


@dataclass(frozen=True, slots=True)
class Level:
    """A step of a hierarchy; its members are the values of one expression over a row and its references.

    Args:
        name: unique in its hierarchy.
        sql: the expression, qualified by the aliases of the join tree.
        joins: the paths of the tables it needs.
        type: the type of its members, kept to the answer.
        format: how a person wants to see its members.
        visible: whether browsers offer it; it can be asked for in any case.
        order: in which order its members stand.
    """

    name: str
    dimension: str
    hierarchy: str
    ordinal: int
    type: DataType
    sql: str
    joins: frozenset[Path]
    expression: Expression
    caption: str | None = None
    description: str | None = None
    format: str | None = None
    visible: bool = True
    order: LevelOrder = NATURAL

    @property
    def full_name(self) -> str:
        """Dimension, hierarchy and level: a name that is never ambiguous."""
        return f"{self.dimension}.{self.hierarchy}.{self.name}"

    @property
    def names(self) -> tuple[str, str, str]:
        """The names a query may use, the shortest first."""
        return self.name, f"{self.hierarchy}.{self.name}", self.full_name

    def __repr__(self) -> str:
        return f"<Level {self.full_name} {self.type}>"


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """Levels from coarse to fine.

    Args:
        slicing: whether rows of different members of the first level must never be added up; a query that does
            not name such a hierarchy reads its default member.
        default: the default member of a slicing hierarchy, None for the first in order.
        visible: whether browsers offer it; it can be asked for in any case.
    """

    name: str
    dimension: str
    levels: tuple[Level, ...]
    slicing: bool = False
    default: object = None
    caption: str | None = None
    description: str | None = None
    folder: str | None = None
    visible: bool = True

    @property
    def full_name(self) -> str:
        """Dimension and hierarchy."""
        return f"{self.dimension}.{self.name}"

    def __repr__(self) -> str:
        return f"<Hierarchy {self.full_name}: {' > '.join(level.name for level in self.levels)}>"


@dataclass(frozen=True, slots=True)
class Dimension:
    """Hierarchies that look at the same thing."""

    name: str
    hierarchies: tuple[Hierarchy, ...]
    caption: str | None = None
    description: str | None = None

    def __repr__(self) -> str:
        return f"<Dimension {self.name}: {', '.join(h.name for h in self.hierarchies)}>"


def place_of(level: Level) -> tuple[str, str]:
    """Return the dimension and hierarchy that a level belongs to."""
    return level.dimension, level.hierarchy
