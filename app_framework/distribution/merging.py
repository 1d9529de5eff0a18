"""The outlines of several applications as the definition of one cube over one table that nobody ever fills.

The table has a column for every level, for every sort key, and for everything that is aggregated. The cube over it has
the names, types and formulas of all applications: a question to it is read, checked and planned like one to a cube
with rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from app_framework.database.schema import Table
from app_framework.database.sql import quote
from app_framework.distribution.outline import (
    DimensionOutline,
    HierarchyOutline,
    LevelOutline,
    MeasureOutline,
    Outline,
)
from app_framework.olap.aggregation import AGGREGATIONS
from app_framework.olap.definition import (
    AggregatesDefinition,
    ConfigurationPath,
    CubeDefinition,
    DimensionDefinition,
    HierarchyDefinition,
    LevelDefinition,
    MeasureDefinition,
    OrderDefinition,
)

ROWS = "rows"
"""What the table is called."""


@dataclass(frozen=True, slots=True)
class Merged:
    """What several applications are together.

    Args:
        dimensions, hierarchies, measures: each name once.
    """

    dimensions: Mapping[str, DimensionOutline]
    hierarchies: Mapping[str, HierarchyOutline]
    measures: Mapping[str, MeasureOutline]

    @staticmethod
    def of(outlines: Iterable[Outline]) -> Merged:
        """Return the union of outlines whose equal names mean the same; people see what the first says."""
        dimensions: dict[str, DimensionOutline] = {}
        hierarchies: dict[str, HierarchyOutline] = {}
        measures: dict[str, MeasureOutline] = {}
        for outline in outlines:
            dimensions |= {each.name: each for each in outline.dimensions if each.name not in dimensions}
            hierarchies |= {each.full_name: each for each in outline.hierarchies if each.full_name not in hierarchies}
            measures |= {each.name: each for each in outline.measures if each.name not in measures}
        return Merged(dimensions, hierarchies, measures)


@dataclass(slots=True)
class RowlessCube:
    """A cube over a table without rows.

    Args:
        name: of the cube.
        merged: what it consists of.
        path: where problems with it are told.

    Attributes:
        columns: of the table, with their types.
    """

    name: str
    merged: Merged
    path: ConfigurationPath
    columns: dict[str, str] = field(default_factory=dict)
    _taken: set[str] = field(default_factory=set)

    def definition(
        self, own: Sequence[MeasureDefinition] = (), refused: frozenset[str] = frozenset()
    ) -> CubeDefinition:
        """Return the definition.

        Args:
            own: measures over those of the applications.
            refused: names of others, with which something is wrong.
        """
        self.columns.clear()
        self._taken.clear()
        return CubeDefinition(
            self.name,
            ROWS,
            tuple(self._dimension(each) for each in self.merged.dimensions.values()),
            (*(self._measure(each) for each in self.merged.measures.values()), *own),
            self.path,
            self.path,
            refused=refused,
            aggregates=AggregatesDefinition(automatic=False),
        )

    @property
    def table(self) -> Table:
        """The table, once the definition is known."""
        return Table(ROWS, columns=self.columns or {"nothing": "INTEGER"})

    def _dimension(self, dimension: DimensionOutline) -> DimensionDefinition:
        hierarchies = [each for each in self.merged.hierarchies.values() if each.dimension == dimension.name]
        return DimensionDefinition(
            dimension.name,
            tuple(map(self._hierarchy, hierarchies)),
            self.path,
            dimension.caption,
            dimension.description,
        )

    def _hierarchy(self, hierarchy: HierarchyOutline) -> HierarchyDefinition:
        return HierarchyDefinition(
            hierarchy.name, tuple(self._level(full, level) for full, level in hierarchy.full_names()), self.path,
            hierarchy.slicing, hierarchy.default, hierarchy.caption, hierarchy.description, hierarchy.folder,
            hierarchy.visible,
        )  # fmt: skip

    def _level(self, full_name: str, level: LevelOutline) -> LevelDefinition:
        order, column = None, self._column(full_name, level.type)
        if level.order.key:
            key = self._column(f"{full_name} by", level.order.key)
            order = OrderDefinition(self.path, (), key, level.order.descending)
        elif level.order.listed or level.order.descending:
            order = OrderDefinition(self.path, level.order.listed, None, level.order.descending)
        return LevelDefinition(
            level.name, column, self.path, level.caption, level.description, level.format, level.visible, order
        )

    def _measure(self, measure: MeasureOutline) -> MeasureDefinition:
        argument, options = measure.argument, dict(measure.options)
        if measure.types:
            # What is aggregated is a column each, the first of them the argument and the others what options name.
            argument = self._column(measure.name, measure.types[0])
            for option, kind in zip(AGGREGATIONS[measure.kind].columns, measure.types[1:], strict=True):
                options[option] = self._column(f"{measure.name} {option}", kind)
        return MeasureDefinition(
            measure.name, measure.kind, argument, (*self.path, "measures", measure.name, measure.kind),
            measure.caption, measure.format, measure.description, measure.folder, measure.visible, options,
        )  # fmt: skip

    def _column(self, name: str, kind: str) -> str:
        """Add a column and return it as an expression; SQL does not tell `x` from `X`."""
        while name.casefold() in self._taken:
            name += "'"
        self._taken.add(name.casefold())
        self.columns[name] = kind
        return quote(name)
