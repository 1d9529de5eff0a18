"""How the web room is wired: routes, the Studio's sections, the ASGI application, the server; each can be replaced.

Nothing heavy is imported before a bean is made, so that a node without the web pays nothing for it.
"""

from __future__ import annotations

import functools
import socket
import sys
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Any

from app_framework.boot import (
    ApplicationContext,
    EndpointRegistry,
    Environment,
    Events,
    FailureAnalysis,
    Metrics,
    Requirement,
    auto_configuration,
    bean,
    failure_analyzer,
    on_component,
    on_missing_component,
    on_module,
    on_property,
    requirement_reader,
)
from app_framework.boot.actuator import RouteMappings
from app_framework.boot.config.app_properties import AppProperties
from app_framework.security import Audit, Authenticator, Doors, Gate, actuator_doors
from app_framework.web.answer_cache import AnswerCache
from app_framework.web.app import Direct, Later, Routes, WebApp
from app_framework.web.errors import PortInUseError
from app_framework.web.properties import ServerProperties
from app_framework.web.server import WebServer, safe_address
from app_framework.web.streams import CubeStreams, StreamSettings
from app_framework.web.studio import StudioSection
from app_framework.web.studio.section import CubePages

if TYPE_CHECKING:
    from fastapi import APIRouter
    from starlette.requests import Request
    from starlette.responses import Response

    from app_framework.cluster.service import ClusterService
    from app_framework.distribution import Distribution
    from app_framework.olap.following import FollowLimits
    from app_framework.web.edge import RequestTimer

DRAIN_MARGIN_S = 2.0
"""What a stop needs beside the waiting for requests: the server's own ticks, and cancelling what is left."""

DATABASE = "app_framework.database:Database"
MANAGER = "app_framework.olap:Manager"
ABOUT_CUBES = (
    "Discovery of cubes, and questions to them. A WebSocket at `/cubes/{cube}/stream` follows questions: send "
    '`{"type": "register", "id": "a", "query": {…}}`, get a `view` and then its `changes`.'
)
CLUSTER = "app_framework.cluster.service:ClusterService"


