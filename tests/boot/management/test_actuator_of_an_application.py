"""The actuator of a whole application: every endpoint, in Spring Boot's shape, and every setting of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from app_framework.boot import component
from app_framework.boot.actuator import (
    Endpoint,
    EndpointRegistry,
    EndpointRequest,
    EndpointResponse,
    InvalidBodyError,
    RouteMapping,
    RouteMappings,
    UnknownNameError,
)
from app_framework.boot.management.availability import Availability
from app_framework.boot.management.health import Health, HealthIndicator
from app_framework.boot.management.metrics import Metrics
from app_framework.boot.management.watchdog import Watchdog
from app_framework.testing import ContextRunner

ALL = ContextRunner().properties({"management.endpoints.web.exposure.include": ["*"], "app.name": "demo"})
DETAILS = ALL.properties({"management.endpoint.health.show-details": "always"})
VALUES = ALL.properties(
    {"management.endpoint.env.show-values": "always", "management.endpoint.configprops.show-values": "always"}
)


@component
class StockHealth(HealthIndicator):
    """An indicator of the user's own."""

    async def health(self) -> Health:
        return Health.down("sold out", items=0)


@component
class GreetingEndpoint(Endpoint):
    """An endpoint of the user's own."""

    id = "greeting"

    def read(self, request: EndpointRequest) -> EndpointResponse:
        return EndpointResponse({"greeting": "hello"})


def ask(runner: ContextRunner, id: str, selector: str | None = None, **query: list[str]) -> Any:  # noqa: A002
    """Start, read one endpoint, stop."""
    return answer(runner, id, selector, **query).body


def answer(runner: ContextRunner, id: str, selector: str | None = None, **query: list[str]) -> EndpointResponse:  # noqa: A002
    async def story() -> EndpointResponse:
        async with runner.start() as context:
            return await context[EndpointRegistry].read(id, EndpointRequest(selector, query))

    return asyncio.run(story())


def test_health_shows_the_status_and_the_groups_only() -> None:
    """Details and component names are for those who are allowed to see them."""
    assert ask(ALL, "health") == {"status": "UP", "groups": ["liveness", "readiness"]}


def test_health_shows_every_indicator_when_asked_to() -> None:
    """The framework's own, and the user's under the name of its class."""
    body = ask(DETAILS.sources(StockHealth), "health")
    assert body["status"] == "DOWN"
    assert sorted(body["components"]) == ["diskSpace", "livenessState", "ping", "readinessState", "stock"]
    assert body["components"]["stock"] == {"status": "DOWN", "details": {"reason": "sold out", "items": 0}}
    assert body["components"]["ping"] == {"status": "UP"}


def test_components_may_be_shown_without_details() -> None:
    """``show-components`` alone."""
    shown = ALL.properties({"management.endpoint.health.show-components": "always"}).sources(StockHealth)
    assert ask(shown, "health")["components"]["stock"] == {"status": "DOWN"}


def test_the_probes_look_at_the_availability_only() -> None:
    """A dependency that is down must not restart the process, nor take it from the balancer unasked."""

    async def story() -> list[tuple[int, Any]]:
        async with ALL.sources(StockHealth).start() as context:
            registry, readiness = context[EndpointRegistry], context[Availability].readiness
            answers = [await registry.read("health", EndpointRequest("liveness"))]
            readiness.refuse("no majority", owner="cluster")
            answers.append(await registry.read("health", EndpointRequest("readiness")))
            answers.append(await registry.read("health"))
            return [(each.status, each.body) for each in answers]

    live, ready, whole = asyncio.run(story())
    assert live == (200, {"status": "UP"})
    assert ready == (503, {"status": "OUT_OF_SERVICE"})
    assert whole[1]["status"] == "DOWN"


