"""What every application has without a starter: health, metrics, the watchdog, logging and the actuator.

Each bean steps back for one of the user's. Endpoints are components of type `Endpoint`; any room may add its own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping

import app_framework.boot as boot  # Its names are looked up when hints are read, so no import is circular.
from app_framework.boot.actuator.configuration import ConfigPropsEndpoint, EnvEndpoint
from app_framework.boot.actuator.endpoint import Endpoint
from app_framework.boot.actuator.health import HealthEndpoint
from app_framework.boot.actuator.info import InfoContributor, InfoEndpoint
from app_framework.boot.actuator.loggers import LoggersEndpoint
from app_framework.boot.actuator.mappings import MappingsEndpoint, RouteMappings
from app_framework.boot.actuator.metrics import MetricsEndpoint, PrometheusEndpoint
from app_framework.boot.actuator.registry import AccessRules, EndpointRegistry
from app_framework.boot.actuator.runtime import StartupEndpoint, TasksEndpoint
from app_framework.boot.actuator.wiring import BeansEndpoint, ConditionsEndpoint
from app_framework.boot.conditions import on_missing_component, on_module, on_property
from app_framework.boot.config.environment import Environment
from app_framework.boot.decorators import auto_configuration, bean
from app_framework.boot.management.availability import Availability
from app_framework.boot.management.builtin_health import (
    DiskSpaceHealth,
    LivenessStateHealth,
    PingHealth,
    ReadinessStateHealth,
)
from app_framework.boot.management.checks import exposure_of, groups_of, indicator_settings, whole_of
from app_framework.boot.management.health import CompositeHealth, HealthContributor, HealthIndicator, contributor_name
from app_framework.boot.management.health_service import HealthService, flatten
from app_framework.boot.management.logs import LoggingSystem, current_logging_system
from app_framework.boot.management.metrics import Metrics
from app_framework.boot.management.process_metrics import add_process_metrics
from app_framework.boot.management.properties import InfoProperties, ManagementProperties
from app_framework.boot.management.redaction import Redactor
from app_framework.boot.management.startup import StartupSteps
from app_framework.boot.management.watchdog import Watchdog


@auto_configuration(properties=[ManagementProperties])
class HealthAutoConfiguration:
    """The health service with its own indicators, and those of every room."""

    @bean(on_missing_component(PingHealth))
    def ping_health(self) -> PingHealth:
        """Say that somebody answers."""
        return PingHealth()

    @bean(on_missing_component(DiskSpaceHealth))
    def disk_space_health(self, environment: Environment) -> DiskSpaceHealth:
        """Watch the disk of the working folder."""
        return DiskSpaceHealth(environment.directory)

    @bean(on_property("management.endpoint.health.probes.enabled", match_if_missing=True))
    def liveness_state_health(self, availability: Availability) -> LivenessStateHealth:
        """Show the liveness."""
        return LivenessStateHealth(availability)

    @bean(on_property("management.endpoint.health.probes.enabled", match_if_missing=True))
    def readiness_state_health(self, availability: Availability) -> ReadinessStateHealth:
        """Show the readiness."""
        return ReadinessStateHealth(availability)

    @bean(on_missing_component(HealthService))
    async def health_service(
        self,
        environment: Environment,
        management: ManagementProperties,
        redactor: Redactor,
        indicators: dict[str, HealthIndicator],
        composites: dict[str, CompositeHealth],
    ) -> AsyncIterator[HealthService]:
        """Ask all indicators, by the names of their components."""
        settings = management.endpoint.health
        every: dict[str, HealthContributor] = {**indicators, **composites}
        found = {contributor_name(name): each for name, each in every.items()}
        single = indicator_settings(environment, management.health, found)
        enabled = {name: each for name, each in found.items() if name not in single or single[name].enabled}
        service = HealthService(
            enabled,
            groups_of(environment, settings, (path for path, _ in flatten(found))),
            whole=whole_of(settings),
            timeout_s=settings.timeout.total_seconds(),
            timeouts_s={name: each.timeout.total_seconds() for name, each in single.items() if each.timeout},
            slow_s=settings.logging.slow_indicator_threshold.total_seconds(),
            redactor=redactor,
        )
        yield service
        await service.close()


@auto_configuration(properties=[ManagementProperties])
class MetricsAutoConfiguration:
    """The application's meters, and the watchdog that feeds one of them."""

    @bean(on_missing_component(Metrics))
    def application_metrics(self, management: ManagementProperties) -> Metrics:
        """Keep the meters, those of the process included."""
        settings = management.metrics
        metrics = Metrics(
            series_max=settings.max_series,
            tags=settings.tags,
            timer_buckets_s=[bound.total_seconds() for bound in settings.timer_buckets],
        )
        add_process_metrics(metrics)
        return metrics

    @bean(
        on_property("management.watchdog.enabled", match_if_missing=True),
        on_missing_component(Watchdog),
    )
    async def event_loop_watchdog(
        self, management: ManagementProperties, availability: Availability, metrics: Metrics
    ) -> AsyncIterator[Watchdog]:
        """Watch the loop from now until everything that was created later is gone."""
        settings = management.watchdog
        watchdog = Watchdog(
            availability,
            limit_s=settings.lag_limit.total_seconds(),
            interval_s=settings.interval.total_seconds(),
        )
        metrics.gauge("event.loop.lag", lambda: watchdog.lag_s, "How late the event loop is.", unit="seconds")
        watchdog.start()
        yield watchdog
        watchdog.stop()