@auto_configuration(
    on_module("fastapi"),
    on_module("uvicorn"),
    properties=[ServerProperties],
    after=["cluster", "olap", "security"],
    instances=["fastapi.routing:APIRouter"],
)
class WebAutoConfiguration:
    """Serves the routers of the application, the cubes, the actuator and the Studio over HTTP."""

    def __init__(self) -> None:
        # A database loads its data in a thread while this is made; imported later, it would be waited for after that.
        import app_framework.web.api
        import app_framework.web.owned_uvicorn  # noqa: F401

    @bean(on_component(MANAGER))
    def cube_routes(self) -> Routes:
        """`/cubes`."""

        def make() -> APIRouter:
            from app_framework.web.routes.cubes import router

            return router

        about = ("cubes", "Discovery of cubes, and questions to them.")
        return Routes(Later(make, ("/cubes",)), about, (Direct("POST", "/cubes/{cube}/query", _cube_query),))

    @bean(on_component(MANAGER))
    def cube_streams(
        self, context: ApplicationContext, properties: ServerProperties, metrics: Metrics | None
    ) -> CubeStreams:
        """The continuous queries of clients."""
        bounds = properties.streams
        settings = StreamSettings(
            connections_max=bounds.max_connections,
            queries_max=bounds.max_queries,
            message_bytes_max=bounds.max_message_size,
            patience_s=bounds.patience.total_seconds(),
        )
        streams = CubeStreams(lambda: context[_manager_type()], settings, lambda: _follow_limits(context.environment))
        if metrics is not None:
            streams.show(metrics)
        return streams

    @bean(on_component(MANAGER))
    def cube_stream_routes(self, streams: CubeStreams) -> Routes:
        """`WS /cubes/{cube}/stream`."""

        def make() -> APIRouter:
            from app_framework.web.routes.cube_stream import cube_stream_router

            return cube_stream_router(streams)

        return Routes(Later(make, ("/cubes",)))

    @bean(on_component(MANAGER))
    def distribution_routes(self, context: ApplicationContext) -> Routes:
        """`/cubes/{cube}/distribution`, also where no cube is distributed: it says so."""

        def make() -> APIRouter:
            from app_framework.web.routes.distribution import distribution_router

            return distribution_router(_distribution_finder(context))

        about = "Whether data cubes and query cubes take part, and which members data cubes are asked for."
        return Routes(Later(make, ("/cubes",)), ("distribution", about))

    @bean(on_component(MANAGER))
    def answer_cache(self, properties: ServerProperties, metrics: Metrics | None) -> AnswerCache:
        """The encoded answers to queries that were asked last."""
        return measured(AnswerCache(properties.answer_cache), metrics)

    @bean(on_component(DATABASE))
    def database_routes(self) -> Routes:
        """`/database`."""

        def make() -> APIRouter:
            from app_framework.web.routes.database import router

            return router

        return Routes(
            Later(make, ("/database",)),
            ("database", "Rows that are put in and deleted, each commit a version; branches."),
        )

    @bean
    def actuator_routes(self, registry: EndpointRegistry) -> Routes:
        """`/actuator`."""
        from app_framework.web.routes.actuator import actuator_router

        return Routes(actuator_router(registry), ("actuator", "What the node says about itself."))

    @bean
    def cluster_routes(self, context: ApplicationContext) -> Routes:
        """`/api/cluster`, also where there is no cluster: it says so."""

        def make() -> APIRouter:
            from app_framework.web.routes.cluster import cluster_router

            return cluster_router(_cluster_finder(context))

        about = "Who is in the cluster, who leads, and how that changes."
        return Routes(Later(make, ("/api/cluster", "/tables", "/raft/rpc")), ("cluster", about))

    @bean
    def cluster_page(self, context: ApplicationContext) -> Routes:
        """`/studio/cluster`."""

        def make() -> APIRouter:
            from app_framework.web.studio.cluster import cluster_page_router

            return cluster_page_router(context, _cluster_finder(context))

        return Routes(Later(make, ("/studio/cluster",)))

    @bean
    def studio_routes(self, context: ApplicationContext, sections: list[StudioSection]) -> Routes:
        """`/studio`, and the way there from `/`."""

        def make() -> APIRouter:
            from app_framework.web.studio.routes import studio_router

            return studio_router(context, sections)

        return Routes(Later(make, ("/", "/studio")))

    @bean(on_component(MANAGER))
    def cubes_section(self, context: ApplicationContext, pages: CubePages | None) -> StudioSection:
        """The cubes on the Studio's start page."""
        from app_framework.web.studio.sections import CubesSection

        return CubesSection(lambda: context[_manager_type()], pages)

    @bean(on_component(CLUSTER))
    def cluster_section(self, context: ApplicationContext) -> StudioSection:
        """The cluster on the Studio's start page."""
        from app_framework.web.studio.cluster import ClusterSection

        return ClusterSection(_cluster_finder(context))

    @bean(on_property("server.docs", match_if_missing=True))
    def api_section(self) -> StudioSection:
        """The API documentation on the Studio's start page."""
        from app_framework.web.studio.sections import ApiSection

        return ApiSection()

    @bean
    def actuator_section(self, registry: EndpointRegistry) -> StudioSection:
        """The actuator on the Studio's start page."""
        from app_framework.web.studio.sections import ActuatorSection

        return ActuatorSection(registry)

    @bean(on_missing_component(WebApp))
    def web_app(
        self,
        context: ApplicationContext,
        routes: list[Routes],
        properties: ServerProperties,
        metrics: Metrics | None,
        mappings: RouteMappings | None,
        registry: EndpointRegistry,
        doors: Doors | None,
        authenticator: Authenticator | None,
    ) -> WebApp:
        """The ASGI application."""
        from app_framework.web.edge import EdgeSettings
        from app_framework.web.guard import RequestGuard

        doors = (doors or Doors()).with_actuator(
            actuator_doors(registry.base_path, registry.endpoints, registry.additional_paths)
        )
        settings = EdgeSettings(
            guard=RequestGuard((*properties.allowed_hosts, *_own_names(context.environment))),
            body_bytes_max=properties.max_body_size,
            requests_max=properties.max_requests,
            timeout_s=properties.request_timeout.total_seconds(),
            access_log=properties.access_log,
            timer=_request_timer(metrics) if metrics else None,
            gate=Gate(authenticator, doors) if authenticator else None,
            audit=Audit(doors),
        )
        app = WebApp(context, routes, settings, docs=properties.docs, telemetry=properties.telemetry)
        if mappings is not None:
            mappings.describe_with(lambda: app.mappings)
        return app

    @bean(on_property("server.enabled", match_if_missing=True), on_missing_component(WebServer))
    def web_server(
        self,
        app: WebApp,
        properties: ServerProperties,
        events: Events,
        environment: Environment,
        authenticator: Authenticator | None,
    ) -> WebServer:
        """The server that opens the port."""
        origin = environment.origin("server.address")
        phase_s = environment.bind(AppProperties).lifecycle.timeout_per_phase.total_seconds()
        graceful = properties.shutdown == "graceful"
        return WebServer(
            lambda: app.api,
            events,
            address=safe_address(properties.address, str(origin), secured=authenticator is not None),
            port=properties.port,
            keep_alive_s=properties.keep_alive.total_seconds(),
            drain_s=max(phase_s - DRAIN_MARGIN_S, phase_s / 2) if graceful else 0,
        )

    @requirement_reader
    def read_router(self, source: object) -> Iterable[Requirement]:
        """Tell which components the handlers of a router ask for."""
        routing = sys.modules.get("fastapi.routing")
        if routing is None or not isinstance(source, routing.APIRouter):
            return []
        from app_framework.web.autowired import autowired_types

        return [Requirement(*each) for each in autowired_types([source])]

    @failure_analyzer
    def explain_port_in_use(self, error: PortInUseError, environment: Environment) -> FailureAnalysis:
        """Say who has the port, and how to take another."""
        origin = environment.origin("server.port")
        where = f" (server.port, {origin})" if origin else ""
        stop = f"Stop process {error.pid}" if error.pid else "Stop the process that uses it"
        return FailureAnalysis(
            f"The web server could not listen on {error.address}, port {error.port}{where}: "
            f"the port is in use by {error.owner}.",
            f"{stop}, or choose another port: --server.port=0 takes any free one.",
        )