def test_a_group_of_ones_own_selects_shows_and_maps() -> None:
    """All of it in YAML."""
    runner = ALL.sources(StockHealth).yaml(
        """
        management:
          endpoint:
            health:
              group:
                shop: {include: [stock, ping], show-details: always, status: {http-mapping: {DOWN: 218}}}
        """
    )
    found = answer(runner, "health", "shop")
    assert found.status == 218
    assert sorted(found.body["components"]) == ["ping", "stock"]  # type: ignore[index]
    assert answer(runner, "health", "shop/ping").status == 200


def test_one_indicator_can_be_asked_and_an_unknown_one_is_404() -> None:
    """And is not there at all for those who may not see components."""
    assert ask(DETAILS, "health", "ping") == {"status": "UP"}
    with pytest.raises(UnknownNameError, match="Did you mean: ping"):
        ask(DETAILS, "health", "pign")
    with pytest.raises(UnknownNameError):
        ask(ALL, "health", "ping")


def test_an_indicator_can_be_switched_off() -> None:
    """In Spring's spelling too."""
    runner = DETAILS.properties({"management.health.diskspace.enabled": False})
    assert "diskSpace" not in ask(runner, "health")["components"]


@pytest.mark.parametrize(
    ("yaml", "place", "message"),
    [
        (
            "management: {endpoint: {health: {group: {shop: {include: [stokc]}}}}}",
            "<inline>:1:59: management.endpoint.health.group.shop.include",
            "there is no health indicator 'stokc'. Did you mean: stock",
        ),
        (
            "management: {endpoints: {web: {exposure: {include: [health, mertics]}}}}",
            "<inline>:1:61: management.endpoints.web.exposure.include",
            "there is no endpoint 'mertics'. Did you mean: metrics",
        ),
        (
            "management: {health: {stokc: {enabled: false}}}",
            "<inline>:1:30: management.health.stokc",
            "there is no health indicator 'stokc'. Did you mean: stock",
        ),
    ],
)
def test_a_wrong_name_stops_the_start_with_its_place_and_the_right_one(yaml: str, place: str, message: str) -> None:
    """FA2, also for names that only the assembled application knows."""
    failure = ContextRunner().sources(StockHealth).yaml(yaml).fails()
    assert f"{place}: {message}" in failure.description


def test_names_may_be_one_text_with_commas() -> None:
    """As half of all Spring Boot examples write it."""
    runner = ContextRunner().yaml("management: {endpoints: {web: {exposure: {include: 'info, health'}}}}")
    with runner.run() as context:
        assert [endpoint.id for endpoint in context[EndpointRegistry].exposed] == ["health", "info"]


def test_info_says_what_runs_here() -> None:
    """Application, framework, Python, and what ``info.*`` adds."""
    body = ask(ALL.yaml("{app: {version: '1.2'}, info: {team: {name: blue}}}"), "info")
    assert body["app"] == {"name": "demo", "version": "1.2", "node": "demo"}
    assert body["team"] == {"name": "blue"}
    assert {"framework", "python", "os", "process", "starters"} <= set(body)


def test_beans_shows_what_a_component_is_made_from() -> None:
    """By name, with type and place."""
    beans = ask(ALL.sources(StockHealth), "beans")["contexts"]["demo"]["beans"]
    assert "stock_health" in beans["health_service"]["dependencies"]
    assert beans["stock_health"]["type"].endswith("StockHealth")
    assert "test_actuator_of_an_application.py:" in beans["stock_health"]["resource"]
    assert beans["stock_health"]["scope"] == "singleton"


def test_conditions_shows_the_sentences_that_decided() -> None:
    """In Spring's four lists."""
    runner = ALL.properties({"management.watchdog.enabled": False})
    report = ask(runner, "conditions")["contexts"]["demo"]
    assert set(report) == {"positiveMatches", "negativeMatches", "exclusions", "unconditionalClasses"}
    assert "metrics.event_loop_watchdog" in report["negativeMatches"]


