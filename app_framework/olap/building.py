"""From definitions to models: names are looked up, expressions read and typed, and every problem of every cube kept."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from types import MappingProxyType

from app_framework.database import Database
from app_framework.database.datatype import BIGINT, VARCHAR, DataType
from app_framework.database.expression import Expression
from app_framework.errors import near_matches
from app_framework.olap.aggregation import AGGREGATIONS, Aggregations, Argument
from app_framework.olap.calculations import CalculationBuilder
from app_framework.olap.definition import (
    ConfigurationPath,
    CubeDefinition,
    DimensionDefinition,
    HierarchyDefinition,
    LevelDefinition,
    MeasureDefinition,
)
from app_framework.olap.dimension import Dimension, Hierarchy, Level
from app_framework.olap.expressions import ExpressionReader
from app_framework.olap.formula import FormulaBuilder
from app_framework.olap.join import TABLES_MAX, JoinTree, Path
from app_framework.olap.measure import AggregateMeasure, Measure
from app_framework.olap.member import MemberError, parse_member
from app_framework.olap.model import CubeModel

RESERVED = "grouping"
"""The name of the last column of Arrow and CSV answers."""


class ModelBuilder:
    """Builds the models of cubes over one database.

    Attributes:
        problems: everything wrong with all cubes so far; a model built beside a problem must not be used.
    """

    def __init__(self, database: Database, aggregations: Aggregations = AGGREGATIONS) -> None:
        self._database = database
        self._aggregations = aggregations
        self._reader = ExpressionReader(database)
        self.problems = self._reader.problems

    def build(self, cubes: Iterable[CubeDefinition]) -> list[CubeModel]:
        """Return the models of all cubes that could be looked at."""
        built: list[CubeModel] = []
        names: set[str] = set()
        for cube in cubes:
            if cube.name in names:
                text = f"there are two cubes called {cube.name!r}; a cube's name is unique in the application."
                self._reader.add(cube.path, "DUPLICATE_CUBE", text, of_key=True)
            names.add(cube.name)
            if cube.base in self._database.tables:
                built.append(_CubeBuilder(cube, self._database, self._aggregations, self._reader).build())
            else:
                near = near_matches(cube.base, self._database.tables)
                text = f"there is no table {cube.base!r}."
                self._reader.add(cube.base_path, "UNKNOWN_TABLE", text, near, word=cube.base)
        return built


class _CubeBuilder:
    """One cube on its way to a model."""

    def __init__(
        self,
        cube: CubeDefinition,
        database: Database,
        aggregations: Aggregations,
        reader: ExpressionReader,
    ) -> None:
        self._cube = cube
        self._joins = JoinTree(database.tables[cube.base], database.tables, database.references)
        self._aggregations = aggregations
        self._reader = reader

    def build(self) -> CubeModel:
        cube = self._cube
        if len(self._joins.joins) >= TABLES_MAX:
            text = f"more than {TABLES_MAX:,} ways of references lead away from table {cube.base!r}."
            self._reader.add(cube.base_path, "TOO_MANY_REFERENCES", text)
        dimensions = tuple(self._dimension(dimension) for dimension in cube.dimensions)
        outline = CubeModel(
            cube.name, self._joins, dimensions, MappingProxyType({}), cube.schema, cube.caption, cube.description
        )
        measures = self._measures(outline)
        self._check_names()
        return replace(outline, measures=MappingProxyType(measures))

    def _dimension(self, dimension: DimensionDefinition) -> Dimension:
        hierarchies = tuple(self._hierarchy(hierarchy, dimension) for hierarchy in dimension.hierarchies)
        return Dimension(dimension.name, hierarchies, dimension.caption, dimension.description)

    def _hierarchy(self, hierarchy: HierarchyDefinition, dimension: DimensionDefinition) -> Hierarchy:
        levels: dict[str, Level] = {}
        for definition in hierarchy.levels:
            if definition.name in levels:
                text = f"hierarchy {dimension.name}.{hierarchy.name} has two levels called {definition.name!r}."
                self._reader.add(definition.path, "DUPLICATE_LEVEL", text)
            elif level := self._level(definition, hierarchy, dimension, len(levels)):
                levels[level.name] = level
        return Hierarchy(
            hierarchy.name,
            dimension.name,
            tuple(levels.values()),
            hierarchy.slicing,
            self._default(hierarchy, tuple(levels.values())),
            hierarchy.caption,
            hierarchy.description,
            hierarchy.folder,
        )

    def _default(self, hierarchy: HierarchyDefinition, levels: Sequence[Level]) -> object:
        if hierarchy.default is None or not levels:
            return None
        try:
            return parse_member(hierarchy.default, levels[0].type)
        except MemberError as error:
            self._reader.add((*hierarchy.path, "default"), "INVALID_MEMBER", f"{error}.")
            return None

    def _level(
        self,
        definition: LevelDefinition,
        hierarchy: HierarchyDefinition,
        dimension: DimensionDefinition,
        ordinal: int,
    ) -> Level | None:
        read = self._reader.read(definition.text, self._joins.resolve, definition.path)
        bound = read and self._bind(read, definition.path)
        if not read or not bound:
            return None
        sql, kind = bound
        if not read.names:
            self._reader.add(definition.path, "COLUMN_REQUIRED", f"level {definition.name!r} reads no column.")
            return None
        if kind.family == "other":
            text = f"a level cannot have members of type {kind.name}; take a part of it."
            self._reader.add(definition.path, "TYPE_MISMATCH", text)
            return None
        if kind.sql.upper().startswith("ENUM"):
            sql, kind = f"CAST({sql} AS VARCHAR)", VARCHAR
        return Level(
            definition.name,
            dimension.name,
            hierarchy.name,
            ordinal,
            kind,
            sql,
            _paths(read),
            read,
            definition.caption,
            definition.description,
        )

    def _measures(self, outline: CubeModel) -> dict[str, Measure]:
        """Build the aggregates, then the formulas and calculations over them; in the order of the model."""
        measures: dict[str, Measure] = {}
        for definition in self._cube.measures:
            if definition.kind in self._aggregations and (aggregate := self._aggregate(definition)) is not None:
                measures[definition.name] = aggregate
        calculations = CalculationBuilder(self._cube, outline, self._aggregations, self._reader)
        FormulaBuilder(self._cube, measures, self._reader, calculations).build_all()
        return {d.name: measures[d.name] for d in self._cube.measures if d.name in measures}

    def _aggregate(self, definition: MeasureDefinition) -> AggregateMeasure | None:
        aggregation = self._aggregations[definition.kind]
        if definition.argument.strip() == "*":
            if definition.kind == "count":
                return self._aggregate_measure(definition, BIGINT)
            text = f"{definition.kind} needs a column; only `count` counts rows with `*`."
            self._reader.add(definition.path, "COLUMN_REQUIRED", text)
            return None
        own = self._row_value(definition.argument, definition.path)
        others = [
            self._row_value(str(definition.options[key]), (*definition.path[:-1], key)) for key in aggregation.columns
        ]
        if own is None:
            return None
        result = aggregation.result(own[0].type)
        if result is None:
            text = f"{definition.kind} needs {aggregation.needs}; {definition.argument} is {own[0].type.name}."
            self._reader.add(definition.path, "TYPE_MISMATCH", text)
            return None
        values = [own, *(other for other in others if other is not None)]
        return self._aggregate_measure(definition, result, values) if len(values) > len(aggregation.columns) else None

    def _row_value(self, text: str, path: ConfigurationPath) -> tuple[Argument, frozenset[Path]] | None:
        """Read an expression over a row, with the tables it needs."""
        read = self._reader.read(text, self._joins.resolve, path)
        bound = read and self._bind(read, path)
        return (Argument(*bound), _paths(read)) if read and bound else None

    def _aggregate_measure(
        self,
        definition: MeasureDefinition,
        kind: DataType,
        values: Sequence[tuple[Argument, frozenset[Path]]] = (),
    ) -> AggregateMeasure:
        aggregation = self._aggregations[definition.kind]
        return AggregateMeasure(
            definition.name, definition.kind, definition.text, kind, aggregation.partial, aggregation.parts,
            definition.caption, definition.format, definition.description, definition.folder, definition.visible,
            aggregation=aggregation,
            arguments=tuple(argument for argument, _ in values),
            fractions=tuple(float(str(definition.options[key])) for key in aggregation.fractions),
            joins=frozenset(path for _, paths in values for path in paths),
        )  # fmt: skip

    def _bind(self, read: Expression, path: ConfigurationPath) -> tuple[str, DataType] | None:
        """Return an expression's SQL and type: of a plain column what its table says, else what the engine finds."""
        if read.tree.get("class") == "COLUMN_REF":
            table, column = next(key for key in read.names if isinstance(key, tuple))
            return read.sql, self._joins.joins[table].table.columns[column].type
        source = f"FROM {self._joins.from_clause(self._joins.needed(_paths(read)))}"
        return self._reader.bind(read, source, path)

    def _check_names(self) -> None:
        levels = {
            level.name: level.path
            for dimension in self._cube.dimensions
            for hierarchy in dimension.hierarchies
            for level in hierarchy.levels
        }
        measures = {measure.name: measure.path[:-1] for measure in self._cube.measures}
        known = {name.lower(): name for name in levels}
        for name, path in measures.items():
            other = known.setdefault(name.lower(), name)
            if name in levels:
                text = f"{name!r} is a level and a measure; answers could not tell them apart."
                self._reader.add(path, "DUPLICATE_NAME", text, of_key=True)
            elif other != name:
                text = f"{name!r} and {other!r} differ in nothing but case, and columns of the engine do not."
                self._reader.add(path, "DUPLICATE_NAME", text, of_key=True)
        for name, path in [*levels.items(), *measures.items()]:
            if name == RESERVED or not name.strip():
                text = f"nothing can be called {name!r}: answers have a column of that name."
                self._reader.add(path, "RESERVED_NAME", text, of_key=True)


def _paths(read: Expression) -> frozenset[Path]:
    """Return the paths of the tables whose columns an expression uses."""
    return frozenset(key[0] for key in read.names if isinstance(key, tuple))
