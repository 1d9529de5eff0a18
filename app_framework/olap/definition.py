"""Cubes as a model declares them: values read from YAML or written in Python, before any table is looked at."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from app_framework.database.errors import ModelError, ModelProblem
from app_framework.database.schema import Table, TableSchema

ConfigurationPath = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class OrderDefinition:
    """In which order the members of a level stand.

    Args:
        members: those that come first, in this order; the others follow in natural order.
        by: the column or expression of a sort key; None for the members themselves.
        descending: whether the largest comes first.
    """

    path: ConfigurationPath
    members: tuple[object, ...] = ()
    by: str | None = None
    descending: bool = False


@dataclass(frozen=True, slots=True)
class LevelDefinition:
    """A level: its name, the column or expression of its members, and how people see them."""

    name: str
    text: str
    path: ConfigurationPath
    caption: str | None = None
    description: str | None = None
    format: str | None = None
    visible: bool = True
    order: OrderDefinition | None = None


@dataclass(frozen=True, slots=True)
class HierarchyDefinition:
    """A hierarchy: levels from coarse to fine.

    Args:
        date: the column or expression whose parts the levels are, of a date hierarchy.
    """

    name: str
    levels: tuple[LevelDefinition, ...]
    path: ConfigurationPath
    slicing: bool = False
    default: object = None
    caption: str | None = None
    description: str | None = None
    folder: str | None = None
    visible: bool = True
    date: str | None = None


@dataclass(frozen=True, slots=True)
class DimensionDefinition:
    """A dimension: hierarchies that look at the same thing."""

    name: str
    hierarchies: tuple[HierarchyDefinition, ...]
    path: ConfigurationPath
    caption: str | None = None
    description: str | None = None


@dataclass(frozen=True, slots=True)
class MeasureDefinition:
    """A measure: the aggregation or ``formula``, its argument, and how people see it.

    Args:
        kind: the aggregation, ``formula``, or the calculation: ``rank``, ``share``, ….
        argument: the expression that is aggregated or computed, or the measure that a calculation is over.
        options: what is told beside it: ``by`` of `first`, ``q`` of `quantile`, ``hierarchy`` of `rank`.
        function: what was given instead of the import path of a Python function.
    """

    name: str
    kind: str
    argument: str
    path: ConfigurationPath
    caption: str | None = None
    format: str | None = None
    description: str | None = None
    folder: str | None = None
    visible: bool = True
    options: Mapping[str, object] = field(default_factory=dict)
    function: Callable[..., object] | None = field(default=None, repr=False)

    @property
    def text(self) -> str:
        """The definition in one line: ``price by day``."""
        return " ".join([self.argument, *(f"{name} {_shown(value)}" for name, value in self.options.items())])


@dataclass(frozen=True, slots=True)
class AggregatesDefinition:
    """Which aggregates of a cube are kept.

    Args:
        automatic: whether they are chosen by what is asked.
        levels: those that are kept in any case, each by the names of its levels.
    """

    path: ConfigurationPath = ()
    automatic: bool = True
    levels: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class CubeDefinition:
    """A cube as declared, in YAML or as a component of the application (A4).

    Args:
        refused: the measures that could not be read; a formula over one of them has no problem of its own.
        auto: whether levels and measures are derived from the base table, beside those that are declared.
        flat: whether flat facts are kept: the rows with their members as numbers.

    >>> CubeDefinition.of("flights", base="flights", dimensions={"Carrier": ["carrier"]},
    ...                   measures={"flights": {"count": "*"}})
    <CubeDefinition 'flights' on flights: 1 dimensions, 1 measures>
    """

    name: str
    base: str
    dimensions: tuple[DimensionDefinition, ...]
    measures: tuple[MeasureDefinition, ...]
    path: ConfigurationPath
    base_path: ConfigurationPath
    schema: str | None = None
    caption: str | None = None
    description: str | None = None
    refused: frozenset[str] = frozenset()
    auto: bool = False
    aggregates: AggregatesDefinition = AggregatesDefinition()
    flat: bool = False

    @staticmethod
    def of(
        name: str,
        *,
        base: str,
        dimensions: Mapping[str, object],
        measures: Mapping[str, object],
        caption: str | None = None,
        description: str | None = None,
        aggregates: object = "auto",
        facts: str = "rows",
    ) -> CubeDefinition:
        """Return a cube written in Python in the words of the YAML.

        Raises:
            ModelError: something in it has the wrong shape.
        """
        return _read(name, base, dimensions, measures, caption, description, aggregates, facts, auto=False)

    @staticmethod
    def derive(
        name: str,
        table: str | Table | TableSchema,
        *,
        dimensions: Mapping[str, object] | None = None,
        measures: Mapping[str, object] | None = None,
        caption: str | None = None,
        description: str | None = None,
        aggregates: object = "auto",
        facts: str = "rows",
    ) -> CubeDefinition:
        """Return a cube whose levels and measures come from the columns of a table, to start from.

        Keys, text and what is neither number nor list become levels, dates date hierarchies, numbers ``X.sum`` and
        ``X.avg``, and there is ``count``. What is declared beside wins.

        Raises:
            ModelError: something of what is declared beside has the wrong shape.

        >>> CubeDefinition.derive("sales", "sales")
        <CubeDefinition 'sales' on sales: derived, 0 dimensions, 0 measures>
        """
        base = table if isinstance(table, str) else table.name
        return _read(name, base, dimensions or {}, measures or {}, caption, description, aggregates, facts, auto=True)

    def __repr__(self) -> str:
        derived = "derived, " if self.auto else ""
        return (
            f"<CubeDefinition {self.name!r} on {self.base}: {derived}{len(self.dimensions)} dimensions,"
            f" {len(self.measures)} measures>"
        )


def _read(
    name: str,
    base: str,
    dimensions: Mapping[str, object],
    measures: Mapping[str, object],
    caption: str | None,
    description: str | None,
    aggregates: object,
    facts: str,
    *,
    auto: bool,
) -> CubeDefinition:
    # The reader builds these values, so it can only be imported once they exist.
    from app_framework.olap.reading import ModelReader

    reader = ModelReader()
    document: dict[str, object] = {"dimensions": dimensions, "measures": measures, "caption": caption}
    document |= {"description": description, "auto": auto, "aggregates": aggregates, "facts": facts}
    cube = reader.cube(name, document, base, ("cubes", name), ("cubes", name, "base"))
    if reader.problems or cube is None:
        raise ModelError(reader.problems)
    return cube


@dataclass(frozen=True, slots=True)
class CatalogDefinition:
    """A catalog: some cubes by name, or all of them."""

    name: str
    cubes: Sequence[str] | None
    path: ConfigurationPath


@dataclass(frozen=True, slots=True)
class ModelDefinition:
    """Everything a configuration says about cubes, and what is wrong with how it says it."""

    cubes: tuple[CubeDefinition, ...] = ()
    catalogs: tuple[CatalogDefinition, ...] = ()
    problems: tuple[ModelProblem, ...] = field(default=())


def _shown(value: object) -> str:
    """Return what an option is told as JSON writes it, texts and numbers plain."""
    plain = isinstance(value, str | float) or (isinstance(value, int) and not isinstance(value, bool))
    return str(value) if plain else json.dumps(value, ensure_ascii=False, default=str)