def test_env_names_every_source_and_hides_the_values() -> None:
    """The strongest first."""
    body = ask(ALL.yaml("app: {version: '1.2'}"), "env")
    sources = {source["name"]: source["properties"] for source in body["propertySources"]}
    assert sources["<inline>"] == {"app.version": {"value": "******", "origin": "<inline>:1:16"}}
    assert {"activeProfiles", "defaultProfiles"} <= set(body)


def test_env_of_one_key_names_all_that_set_it() -> None:
    """The winner on top."""
    runner = VALUES.yaml("app: {version: '1.2'}").arguments("--app.version=3")
    body = ask(runner, "env", "app.version")
    assert body["property"] == {"source": "command line", "value": "3"}
    assert [each["name"] for each in body["propertySources"]][:2] == ["command line", "<inline>"]
    with pytest.raises(UnknownNameError, match=r"Did you mean: app\.version"):
        ask(VALUES, "env", "app.versoin")


def test_configprops_shows_what_was_bound_and_where_it_was_written() -> None:
    """A default has no input."""
    runner = VALUES.yaml("management: {watchdog: {interval: 1s}}")
    (bean,) = ask(runner, "configprops", "management")["contexts"]["demo"]["beans"].values()
    assert bean["properties"]["watchdog"]["interval"] == "1s"
    assert bean["inputs"]["watchdog"]["interval"] == {"value": "1s", "origin": "<inline>:1:35"}
    assert bean["inputs"]["watchdog"]["lag-limit"] == {}


def test_loggers_changes_a_level_until_the_application_stops() -> None:
    """POST as Spring Boot Admin does it."""
    import logging

    async def story() -> list[object]:
        async with ALL.start() as context:
            registry = context[EndpointRegistry]
            wanted = EndpointRequest("shop.stock", body={"configuredLevel": "DEBUG"})
            status = (await registry.write("loggers", wanted)).status
            during = logging.getLogger("shop.stock").level
            body = (await registry.read("loggers", EndpointRequest("shop.stock"))).body
            return [status, during, body]

    assert asyncio.run(story()) == [204, logging.DEBUG, {"configuredLevel": "DEBUG", "effectiveLevel": "DEBUG"}]
    assert logging.getLogger("shop.stock").level == logging.NOTSET


@pytest.mark.parametrize("body", [None, [], {"level": "DEBUG"}, {"configuredLevel": 3}, {"configuredLevel": "LOUD"}])
def test_a_level_that_makes_no_sense_is_refused(body: object) -> None:
    """Before anything changes."""

    async def story() -> None:
        async with ALL.start() as context:
            await context[EndpointRegistry].write("loggers", EndpointRequest("shop", body=body))

    with pytest.raises(InvalidBodyError):
        asyncio.run(story())


def test_metrics_lists_names_and_narrows_by_tag() -> None:
    """Added up over the label sets that fit."""

    async def story() -> list[Any]:
        async with ALL.start() as context:
            timer = context[Metrics].timer("http.server.requests", "HTTP requests.", labels=("method", "status"))
            for method, status in (("GET", "200"), ("GET", "404"), ("POST", "200")):
                timer.record(0.5, method, status)
            registry = context[EndpointRegistry]
            names = (await registry.read("metrics")).body
            tagged = EndpointRequest("http_server_requests", {"tag": ["method:GET"]})
            return [names, (await registry.read("metrics", tagged)).body]

    names, found = asyncio.run(story())
    assert "event.loop.lag" in names["names"]
    assert found == {
        "name": "http.server.requests",
        "description": "HTTP requests.",
        "baseUnit": "seconds",
        "measurements": [
            {"statistic": "COUNT", "value": 2.0},
            {"statistic": "TOTAL_TIME", "value": 1.0},
            {"statistic": "MAX", "value": 0.5},
        ],
        "availableTags": [{"tag": "status", "values": ["200", "404"]}],
    }


