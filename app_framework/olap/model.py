"""A cube's model: names that mean something, types that are known, SQL that binds; immutable and without a database."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from app_framework.database.promise import Promise
from app_framework.olap.calculation import Lookup
from app_framework.olap.definition import CubeDefinition
from app_framework.olap.dimension import Dimension, Hierarchy, Level
from app_framework.olap.join import JoinTree
from app_framework.olap.measure import CalculatedMeasure, Measure


@dataclass(frozen=True, slots=True)
class Keeping:
    """What is kept so that questions need not read the rows of the base table.

    Args:
        automatic: whether aggregates are chosen by what is asked.
        levels: the aggregates that are kept in any case.
        flat: whether flat facts are kept.
    """

    automatic: bool = True
    levels: tuple[tuple[Level, ...], ...] = ()
    flat: bool = False


@dataclass(frozen=True, slots=True)
class CubeModel:
    """Everything a query may name, and what it stands for.

    Args:
        definition: what it was built from, with what its base table adds to a derived cube.
    """

    name: str
    joins: JoinTree
    dimensions: tuple[Dimension, ...]
    measures: Mapping[str, Measure]
    schema: str | None = None
    caption: str | None = None
    description: str | None = None
    keeping: Keeping = field(default=Keeping(), compare=False)
    definition: CubeDefinition | None = field(default=None, repr=False, compare=False)
    _levels: Mapping[str, tuple[Level, ...]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        by_name: dict[str, tuple[Level, ...]] = {}
        for level in self.levels:
            for name in dict.fromkeys(level.names):
                by_name[name] = (*by_name.get(name, ()), level)
        object.__setattr__(self, "_levels", MappingProxyType(by_name))

    @property
    def hierarchies(self) -> Iterator[Hierarchy]:
        """All hierarchies, in the order of the model."""
        return (hierarchy for dimension in self.dimensions for hierarchy in dimension.hierarchies)

    @property
    def levels(self) -> Iterator[Level]:
        """All levels, in the order of the model."""
        return (level for hierarchy in self.hierarchies for level in hierarchy.levels)

    @property
    def promises(self) -> frozenset[Promise]:
        """What has to be true of the rows for the model to be."""
        orders = (level.order.promise for level in self.levels)
        calculated = (
            measure.calculation for measure in self.measures.values() if isinstance(measure, CalculatedMeasure)
        )
        lookups = (calculation.promise for calculation in calculated if isinstance(calculation, Lookup))
        return frozenset(promise for promise in (*orders, *lookups) if promise is not None)

    @property
    def level_names(self) -> tuple[str, ...]:
        """Every way to name a level, unambiguous or not."""
        return tuple(self._levels)

    def find_levels(self, name: str) -> tuple[Level, ...]:
        """Return the levels that a name may mean: one, none or several."""
        return self._levels.get(name, ())

    def find_hierarchies(self, name: str) -> tuple[Hierarchy, ...]:
        """Return the hierarchies that ``Hierarchy`` or ``Dimension.Hierarchy`` may mean."""
        return tuple(h for h in self.hierarchies if name in (h.name, h.full_name))

    def hierarchy_of(self, level: Level) -> Hierarchy:
        """Return the hierarchy that a level of this model belongs to."""
        return next(h for h in self.hierarchies if (h.dimension, h.name) == (level.dimension, level.hierarchy))

    def __repr__(self) -> str:
        return f"<CubeModel {self.name!r} {len(list(self.hierarchies))} hierarchies, {len(self.measures)} measures>"
