"""From definitions to models: names are looked up, expressions read and typed, and every problem of every cube kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from app_framework.database.datatype import BIGINT, DataType
from app_framework.errors import near_matches
from app_framework.olap.aggregation import AGGREGATIONS, Aggregations, Argument
from app_framework.olap.calculations import CalculationBuilder
from app_framework.olap.definition import ConfigurationPath, CubeDefinition, MeasureDefinition
from app_framework.olap.dimension import Level
from app_framework.olap.dimension_building import DimensionBuilder
from app_framework.olap.expressions import ExpressionReader, RowReader
from app_framework.olap.formula import FormulaBuilder
from app_framework.olap.join import TABLES_MAX, JoinTree, Path
from app_framework.olap.measure import AggregateMeasure, Measure
from app_framework.olap.model import CubeModel, Keeping
from app_framework.olap.names import NameReader

if TYPE_CHECKING:
    from app_framework.database import Database, Reference, TableSchema

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
            if table := self._database.tables.get(cube.base):
                whole = _derived(cube, table, self._database.references) if cube.auto else cube
                built.append(_CubeBuilder(whole, self._database, self._aggregations, self._reader).build())
            else:
                near = near_matches(cube.base, self._database.tables)
                text = f"there is no table {cube.base!r}."
                self._reader.add(cube.base_path, "UNKNOWN_TABLE", text, near, word=cube.base)
        return built


def _derived(cube: CubeDefinition, table: TableSchema, references: Sequence[Reference]) -> CubeDefinition:
    from app_framework.olap.deriving import derive_cube  # few models ask for it

    return derive_cube(cube, table, references)


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
        self._rows = RowReader(reader, self._joins)
        self._dimensions = DimensionBuilder(database, self._joins, reader)
        self._database = database

    def build(self) -> CubeModel:
        cube = self._cube
        if len(self._joins.joins) >= TABLES_MAX:
            text = f"more than {TABLES_MAX:,} ways of references lead away from table {cube.base!r}."
            self._reader.add(cube.base_path, "TOO_MANY_REFERENCES", text)
        dimensions = tuple(self._dimensions.build(dimension) for dimension in cube.dimensions)
        outline = CubeModel(
            cube.name, self._joins, dimensions, MappingProxyType({}), cube.schema, cube.caption, cube.description
        )
        measures = self._measures(outline)
        self._check_names()
        for definition in cube.measures:
            if definition.name in measures:
                path = (*definition.path[:-1], "format")
                self._reader.check_format(definition.format, measures[definition.name].type, path)
        keeping = self._keeping(outline)
        return replace(outline, measures=MappingProxyType(measures), keeping=keeping, definition=cube)

    def _keeping(self, outline: CubeModel) -> Keeping:
        aggregates = self._cube.aggregates
        kept: list[tuple[Level, ...]] = []
        for position, names in enumerate(aggregates.levels):
            found = [self._level(outline, name, (*aggregates.path, position, i)) for i, name in enumerate(names)]
            kept.append(tuple(dict.fromkeys(level for level in found if level is not None)))
        return Keeping(aggregates.automatic, tuple(kept), self._cube.flat)

    def _level(self, outline: CubeModel, name: str, path: ConfigurationPath) -> Level | None:
        def refuse(code: str, _: str, text: str, near: tuple[str, ...]) -> None:
            self._reader.add(path, code, text, near, word=name)

        return NameReader(outline, refuse).level("", name)

    def _measures(self, outline: CubeModel) -> dict[str, Measure]:
        """Build the aggregates, then the formulas and calculations over them; in the order of the model."""
        measures: dict[str, Measure] = {}
        for definition in self._cube.measures:
            if definition.kind in self._aggregations and (aggregate := self._aggregate(definition)) is not None:
                measures[definition.name] = aggregate
        calculations = CalculationBuilder(self._cube, outline, self._aggregations, self._reader, self._database)
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
        value = self._rows.read(text, path)
        return (Argument(value.sql, value.type), value.joins) if value else None

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

    def _check_names(self) -> None:
        levels = {
            level.name: level.path
            for dimension in self._cube.dimensions
            for hierarchy in dimension.hierarchies
            for level in hierarchy.levels
        }
        measures = {measure.name: measure.path[:-1] for measure in self._cube.measures}
        self._refuse_same(levels, measures)
        for name, path in [*levels.items(), *measures.items()]:
            if name == RESERVED or name.startswith("#") or not name.strip():
                why = "answers have a column of that name" if name == RESERVED else "that is for columns of the engine"
                self._reader.add(path, "RESERVED_NAME", f"nothing can be called {name!r}: {why}.", of_key=True)

    def _refuse_same(self, levels: Mapping[str, ConfigurationPath], measures: Mapping[str, ConfigurationPath]) -> None:
        """Refuse measures that are called like a level or another measure: SQL does not tell `m` from `M`."""
        known = {name.casefold(): ("level", name) for name in levels}
        for name, path in measures.items():
            what, other = known.setdefault(name.casefold(), ("measure", name))
            if (what, other) == ("measure", name):
                continue
            text = f"{name!r} is a level and a measure; answers could not tell them apart."
            if other != name:
                text = f"measure {name!r} and {what} {other!r} differ in case only; answers could not tell them apart."
            self._reader.add(path, "DUPLICATE_NAME", text, of_key=True)
