"""The model of a running node: what it was made from, and its exchange for another one, as a whole or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from app_framework.database import Database
from app_framework.database.errors import ModelError, ModelProblem
from app_framework.errors import near_matches
from app_framework.olap.aggregate_limits import AggregateLimits
from app_framework.olap.aggregation import AGGREGATIONS, Aggregations
from app_framework.olap.catalog import Catalog
from app_framework.olap.cellreader import ROWS_MAX
from app_framework.olap.cube import Cube
from app_framework.olap.definition import CatalogDefinition, CubeDefinition, ModelDefinition
from app_framework.olap.errors import UnknownCubeError
from app_framework.olap.queryable import CubeSource, Queryable

DEFAULT_CATALOG = "Catalog"


@dataclass(frozen=True, slots=True)
class ModelChange:
    """What was different after a change of the model.

    Args:
        added: the cubes that were not there.
        changed: the cubes that answer otherwise.
        removed: the cubes that are there no more.
    """

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)

    def __str__(self) -> str:
        told = {"added": self.added, "changed": self.changed, "removed": self.removed}
        return "; ".join(f"{what}: {', '.join(names)}" for what, names in told.items() if names) or "nothing changed"


class Modeler:
    """Makes the cubes over one database, and others in their place.

    Every new model is checked against the data as a whole before anything changes; a cube that stays the same stays
    the same object. It is used by one thread at a time.

    Args:
        database: where the rows are; None where there are none, and so no cubes but those of `sources`.
        contributed: cubes of user code, which stand beside those of a configuration.
        sources: of cubes that stand beside all others, and of names that have to be there.
        node: the name under which answers report the data version.
        rows_max: the largest answer, in rows.
        limits: the bounds of the aggregates that are kept.
        aggregations: the kinds of measures.

    Attributes:
        cubes: as they are now.
    """

    def __init__(
        self,
        database: Database | None,
        contributed: Iterable[CubeDefinition] = (),
        *,
        sources: Iterable[CubeSource] = (),
        node: str = "local",
        rows_max: int = ROWS_MAX,
        limits: AggregateLimits | None = None,
        aggregations: Aggregations = AGGREGATIONS,
    ) -> None:
        self.cubes: tuple[Cube, ...] = ()
        self._build = partial(
            build_cubes, database=database, node=node, rows_max=rows_max, limits=limits, aggregations=aggregations
        )
        self._contributed = tuple(contributed)
        self._sources = tuple(sources)
        self._added: dict[str, CubeDefinition] = {}
        self._definitions: tuple[CubeDefinition, ...] = ()
        self._catalogs: tuple[CatalogDefinition, ...] = ()

    def apply(self, model: ModelDefinition) -> tuple[list[Catalog], ModelChange]:
        """Make the cubes what a configuration says, beside those of code that it does not name.

        Raises:
            ModelError: with every problem; nothing was changed.
        """
        listed = {cube.name for cube in model.cubes}
        added = {name: cube for name, cube in self._added.items() if name not in listed}
        own = [*(cube for cube in self._contributed if cube.name not in added), *added.values()]
        done = self._exchange([*model.cubes, *own], model.catalogs, model.problems)
        self._added = added
        return done

    def replace(self, definitions: Sequence[CubeDefinition]) -> tuple[list[Catalog], ModelChange]:
        """Put cubes in the place of those of the same names, or beside all others.

        Raises:
            ModelError: with every problem; nothing was changed.
        """
        new = {cube.name: cube for cube in definitions}
        kept = [new.get(cube.name, cube) for cube in self._definitions]
        names = {cube.name for cube in kept}
        done = self._exchange([*kept, *(cube for cube in new.values() if cube.name not in names)], self._catalogs)
        self._added |= new
        return done

    def remove(self, names: Sequence[str]) -> tuple[list[Catalog], ModelChange]:
        """Take cubes away.

        Raises:
            UnknownCubeError: there is none of that name.
            ModelError: a catalog names it; nothing was changed.
        """
        known = [cube.name for cube in self._definitions]
        for name in names:
            if name not in known:
                raise UnknownCubeError(name, near_matches(name, known))
        done = self._exchange([cube for cube in self._definitions if cube.name not in names], self._catalogs)
        self._added = {name: cube for name, cube in self._added.items() if name not in names}
        return done

    def _exchange(
        self,
        definitions: Sequence[CubeDefinition],
        catalogs: Sequence[CatalogDefinition],
        known: Sequence[ModelProblem] = (),
    ) -> tuple[list[Catalog], ModelChange]:
        others = [cube for source in self._sources for cube in source.cubes]
        problems = list(known) or [
            *self._source_problems(definitions, others),
            *catalog_problems(catalogs, [*(cube.name for cube in definitions), *_names(others)]),
        ]
        before = {cube.name: cube for cube in self.cubes}
        cubes = self._build(definitions, known=problems, replaced=self.cubes)
        after = {cube.name: cube for cube in cubes}
        change = ModelChange(
            tuple(name for name in after if name not in before),
            tuple(name for name in after if name in before and after[name] is not before[name]),
            tuple(name for name in before if name not in after),
        )
        self.cubes, self._definitions, self._catalogs = tuple(cubes), tuple(definitions), tuple(catalogs)
        for name, cube in before.items():
            if after.get(name) is not cube:
                cube.close()
        return build_catalogs(catalogs, [*cubes, *others]), change

    def _source_problems(
        self, definitions: Sequence[CubeDefinition], others: Sequence[Queryable]
    ) -> list[ModelProblem]:
        """Return which names are taken by a cube of a source, and which a source needs and are not there."""
        names, taken = [cube.name for cube in definitions], _names(others)
        return [
            *(
                ModelProblem(cube.path, "DUPLICATE_CUBE", f"there is a query cube called {cube.name!r}.", of_key=True)
                for cube in definitions
                if cube.name in taken
            ),
            *(
                ModelProblem(
                    tuple(path), "UNKNOWN_CUBE", f"there is no cube {name!r}.", near_matches(name, names), of_key=True
                )
                for source in self._sources
                for name, path in source.needs.items()
                if name not in names
            ),
        ]


def _names(cubes: Iterable[Queryable]) -> list[str]:
    return [cube.name for cube in cubes]


def build_cubes(
    definitions: Iterable[CubeDefinition],
    database: Database | None,
    *,
    node: str = "local",
    rows_max: int = ROWS_MAX,
    aggregations: Aggregations = AGGREGATIONS,
    limits: AggregateLimits | None = None,
    known: Iterable[ModelProblem] = (),
    replaced: Iterable[Cube] = (),
) -> list[Cube]:
    """Return the cubes of a model; from now on commits keep to what it relies on.

    Problems found before, when the definitions were read, are given as `known` and reported with the new ones. Of what
    the cubes rely on whose place these take, nothing has to be true any more that these do not rely on; one of them
    that is as it was stays the same cube, so that whoever holds it goes on with what it knows.

    Raises:
        ModelError: with every problem of every cube.
    """
    definitions, known, replaced = tuple(definitions), tuple(known), tuple(replaced)
    if database is None:
        needless = "needs a database, and there is none: add a section `database`."
        nowhere = [ModelProblem(d.path, "NO_DATABASE", f"cube {d.name!r} {needless}", of_key=True) for d in definitions]
        if problems := [*known, *nowhere]:
            raise ModelError(problems)
        return []
    from app_framework.olap.building import ModelBuilder

    old = frozenset(promise for cube in replaced for promise in cube.model.promises)
    while True:
        seen = database.version
        builder = ModelBuilder(database, aggregations)
        models = builder.build(definitions)
        problems = [*known, *builder.problems]
        if problems:
            raise ModelError(problems)
        # A commit may have come meanwhile after which the model is not true; then looking again tells why.
        if database.exchange_promises(old, frozenset(each for model in models for each in model.promises), seen):
            break
    before = {cube.name: cube for cube in replaced}
    return [
        same
        if (same := before.get(model.name)) is not None and same.is_of(model)
        else Cube(model, database, node=node, rows_max=rows_max, limits=limits)
        for model in models
    ]


def build_catalogs(definitions: Sequence[CatalogDefinition], cubes: Sequence[Queryable]) -> list[Catalog]:
    """Return the catalogs; without a definition one catalog holds all cubes.

    Raises:
        ModelError: a catalog names a cube that does not exist.
    """
    by_name = {cube.name: cube for cube in cubes}
    if not definitions:
        return [Catalog(DEFAULT_CATALOG, cubes)]
    if problems := catalog_problems(definitions, by_name):
        raise ModelError(problems)
    return [Catalog(d.name, cubes if d.cubes is None else [by_name[name] for name in d.cubes]) for d in definitions]


def catalog_problems(definitions: Iterable[CatalogDefinition], cubes: Iterable[str]) -> list[ModelProblem]:
    """Return what is wrong with catalogs: they name cubes that do not exist."""
    known = list(cubes)
    return [
        ModelProblem(
            (*definition.path, "cubes", position), "UNKNOWN_CUBE", f"there is no cube {name!r}.",
            near_matches(name, known), word=name,
        )
        for definition in definitions
        for position, name in enumerate(definition.cubes or ())
        if name not in known
    ]  # fmt: skip