def test_an_unknown_meter_or_tag_is_404_and_a_malformed_tag_400() -> None:
    """Each with a sentence."""
    with pytest.raises(UnknownNameError, match=r"Did you mean: process\.uptime"):
        ask(ALL, "metrics", "process.uptme")
    with pytest.raises(UnknownNameError):
        ask(ALL, "metrics", "process.uptime", tag=["a:b"])
    with pytest.raises(InvalidBodyError):
        ask(ALL, "metrics", "process.uptime", tag=["nonsense"])


def test_prometheus_scrapes_text() -> None:
    """Under the names of Prometheus."""
    found = answer(ALL, "prometheus")
    assert "\nprocess_uptime_seconds " in (found.text or "")
    assert found.media_type.startswith("text/plain")


def test_without_the_library_prometheus_is_off_and_asking_for_it_says_so() -> None:
    """The rest works."""
    bare = ContextRunner().without_modules("prometheus_client")
    assert ask(bare, "health")["status"] == "UP"
    wanted = bare.properties({"management.endpoints.web.exposure.include": ["prometheus"]})
    assert "the endpoint 'prometheus' is off in this application" in wanted.fails().description


def test_mappings_shows_the_routes_that_the_web_server_left() -> None:
    """In the shape of WebFlux."""

    async def story() -> Any:
        async with ALL.start() as context:
            route = RouteMapping(("GET",), "/cubes/{cube}", "app.web.read_cube", ("application/json",))
            context[RouteMappings].describe_with(lambda: [route])
            return (await context[EndpointRegistry].read("mappings")).body

    (found,) = asyncio.run(story())["contexts"]["demo"]["mappings"]["dispatcherHandlers"]["webHandler"]
    assert found["predicate"] == "{GET /cubes/{cube}}"
    assert found["details"]["handlerMethod"] == {"className": "app.web", "name": "read_cube"}


def test_startup_and_tasks_show_the_story_and_the_moment() -> None:
    """What was done, and what is being done."""
    events = ask(ALL, "startup")["timeline"]["events"]
    assert "create" in {event["startupStep"]["name"] for event in events}
    moment = ask(ALL, "tasks")
    assert any(thread["threadName"] == "event-loop-watchdog" for thread in moment["threads"])
    assert moment["tasks"]


def test_an_endpoint_of_ones_own_joins_the_others() -> None:
    """A component of type `Endpoint` is all it takes."""
    assert ask(ALL.sources(GreetingEndpoint), "greeting") == {"greeting": "hello"}


def test_everything_an_endpoint_answers_is_json() -> None:
    """No NaN, no object that an encoder has to guess at."""

    async def story() -> list[EndpointResponse]:
        async with DETAILS.start() as context:
            registry = context[EndpointRegistry]
            return [await registry.read(endpoint.id) for endpoint in registry.exposed]

    for found in asyncio.run(story()):
        assert found.text or json.loads(json.dumps(found.body, allow_nan=False)) == found.body


def test_two_applications_do_not_share_their_meters_or_their_watch() -> None:
    """FA7: on one loop, at the same time."""

    async def story(check: Callable[[Any, Any], None]) -> None:
        async with ALL.start() as one, ALL.properties({"app.name": "other"}).start() as other:
            check(one, other)

    def check(one: Any, other: Any) -> None:
        one[Metrics].counter("orders").add()
        assert other[Metrics].find("orders") is None
        assert one[Watchdog] is not other[Watchdog]
        assert one[Availability] is not other[Availability]

    asyncio.run(story(check))


def test_the_probes_have_paths_of_their_own_when_asked_for() -> None:
    """For a balancer that cannot be told another path."""
    runner = ALL.properties({"management.endpoint.health.probes.add-additional-paths": True})
    with runner.run() as context:
        assert context[EndpointRegistry].additional_paths == {
            "/livez": ("health", "liveness"),
            "/readyz": ("health", "readiness"),
        }
