"""What is wrong with declared data cubes and query cubes before any of them is made."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from app_framework.database.errors import ModelProblem
from app_framework.distribution.definition import DataCubeDefinition, QueryCubeDefinition
from app_framework.errors import near_matches
from app_framework.messaging.messengers import Messengers, UnknownMessengerError

INSTALL_MESSENGER = "the node has no messenger: pip install app-framework-starter-messaging."


def problems_of(
    data_cubes: Sequence[DataCubeDefinition],
    query_cubes: Sequence[QueryCubeDefinition],
    cubes: Collection[str] | None = None,
) -> list[ModelProblem]:
    """Return every mistake that can be seen without a cube.

    Args:
        data_cubes: as they are declared.
        query_cubes: as they are declared.
        cubes: the names of the cubes that there are; None where that is not known.
    """
    return [
        *(problem for each in data_cubes for problem in _cube_problems(each, cubes)),
        *_duplicates([(each.cube, each.path) for each in data_cubes], "data cubes of", "DUPLICATE_DATA_CUBE"),
        *(problem for each in query_cubes for problem in _query_cube_problems(each)),
        *_duplicates([(each.name, each.path) for each in query_cubes], "query cubes called", "DUPLICATE_CUBE"),
    ]


def messenger_problems(
    declared: Sequence[DataCubeDefinition | QueryCubeDefinition], messengers: Messengers | None
) -> list[ModelProblem]:
    """Return which of them name a messenger that the node does not have."""
    problems: list[ModelProblem] = []
    for each in declared:
        if messengers is None:
            problems.append(ModelProblem(each.path, "UNKNOWN_MESSENGER", INSTALL_MESSENGER, of_key=True))
            continue
        try:
            messengers.get(each.messenger)
        except UnknownMessengerError as error:
            problems.append(ModelProblem((*each.path, "messenger"), "UNKNOWN_MESSENGER", f"{error}."))
    return problems


def _cube_problems(definition: DataCubeDefinition, cubes: Collection[str] | None) -> Iterator[ModelProblem]:
    name, path = definition.cube, definition.path
    if cubes is not None and name not in cubes:
        yield ModelProblem(path, "UNKNOWN_CUBE", f"there is no cube {name!r}.", near_matches(name, cubes), of_key=True)
    if not definition.application:
        text = f"data cube {name!r} needs `application`, the name of that whose rows it holds."
        yield ModelProblem(path, "APPLICATION_REQUIRED", text, of_key=True)


def _query_cube_problems(definition: QueryCubeDefinition) -> Iterator[ModelProblem]:
    name, path = definition.name, definition.path
    if "/" in name:
        text = f"a cube cannot be called {name!r}: its name is a part of URLs, without `/`."
        yield ModelProblem(path, "INVALID_NAME", text, of_key=True)
    if not definition.applications:
        text = f"query cube {name!r} needs an application: `applications: {{name: {{distributing-levels: []}}}}`."
        yield ModelProblem((*path, "applications"), "APPLICATION_REQUIRED", text)
    for application, levels in definition.applications.items():
        place = (*path, "applications", application)
        if definition.data_overlap and len(levels) != 1:
            text = (
                f"with `data-overlap` application {application!r} needs exactly one distributing level, "
                f"by which each member is given to one data cube; it has {len(levels) or 'none'}."
            )
            yield ModelProblem(place, "OVERLAP_NEEDS_ONE_LEVEL", text, of_key=True)
        yield from _repeated(levels, (*place, "distributing-levels"))
    yield from _measure_problems(definition)


def _measure_problems(definition: QueryCubeDefinition) -> list[ModelProblem]:
    """Return what is wrong with the shape of measures; names in them are looked up once data cubes have told theirs."""
    from app_framework.distribution.outline_reading import COMPUTED
    from app_framework.olap.aggregation import AGGREGATIONS
    from app_framework.olap.reading_measures import MeasureReader

    problems: list[ModelProblem] = []
    reader = MeasureReader(problems, AGGREGATIONS)
    for name, document in definition.measures.items():
        measure = reader.measure(name, document, (*definition.path, "measures", name))
        if measure is not None and measure.kind not in COMPUTED:
            text = f"a query cube has no rows to apply {measure.kind!r} to; its measures are over those of others."
            problems.append(ModelProblem(measure.path, "NOT_DISTRIBUTABLE", text, of_key=True))
    return problems


def _repeated(levels: Sequence[str], path: tuple[str | int, ...]) -> Iterator[ModelProblem]:
    for position, level in enumerate(levels):
        if level in levels[:position]:
            yield ModelProblem((*path, position), "DUPLICATE_LEVEL", f"level {level!r} is named twice.")


def _duplicates(named: Sequence[tuple[str, tuple[str | int, ...]]], what: str, code: str) -> Iterator[ModelProblem]:
    """Tell names that several declarations have: one in YAML and one in code."""
    names = [name for name, _ in named]
    for position, (name, path) in enumerate(named):
        if name in names[:position]:
            yield ModelProblem(path, code, f"there are two {what} {name!r}.", of_key=True)
