"""Measures over measures, formulas and calculations: each is built after those it uses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from app_framework.database.datatype import BIGINT
from app_framework.database.expression import Expression, Name, UnknownNameError
from app_framework.database.sql import quote
from app_framework.errors import near_matches
from app_framework.olap.aggregation import FORMULA
from app_framework.olap.arrays import ARRAY_KINDS, array_formula
from app_framework.olap.calculations import CalculationBuilder
from app_framework.olap.definition import ConfigurationPath, CubeDefinition, MeasureDefinition
from app_framework.olap.expressions import ExpressionReader
from app_framework.olap.language import FORMS, LOOKUP, PYTHON
from app_framework.olap.measure import CalculatedMeasure, FormulaMeasure, Measure

DEPTH_MAX = 50
"""How far measures may build on each other."""

_SOME_NUMBER = Measure("-", "sum", "-", BIGINT, "mergeable")


class FormulaBuilder:
    """Adds the formulas and calculations of one cube to its measures; a circle among them is refused.

    Args:
        cube: the definitions, those of aggregates too.
        measures: the aggregates that could be built; the others are added to it.
        calculations: what builds a calculation over a measure that is known.
    """

    def __init__(
        self,
        cube: CubeDefinition,
        measures: dict[str, Measure],
        reader: ExpressionReader,
        calculations: CalculationBuilder,
    ) -> None:
        self._definitions = {measure.name: measure for measure in cube.measures}
        self._refused = cube.refused
        self._levels = {
            level.name for dimension in cube.dimensions for h in dimension.hierarchies for level in h.levels
        }
        self._measures = measures
        self._reader = reader
        self._calculations = calculations
        self._expressions: dict[str, Expression] = {}
        self._failed: set[str] = set()
        self._depths: dict[str, int] = {}
        self._open: list[str] = []
        self._unusable: set[str] = set()

    def build_all(self) -> None:
        """Add every formula and calculation."""
        for definition in self._definitions.values():
            self._build(definition)

    def _build(self, definition: MeasureDefinition) -> None:
        name = definition.name
        if name in self._measures or name in self._failed or definition.kind not in (FORMULA, *FORMS):
            return
        build = self._array if definition.kind in ARRAY_KINDS else self._calculated
        built = self._formula(definition, definition.argument) if definition.kind == FORMULA else build(definition)
        depth = 1 + max((self._depths.get(used, 0) for used in built.uses), default=0) if built else 0
        if depth > DEPTH_MAX:
            text = f"measure {name!r} builds on measures that build on others, more than {DEPTH_MAX} deep."
            self._reader.add(definition.path, "TOO_DEEP", text)
        if built is None or depth > DEPTH_MAX:
            self._failed.add(name)
        else:
            self._measures[name] = built
            self._depths[name] = depth

    def _calculated(self, definition: MeasureDefinition) -> CalculatedMeasure | None:
        if definition.kind == LOOKUP:
            return self._calculations.lookup(definition)
        if definition.kind == PYTHON:
            used = [self._named(definition, ("of", i), str(name)) for i, name in enumerate(_listed(definition))]
            built = self._calculations.applied(definition)
            return None if None in used else built
        of = self._named(definition, (FORMS[definition.kind].measure,), definition.argument)
        # What else is wrong with it is told too; numbers fit everything that a calculation may ask of a measure.
        built = self._calculations.build(definition, of or _SOME_NUMBER)
        return built if of is not None else None

    def _named(self, definition: MeasureDefinition, at: ConfigurationPath, name: str) -> Measure | None:
        """Return the measure that a definition names somewhere; None when there is something wrong with it."""
        found: Measure | None = None
        self._open.append(definition.name)
        try:
            found = self._used(name)
        except UnknownNameError as error:
            path = (*definition.path[:-1], *at)
            self._reader.add(path, "UNKNOWN_MEASURE", f"{error.reason}.", error.near, word=error.word)
        self._open.pop()
        return found

    def _array(self, definition: MeasureDefinition) -> FormulaMeasure | None:
        """Build a measure over an array as the formula that it stands for."""
        kind, option = definition.kind, ARRAY_KINDS[definition.kind]
        of, by = self._named(definition, (kind,), definition.argument), None
        if kind == "array_scale":
            by = self._named(definition, ("by",), str(definition.options["by"]))
        told = len(self._reader.problems)
        if of is not None and of.type.family != "array":
            text = f"{kind} needs an array; {of.name} is {of.type.name}."
            self._reader.add(definition.path, "TYPE_MISMATCH", text)
        if by is not None and not by.type.numeric:
            text = f"an array is scaled by numbers; {by.name} is {by.type.name}."
            self._reader.add((*definition.path[:-1], "by"), "TYPE_MISMATCH", text)
        if of is None or (kind == "array_scale" and by is None) or len(self._reader.problems) > told:
            return None
        return self._formula(definition, array_formula(kind, of.name, of.type, option and definition.options[option]))

    def _formula(self, definition: MeasureDefinition, text: str) -> FormulaMeasure | None:
        self._open.append(definition.name)
        read = self._reader.read(text, self._resolve, definition.path)
        self._open.pop()
        if definition.name in self._unusable:
            return None
        uses = tuple(sorted(str(key) for key in read.names)) if read else ()
        bound = read and self._reader.bind(read, self._cells(uses), definition.path)
        if not read or not bound:
            return None
        sql, kind = bound
        if kind.family == "other":
            self._reader.add(definition.path, "TYPE_MISMATCH", f"a measure cannot be of type {kind.name}.")
            return None
        self._expressions[definition.name] = read
        return FormulaMeasure(
            definition.name, definition.kind, definition.text, kind, "derived", (), definition.caption,
            definition.format, definition.description, definition.folder, definition.visible, sql=sql, uses=uses,
            expression=read if sql == read.sql else None,
        )  # fmt: skip

    def _resolve(self, parts: tuple[str, ...]) -> Name:
        name = ".".join(parts)
        if len(parts) > 1 and name in self._definitions:
            raise UnknownNameError(f'a dotted name is written in double quotes: "{name}"')
        measure = self._used(name)
        if measure is None:
            return Name(name, (name,))
        if name in self._expressions:
            return Name(name, expression=self._expressions[name])
        return Name(name, (name,), measure.type)

    def _used(self, name: str) -> Measure | None:
        """Return a measure that the open one uses; None when it has a problem of its own, already told.

        Raises:
            UnknownNameError: there is no such measure, or it uses the open one itself.
        """
        definition = self._definitions.get(name)
        if definition is None and name not in self._refused:
            near = near_matches(name, [*self._definitions, *self._refused])
            reason = f"{name!r} is a level; a formula is over measures" if name in self._levels else ""
            raise UnknownNameError(reason or f"there is no measure {name!r}", near, name)
        if name in self._open:
            circle = " -> ".join([*self._open[self._open.index(name) :], name])
            raise UnknownNameError(f"the measures form a circle: {circle}")
        if definition is not None:
            self._build(definition)
        if name not in self._measures:
            self._unusable.add(self._open[-1])
        return self._measures.get(name)

    def _cells(self, uses: tuple[str, ...]) -> str:
        """Return a FROM clause with the columns a formula reads, of their types."""
        columns = [f"CAST(NULL AS {self._measures[name].type.sql}) AS {quote(name)}" for name in uses]
        return f"FROM (SELECT {', '.join(columns)})" if columns else ""


def _listed(definition: MeasureDefinition) -> Sequence[object]:
    """Return the measures that a function gets."""
    return cast("Sequence[object]", definition.options["of"])
