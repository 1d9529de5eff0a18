"""A cube from a table, to start from: keys and text become levels, dates date hierarchies, numbers sums and means."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

from app_framework.database.schema import Column, Reference, TableSchema
from app_framework.database.sql import quote
from app_framework.olap.calendar import PARTS, STANDARD
from app_framework.olap.definition import (
    ConfigurationPath,
    CubeDefinition,
    DimensionDefinition,
    HierarchyDefinition,
    LevelDefinition,
    MeasureDefinition,
)

COUNT = "count"
AGGREGATIONS = ("sum", "avg")
RESERVED = "grouping"
_DATES = ("date", "timestamp", "zoned")
_PLAIN = re.compile(r"(?!(?:true|false|null)\Z)[^\W\d]\w*", re.IGNORECASE)


def derive_cube(cube: CubeDefinition, table: TableSchema, references: Iterable[Reference]) -> CubeDefinition:
    """Return a cube with what its base table adds to it; what the model declares beside wins.

    A column that a level or a date hierarchy reads already is not derived again, and every derived name means one
    thing in the cube: of two dates the levels are called ``ordered_year`` and ``shipped_year``.
    """
    keys = {column for reference in references if reference.source == table.name for column in reference.source_columns}
    return _Derivation(cube, table, keys | set(table.key)).cube()


@dataclass(frozen=True, slots=True)
class _Derivation:
    """One table on its way to a cube.

    Args:
        keys: its columns that tell rows apart or lead to other tables: they are not added up, whatever their type.
    """

    explicit: CubeDefinition
    table: TableSchema
    keys: set[str]

    def cube(self) -> CubeDefinition:
        measures = self._measures()
        return replace(
            self.explicit,
            dimensions=(*self.explicit.dimensions, *self._dimensions({measure.name for measure in measures})),
            measures=(*self.explicit.measures, *measures),
            auto=False,
        )

    @property
    def path(self) -> ConfigurationPath:
        return self.explicit.path

    def _measures(self) -> list[MeasureDefinition]:
        """Return the sum and mean of each number, and the count of rows, as far as they are not declared."""
        found = [(COUNT, "count", "*")]
        for column in self.table.columns.values():
            if column.type.numeric and column.name not in self.keys:
                found += [(f"{column.name}.{kind}", kind, _written(column.name)) for kind in AGGREGATIONS]
        declared = {name.casefold() for name in self._explicit_measures()}
        levels = {name.casefold() for name in self._explicit_levels()}
        return [
            MeasureDefinition(self._unlike(name, levels, "."), kind, argument, self.path)
            for name, kind, argument in found
            if name.casefold() not in declared
        ]

    def _dimensions(self, measures: set[str]) -> list[DimensionDefinition]:
        """Return a dimension for each column that is no number and that no declared level reads."""
        columns = [column for column in self.table.columns.values() if self._is_level(column)]
        taken = {
            name.casefold() for name in (*measures, *self._explicit_levels(), *self._explicit_measures(), RESERVED)
        }
        names = {column.name: self._unlike(column.name, taken, "_") for column in columns}
        dates = [column.name for column in columns if column.type.family in _DATES]
        wanted = Counter([*taken, *(name.casefold() for name in names.values()), *(STANDARD * len(dates))])
        parts = {
            date: {
                part: part if wanted[part] == 1 else self._unlike(f"{date}_{part}", set(wanted), "_")
                for part in STANDARD
            }
            for date in dates
        }
        return [self._dimension(column, names[column.name], parts.get(column.name)) for column in columns]

    def _dimension(self, column: Column, name: str, parts: dict[str, str] | None) -> DimensionDefinition:
        """Return the dimension of a column: of a date its parts, then the date itself."""
        text = _written(column.name)
        date = None if parts is None else text
        levels = [PARTS[part].level(level, text, self.path) for part, level in (parts or {}).items()]
        levels.append(LevelDefinition(name, text, self.path))
        hierarchy = HierarchyDefinition(column.name, tuple(levels), self.path, date=date)
        return DimensionDefinition(column.name, (hierarchy,), self.path)

    def _is_level(self, column: Column) -> bool:
        if column.type.family in ("array", "other") or (column.type.numeric and column.name not in self.keys):
            return False
        dimensions = self.explicit.dimensions
        hierarchies = [hierarchy for dimension in dimensions for hierarchy in dimension.hierarchies]
        read = {level.text for hierarchy in hierarchies for level in hierarchy.levels}
        read |= {hierarchy.date for hierarchy in hierarchies if hierarchy.date}
        named = {dimension.name for dimension in dimensions} | set(self._explicit_levels())
        spellings = {_written(column.name), f"{self.table.name}.{column.name}"}
        return column.name not in named and not spellings & read

    def _explicit_levels(self) -> Iterable[str]:
        return [
            level.name
            for dimension in self.explicit.dimensions
            for hierarchy in dimension.hierarchies
            for level in hierarchy.levels
        ]

    def _explicit_measures(self) -> Iterable[str]:
        return [measure.name for measure in self.explicit.measures] + [*self.explicit.refused]

    def _unlike(self, name: str, taken: set[str], link: str) -> str:
        """Return a name that is not taken: with its table's before it where it is."""
        while name.casefold() in taken:
            name = f"{self.table.name}{link}{name}"
        return name


def _written(column: str) -> str:
    """Return a column as an expression writes it."""
    return column if _PLAIN.fullmatch(column) else quote(column)