@auto_configuration()
class LoggingAutoConfiguration:
    """The logging of this application and the secrets that it must not show, as components."""

    @bean(on_missing_component(LoggingSystem))
    def logging_system(self, environment: Environment, context: boot.ApplicationContext) -> Iterator[LoggingSystem]:
        """Return what already logs; where nobody manages logging, as in tests, a means to set levels."""
        running = current_logging_system()
        logging = running or LoggingSystem.of(environment, application=context.application_name)
        yield logging
        if running is None:
            logging.stop()

    @bean(on_missing_component(Redactor))
    def redactor(self, logging: LoggingSystem) -> Redactor:
        """Return the one that the log uses, so that a secret that is learnt later is known to all."""
        return logging.redactor


@auto_configuration(properties=[ManagementProperties, InfoProperties])
class ActuatorAutoConfiguration:
    """The endpoints, and the registry that says which are exposed."""

    @bean
    def health_endpoint(self, service: HealthService, management: ManagementProperties) -> HealthEndpoint:
        """Offer ``health``."""
        settings = management.endpoint.health
        return HealthEndpoint(service, settings.show_details, settings.show_components, frozenset(settings.roles))

    @bean
    def info_endpoint(
        self, context: boot.ApplicationContext, info: InfoProperties, contributors: list[InfoContributor]
    ) -> InfoEndpoint:
        """Offer ``info``."""
        from app_framework import __version__

        version = context.environment.get("app.version")
        application = {"name": context.application_name, "version": version, "node": context.node_name}
        starters = [
            {"name": line.name, "version": line.version, "enabled": line.on, "reason": line.reason}
            for line in context.starter_lines()
        ]
        return InfoEndpoint(application, __version__, starters, info.info, contributors)

    @bean
    def beans_endpoint(self, context: boot.ApplicationContext) -> BeansEndpoint:
        """Offer ``beans``."""
        return BeansEndpoint(context.application_name, context.definitions, context.wiring.dependencies)

    @bean
    def conditions_endpoint(self, context: boot.ApplicationContext) -> ConditionsEndpoint:
        """Offer ``conditions``."""
        return ConditionsEndpoint(context.application_name, context.conditions)

    @bean
    def configprops_endpoint(
        self, context: boot.ApplicationContext, management: ManagementProperties
    ) -> ConfigPropsEndpoint:
        """Offer ``configprops``."""
        settings = management.endpoint.configprops
        return ConfigPropsEndpoint(
            context.application_name, context.environment, settings.show_values, frozenset(settings.roles)
        )

    @bean
    def env_endpoint(self, environment: Environment, management: ManagementProperties) -> EnvEndpoint:
        """Offer ``env``."""
        settings = management.endpoint.env
        return EnvEndpoint(environment, settings.show_values, frozenset(settings.roles))

    @bean
    def loggers_endpoint(self, logging: LoggingSystem) -> LoggersEndpoint:
        """Offer ``loggers``."""
        return LoggersEndpoint(logging)

    @bean
    def metrics_endpoint(self, metrics: Metrics) -> MetricsEndpoint:
        """Offer ``metrics``."""
        return MetricsEndpoint(metrics)

    @bean(on_module("prometheus_client"))
    def prometheus_endpoint(self, metrics: Metrics) -> PrometheusEndpoint:
        """Offer ``prometheus`` where the library is installed."""
        return PrometheusEndpoint(metrics)

    @bean
    def route_mappings(self) -> RouteMappings:
        """Let the web server say what its routes are."""
        return RouteMappings()

    @bean
    def mappings_endpoint(self, context: boot.ApplicationContext, mappings: RouteMappings) -> MappingsEndpoint:
        """Offer ``mappings``."""
        return MappingsEndpoint(context.application_name, mappings)

    @bean
    def startup_endpoint(self, steps: StartupSteps) -> StartupEndpoint:
        """Offer ``startup``."""
        from app_framework import __version__

        return StartupEndpoint(steps, __version__)

    @bean
    def tasks_endpoint(self) -> TasksEndpoint:
        """Offer ``tasks``."""
        return TasksEndpoint()

    @bean(on_missing_component(EndpointRegistry))
    def endpoint_registry(
        self,
        environment: Environment,
        management: ManagementProperties,
        endpoints: list[Endpoint],
        redactor: Redactor,
    ) -> EndpointRegistry:
        """Say which endpoints are exposed."""
        access = management.endpoints.access
        probes = management.endpoint.health.probes
        return EndpointRegistry(
            endpoints,
            base_path=management.endpoints.web.base_path,
            exposure=exposure_of(environment, management, (endpoint.id for endpoint in endpoints)),
            access=AccessRules(access.default, access.max_permitted, management.endpoint.accesses()),
            additional_paths=PROBE_PATHS if probes.enabled and probes.add_additional_paths else {},
            redactor=redactor,
        )


PROBE_PATHS: Mapping[str, tuple[str, str]] = {
    "/livez": ("health", "liveness"),
    "/readyz": ("health", "readiness"),
}

BUILTIN_AUTO_CONFIGURATIONS: tuple[type, ...] = (
    ActuatorAutoConfiguration,
    HealthAutoConfiguration,
    LoggingAutoConfiguration,
    MetricsAutoConfiguration,
)
"""In every application, before what starters bring is looked at."""
