"""How cubes are wired: those of the YAML and those that user code contributes become catalogs of one manager."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from app_framework.boot import (
    ApplicationContext,
    ConfigProblem,
    ConfigurationError,
    Endpoint,
    EndpointRequest,
    EndpointResponse,
    Environment,
    Events,
    FailureAnalysis,
    any_of,
    auto_configuration,
    bean,
    configuration_check,
    failure_analyzer,
    on_component,
    on_missing_component,
    on_module,
)
from app_framework.database.autoconfigure import explain_model, located
from app_framework.database.database import Database
from app_framework.database.errors import ModelError, ModelProblem, path_text
from app_framework.errors import UserError
from app_framework.olap.definition import CubeDefinition
from app_framework.olap.health import AggregatesEndpoint, CubesHealth
from app_framework.olap.manager import Manager
from app_framework.olap.modeler import ModelChange, Modeler
from app_framework.olap.properties import OlapProperties
from app_framework.olap.queryable import CubeSource


class ModelRefusedError(UserError):
    """What the configuration says now cannot take the place of the model that is asked; nothing was changed.

    Attributes:
        errors: every mistake, as it is told to a client.
    """

    code = "INVALID_MODEL"

    def __init__(self, problems: Sequence[ConfigProblem]) -> None:
        super().__init__()
        self.errors = tuple(RefusedPart(str(problem), problem.key or None, problem.near) for problem in problems)

    def __str__(self) -> str:
        return "\n".join(each.detail for each in self.errors)


@dataclass(frozen=True, slots=True)
class RefusedPart:
    """One mistake in a model that was refused.

    Args:
        detail: the place and the sentence.
        field: the key in the configuration.
        near: what was probably meant.
    """

    detail: str
    field: str | None
    near: tuple[str, ...] = ()

    code: ClassVar[str] = "INVALID_MODEL"


class CubesEndpoint(Endpoint):
    """Shows the models of the cubes; a POST reads `schemas` and `catalogs` again and exchanges the cubes."""

    id = "cubes"
    writable = True

    def __init__(self, manager: Manager, environment: Environment) -> None:
        self._manager = manager
        self._environment = environment

    def read(self, request: EndpointRequest) -> EndpointResponse:
        """Answer with the fingerprint of each cube's model: it changes with the model."""
        return EndpointResponse({"cubes": {name: {"model": c.fingerprint} for name, c in self._manager.cubes.items()}})

    async def write(self, request: EndpointRequest) -> EndpointResponse:
        """Make the cubes what the files say now.

        Raises:
            ModelRefusedError: with every problem and its place; nothing was changed.
        """
        environment = self._environment
        try:
            environment = await asyncio.to_thread(self._environment.reread)
            _refuse_restarts(self._environment, environment)
            properties = environment.bind(OlapProperties)
            change = await self._manager.apply(properties.schemas, properties.catalogs)
        except ConfigurationError as error:
            raise ModelRefusedError(error.problems) from None
        except ModelError as error:
            raise ModelRefusedError(located(error, environment)) from None
        told = {"added": change.added, "changed": change.changed, "removed": change.removed}
        return EndpointResponse({what: list(names) for what, names in told.items()})


def _refuse_restarts(old: Environment, new: Environment) -> None:
    """Refuse what a running node cannot change: the tables below its cubes, the database that has them, and which cubes
    are distributed.

    Raises:
        ModelError: naming each of them.
    """
    changed: list[tuple[str, ...]] = []
    before, after = _section(old, "database"), _section(new, "database")
    for key in dict.fromkeys([*before, *after]):
        if key != "tables":
            changed += [("database", key)] if before.get(key) != after.get(key) else []
            continue
        tables, others = _section(old, "database.tables"), _section(new, "database.tables")
        changed += [
            ("database", "tables", name)
            for name in dict.fromkeys([*tables, *others])
            if tables.get(name) != others.get(name)
        ]
    before, after = _section(old, "distribution"), _section(new, "distribution")
    changed += [("distribution", key) for key in dict.fromkeys([*before, *after]) if before.get(key) != after.get(key)]
    if changed:
        raise ModelError(
            [ModelProblem(path, "NEEDS_RESTART", f"{path_text(path)} changes with a restart only.") for path in changed]
        )


def _section(environment: Environment, key: str) -> Mapping[str, object]:
    found = environment.get(key)
    return found if isinstance(found, Mapping) else {}


@auto_configuration(
    on_module("duckdb"),
    any_of(on_component(Database), on_component(CubeSource)),
    properties=[OlapProperties],
    after=["database", "distribution"],
)
class OlapAutoConfiguration:
    """Builds the cubes over the database and offers them, and those of other sources, through the manager."""

    def __init__(self) -> None:
        # The database loads its data in a thread while this is made; imported later, it would be waited for after that.
        import app_framework.olap.building  # noqa: F401

    @bean(on_missing_component(Manager))
    def manager(
        self,
        properties: OlapProperties,
        database: Database | None,
        contributed: list[CubeDefinition],
        sources: list[CubeSource],
        context: ApplicationContext,
    ) -> Manager:
        """The manager; cubes of user code (components of type `CubeDefinition`) stand beside those of the YAML."""
        from app_framework.olap.reading import read_model

        bounds = properties.olap
        modeler = Modeler(
            database,
            contributed,
            sources=sources,
            node=context.node_name,
            rows_max=bounds.max_rows,
            limits=bounds.aggregates.limits,
        )
        catalogs, _ = modeler.apply(read_model(properties.schemas, properties.catalogs))
        return Manager(
            catalogs,
            name=properties.manager.name,
            batch_max=properties.olap.max_batch,
            batch_rows_max=properties.olap.max_rows,
            modeler=modeler,
            sources=sources,
        )

    @bean(on_component(Manager))
    async def cubes_endpoint(self, manager: Manager, environment: Environment, events: Events) -> CubesEndpoint:
        """The models of the cubes, and the way to change them without a restart; every change becomes an event."""
        loop = asyncio.get_running_loop()

        def announce(change: ModelChange) -> None:
            asyncio.run_coroutine_threadsafe(events.publish(change), loop)

        manager.listen(announce)
        return CubesEndpoint(manager, environment)

    @bean(on_component(Manager))
    def cubes_health(self, manager: Manager) -> CubesHealth:
        """What the cubes say of themselves."""
        return CubesHealth(manager)

    @bean(on_component(Manager))
    def aggregates_endpoint(self, manager: Manager) -> AggregatesEndpoint:
        """Offer ``aggregates`` on the actuator."""
        return AggregatesEndpoint(manager)

    @configuration_check
    def check_model(self, environment: Environment) -> None:
        """Find what is wrong with the cubes as far as no table is needed for it."""
        from app_framework.olap.reading import read_model

        properties = environment.bind(OlapProperties)
        problems = read_model(properties.schemas, properties.catalogs).problems
        if problems:
            raise ModelError(problems)

    @failure_analyzer
    def explain_cubes(self, error: ModelError, environment: Environment) -> FailureAnalysis:
        """Point at every mistake of the cubes."""
        return explain_model(error, environment)
