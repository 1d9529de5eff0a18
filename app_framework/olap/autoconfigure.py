"""How cubes are wired: those of the YAML and those that user code contributes become catalogs of one manager."""

from __future__ import annotations

from app_framework.boot import (
    ApplicationContext,
    Environment,
    FailureAnalysis,
    auto_configuration,
    bean,
    configuration_check,
    failure_analyzer,
    on_component,
    on_missing_component,
    on_module,
)
from app_framework.database.autoconfigure import explain_model
from app_framework.database.database import Database
from app_framework.database.errors import ModelError
from app_framework.olap.cube import build_cubes
from app_framework.olap.definition import CubeDefinition
from app_framework.olap.endpoint import AggregatesEndpoint
from app_framework.olap.health import CubesHealth
from app_framework.olap.manager import Manager, build_catalogs
from app_framework.olap.properties import OlapProperties
from app_framework.olap.reading import read_model


@auto_configuration(on_module("duckdb"), on_component(Database), properties=[OlapProperties], after=["database"])
class OlapAutoConfiguration:
    """Builds the cubes over the database and offers them through the manager."""

    @bean(on_missing_component(Manager))
    def manager(
        self,
        properties: OlapProperties,
        database: Database,
        contributed: list[CubeDefinition],
        context: ApplicationContext,
    ) -> Manager:
        """The manager; cubes of user code (components of type `CubeDefinition`) stand beside those of the YAML."""
        model = read_model(properties.schemas, properties.catalogs)
        cubes = build_cubes(
            [*model.cubes, *contributed],
            database,
            node=context.node_name,
            rows_max=properties.olap.max_rows,
            limits=properties.olap.aggregates.limits,
            known=model.problems,
        )
        return Manager(
            build_catalogs(model.catalogs, cubes),
            name=properties.manager.name,
            batch_max=properties.olap.max_batch,
            batch_rows_max=properties.olap.max_rows,
        )

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
        properties = environment.bind(OlapProperties)
        problems = read_model(properties.schemas, properties.catalogs).problems
        if problems:
            raise ModelError(problems)

    @failure_analyzer
    def explain_cubes(self, error: ModelError, environment: Environment) -> FailureAnalysis:
        """Point at every mistake of the cubes."""
        return explain_model(error, environment)
