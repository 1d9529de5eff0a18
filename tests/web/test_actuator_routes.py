"""The actuator over HTTP, with the paths and bodies that Spring Boot's tools know."""

from __future__ import annotations

import pytest

from app_framework.testing import Client, ContextRunner

ALL = {"management.endpoints.web.exposure.include": "*"}


def test_only_health_is_exposed_by_default(web: ContextRunner) -> None:
    """What is not exposed is not there."""
    with web.run() as context, Client(context) as client:
        links = client.get("/actuator").json()["_links"]
        assert {"self", "health"} <= set(links)
        assert links["self"]["href"] == "http://127.0.0.1/actuator"
        assert "env" not in links
        assert client.get("/actuator/env").json()["code"] == "NOT_FOUND"


def test_health_and_its_groups_answer(web: ContextRunner) -> None:
    """UP is 200; every answer is fresh."""
    with web.run() as context, Client(context) as client:
        for path in ("/actuator/health", "/actuator/health/liveness", "/actuator/health/readiness"):
            answer = client.get(path)
            assert (answer.status_code, answer.json()["status"]) == (200, "UP")
            assert answer.headers["cache-control"] == "no-store"


def test_refused_readiness_is_503(web: ContextRunner) -> None:
    """A load balancer takes the node out; the liveness stays."""
    with web.run() as context, Client(context) as client:
        context.availability.readiness.refuse("draining", owner="test")
        assert client.get("/actuator/health/readiness").status_code == 503
        assert client.get("/actuator/health/liveness").status_code == 200


@pytest.mark.parametrize(
    "path", ["beans", "conditions", "env", "env/server.docs", "metrics", "mappings", "loggers", "startup"]
)
def test_exposed_endpoints_answer_json(web: ContextRunner, path: str) -> None:
    """Each is linked and readable."""
    with web.properties(ALL).run() as context, Client(context) as client:
        answer = client.get(f"/actuator/{path}")
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/vnd.spring-boot.actuator.v3+json"
        assert path.partition("/")[0] in client.get("/actuator").json()["_links"]


def test_a_log_level_is_changed(web: ContextRunner) -> None:
    """POST answers 204 without a body; a mistake in it is told."""
    with web.properties(ALL).with_logging().run() as context, Client(context) as client:
        answer = client.post("/actuator/loggers/acme.orders", json={"configuredLevel": "DEBUG"})
        assert (answer.status_code, answer.content) == (204, b"")
        assert client.get("/actuator/loggers/acme.orders").json()["effectiveLevel"] == "DEBUG"
        assert client.post("/actuator/loggers/acme.orders", content=b"{").json()["code"] == "INVALID_REQUEST"
        assert client.post("/actuator/loggers/acme.orders", json={"configuredLevel": "LOUD"}).status_code == 400
        client.post("/actuator/loggers/acme.orders", json={"configuredLevel": None})


def test_mappings_show_every_route_with_its_handler(web: ContextRunner) -> None:
    """Those of starters included."""
    with web.properties(ALL).run() as context, Client(context) as client:
        shown = client.get("/actuator/mappings").json()["contexts"]["test"]["mappings"]["dispatcherHandlers"]
    predicates = {each["predicate"] for each in shown["webHandler"]}
    assert {"{GET /studio}", "{GET /actuator/health/{path}}", "{/assets/{path}}"} <= predicates


def test_the_base_path_moves(web: ContextRunner) -> None:
    """`management.endpoints.web.base-path`."""
    with web.properties({"management.endpoints.web.base-path": "/manage"}).run() as context, Client(context) as client:
        assert client.get("/manage/health").status_code == 200
        assert client.get("/actuator/health").status_code == 404
        assert "/manage/health" in client.get("/studio").text


def test_probes_answer_where_platforms_look_for_them(web: ContextRunner) -> None:
    """`/livez` and `/readyz`, when asked for."""
    properties = {"management.endpoint.health.probes.add-additional-paths": True}
    with web.properties(properties).run() as context, Client(context) as client:
        assert [client.get(path).json()["status"] for path in ("/livez", "/readyz")] == ["UP", "UP"]
        context.availability.readiness.refuse("draining", owner="test")
        assert [client.get(path).status_code for path in ("/livez", "/readyz")] == [200, 503]
