"""The world of a query cube: a model of everything that its applications know, over a database without rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, cast

from app_framework.database import Database, DatabaseLimits
from app_framework.database.errors import ModelError, ModelProblem
from app_framework.distribution.merging import Merged, RowlessCube
from app_framework.distribution.outline import Outline
from app_framework.distribution.outline_reading import COMPUTED
from app_framework.olap.aggregation import AGGREGATIONS
from app_framework.olap.building import ModelBuilder
from app_framework.olap.discovery import describe_model
from app_framework.olap.fingerprint import fingerprint
from app_framework.olap.measure import AggregateMeasure, Measure
from app_framework.olap.reading_measures import MeasureReader

if TYPE_CHECKING:
    from app_framework.olap.definition import ConfigurationPath, MeasureDefinition
    from app_framework.olap.model import CubeModel


class World:
    """What a query cube can be asked, and where the answers of its data cubes are merged.

    Attributes:
        model: of a cube with all levels and measures of all applications, and the query cube's own measures.
        database: in memory, with the one empty table that the model is over.
        applications: what each application knows.
        problems: what is wrong with measures of the query cube; the model is without those.
    """

    def __init__(
        self,
        model: CubeModel,
        database: Database,
        applications: Mapping[str, Outline],
        problems: tuple[ModelProblem, ...] = (),
    ) -> None:
        self.model = model
        self.database = database
        self.applications = MappingProxyType(dict(applications))
        self.problems = problems

    @staticmethod
    def of(
        name: str,
        applications: Mapping[str, Outline],
        *,
        measures: Mapping[str, object] | None = None,
        path: ConfigurationPath = (),
        limits: DatabaseLimits | None = None,
        inline: bool = False,
    ) -> World:
        """Return the world of a query cube; whoever gets it closes it.

        Args:
            name: of the query cube.
            applications: the outline of each; equal names in them mean the same.
            measures: the query cube's own, as YAML writes them.
            path: of the query cube in the configuration.
            limits: the bounds of the database.
            inline: whether the jobs of the database run in the thread that asks for them.

        Raises:
            ModelError: the applications together make no cube.
        """
        path = path or ("distribution", "query-cubes", name)
        cube = RowlessCube(name, Merged.of(applications.values()), path)
        problems: list[ModelProblem] = []
        own = _read(measures or {}, (*path, "measures"), cube.merged, problems)
        cube.definition()
        database = Database.open(tables=[cube.table], limits=limits, inline=inline)
        try:
            model = _built(cube, own, {*(measures or {})} - {each.name for each in own}, database, problems)
        except BaseException:
            database.close()
            raise
        return World(_told(model, cube.merged), database, applications, tuple(problems))

    def discovery(self) -> dict[str, object]:
        """Describe dimensions, hierarchies, levels and measures, and which applications know them."""
        described = describe_model(self.model)
        texts = {full: level.text for outline in self.applications.values() for full, level in outline.levels.items()}
        for dimension in _dicts(described, "dimensions"):
            for hierarchy in _dicts(dimension, "hierarchies"):
                hierarchy["applications"] = list(self.knowing(f"{dimension['name']}.{hierarchy['name']}"))
                for level in _dicts(hierarchy, "levels"):
                    level["expression"] = texts[str(level["full_name"])]
        for measure in _dicts(described, "measures"):
            measure["applications"] = list(self.knowing(str(measure["name"])))
        return {**described, "base": None, "model": fingerprint(self.model)}

    def close(self) -> None:
        """Let go of the database."""
        self.database.close()

    def knowing(self, name: str) -> tuple[str, ...]:
        """Return the applications that know a hierarchy, a level or a measure, by its full name."""
        return tuple(
            application
            for application, outline in self.applications.items()
            if name in outline.hierarchy or name in outline.levels or name in outline.measure
        )

    def __repr__(self) -> str:
        return f"<World {self.model.name!r} of {', '.join(self.applications) or 'nothing'}>"


def _dicts(document: Mapping[str, object], key: str) -> list[dict[str, object]]:
    return cast("list[dict[str, object]]", document[key])


def _read(
    measures: Mapping[str, object], path: ConfigurationPath, merged: Merged, problems: list[ModelProblem]
) -> list[MeasureDefinition]:
    """Read the query cube's own measures; what is wrong with some goes to the problems, and they are left out."""
    reader, found = MeasureReader(problems, AGGREGATIONS), []
    levels = {level.name for hierarchy in merged.hierarchies.values() for level in hierarchy.levels}
    for name, body in measures.items():
        place = (*path, name)
        known = "measure" if name in merged.measures else "level" if name in levels else ""
        definition = reader.measure(name, body, place)
        if known:
            text = f"the applications have a {known} {name!r} already; call this measure otherwise."
            problems.append(ModelProblem(place, "DUPLICATE_NAME", text, of_key=True))
        elif definition is not None and definition.kind not in COMPUTED:
            text = f"a query cube has no rows to apply {definition.kind!r} to; its measures are over those of others."
            problems.append(ModelProblem(definition.path, "NOT_DISTRIBUTABLE", text, of_key=True))
        elif definition is not None:
            found.append(definition)
    return found


def _built(
    cube: RowlessCube,
    own: list[MeasureDefinition],
    refused: set[str],
    database: Database,
    problems: list[ModelProblem],
) -> CubeModel:
    """Build the model; measures of the query cube that make no sense are left out, one after the other."""
    while True:
        builder = ModelBuilder(database)
        kept = [definition for definition in own if definition.name not in refused]
        models = builder.build([cube.definition(kept, frozenset(refused))])
        if not builder.problems:
            return models[0]
        problems += (problem for problem in builder.problems if problem not in problems)
        blamed = {d.name for d in kept for problem in builder.problems if _is_of(problem, d)}
        if not blamed:
            raise ModelError(builder.problems)
        refused |= blamed


def _is_of(problem: ModelProblem, definition: MeasureDefinition) -> bool:
    place = definition.path[:-1]
    return problem.path[: len(place)] == place


def _told(model: CubeModel, merged: Merged) -> CubeModel:
    """Return the model with measures that say what is aggregated at the data cubes, not in the empty table."""

    def told(measure: Measure) -> Measure:
        outline = merged.measures.get(measure.name)
        return replace(measure, text=outline.text) if outline and isinstance(measure, AggregateMeasure) else measure

    return replace(model, measures=MappingProxyType({name: told(each) for name, each in model.measures.items()}))