def _cube_query() -> Callable[[Request, str], Awaitable[Response]]:
    from app_framework.web.routes.cubes import query_directly

    return query_directly


def _own_names(environment: Environment) -> Iterable[str]:
    """The names by which other nodes call this one: the advertised one, the machine's where it listens everywhere."""
    if advertised := environment.get("cluster.advertise"):
        yield str(advertised)
    if str(environment.get("server.address", "")) in ("0.0.0.0", "::"):  # noqa: S104 (compared, not bound)
        yield socket.gethostname()


def _manager_type() -> type[Any]:
    from app_framework.olap import Manager

    return Manager


def _follow_limits(environment: Environment) -> FollowLimits:
    from app_framework.olap.following import FollowLimits
    from app_framework.olap.properties import OlapProperties

    bounds = environment.bind(OlapProperties).olap.follow
    return FollowLimits(bounds.max_rows, bounds.pace.total_seconds())


def _distribution_finder(context: ApplicationContext) -> Callable[[], Distribution | None]:
    def find() -> Distribution | None:
        from app_framework.distribution import Distribution

        found: list[Distribution] = context.all(Distribution)
        return found[0] if found else None

    return find


def _cluster_finder(context: ApplicationContext) -> Callable[[], ClusterService]:
    """Return what finds the membership service when a request needs it: the service itself needs the server's URL."""

    @functools.cache
    def find() -> ClusterService:
        from app_framework.cluster.service import ClusterService
        from app_framework.web.no_cluster import NoCluster

        role: type[Any] = ClusterService
        found: list[ClusterService] = context.all(role)
        return found[0] if found else NoCluster(context.node_name)

    return find


def measured(cache: AnswerCache, metrics: Metrics | None) -> AnswerCache:
    """Show how a cache does among the metrics."""
    if metrics is None:
        return cache
    told: dict[str, tuple[str, Callable[[], float]]] = {
        "cube.answers.hits": ("Answers that were there already, or on their way.", lambda: cache.hits),
        "cube.answers.misses": ("Answers that had to be made.", lambda: cache.misses),
        "cube.answers.evictions": ("Answers that had to go for others.", lambda: cache.evictions),
        "cube.answers.size": ("Bytes of the answers that are kept.", lambda: cache.size_bytes),
    }
    for name, (description, value) in told.items():
        metrics.gauge(name, value, description)
    return cache


def _request_timer(metrics: Metrics) -> RequestTimer:
    labels = ("method", "uri", "status", "outcome")
    return metrics.timer("http.server.requests", "Duration of HTTP requests.", labels=labels)
