"""The API documentation is honest, complete, stable and served from this node alone."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import APIRouter

from app_framework.olap import Manager
from app_framework.testing import Client, ContextRunner, GoldenFiles
from app_framework.web.pages import CONTENT_SECURITY_POLICY

PROBLEM_REFERENCE = {"$ref": "#/components/schemas/Problem"}

router = APIRouter()


@router.post("/orders/{number}")
async def place_order(number: int) -> int:
    """Place an order."""
    return number


@pytest.fixture
def schema(web: ContextRunner) -> dict[str, Any]:
    """The OpenAPI document of an application with one route of its own."""
    with web.sources(router).run() as context:
        document: dict[str, Any] = Client(context).get("/openapi.json").json()
        return document


def operations(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for path in schema["paths"].values():
        yield from path.values()


def test_every_error_of_every_route_is_a_problem(schema: dict[str, Any]) -> None:
    """No 422 of FastAPI's; what any route may answer is documented on each."""
    assert {"HTTPValidationError", "ValidationError"}.isdisjoint(schema["components"]["schemas"])
    for operation in operations(schema):
        errors = {status: answer for status, answer in operation["responses"].items() if int(status) >= 400}
        assert {"400", "429", "500", "503", "504"} <= set(errors)
        for answer in errors.values():
            assert answer["content"]["application/problem+json"]["schema"] == PROBLEM_REFERENCE


def test_only_what_names_something_may_find_nothing(schema: dict[str, Any]) -> None:
    """404 is documented where it can happen: a path names something, or the body names a member."""
    found = {
        path: all("404" in operation["responses"] for operation in methods.values())
        for path, methods in schema["paths"].items()
    }
    names_a_member = {"/api/cluster/deregister", "/api/cluster/stop"}
    assert found == {path: "{" in path or path in names_a_member for path in schema["paths"]}
    assert len(set(found.values())) == 2


def test_everything_of_ours_is_described(web: ContextRunner) -> None:
    """Every parameter of a path is declared, every field of a problem and every parameter has a sentence."""
    everything = {"management.endpoints.web.exposure.include": "*"}
    with web.sources(Manager([])).properties(everything).run() as context:
        schema = Client(context).get("/openapi.json").json()
    for path, methods in schema["paths"].items():
        for operation in methods.values():
            parameters = operation.get("parameters", [])
            assert {each["name"] for each in parameters if each["in"] == "path"} == set(re.findall(r"{(\w+)}", path))
            assert all(each.get("description") for each in parameters)
    problem = schema["components"]["schemas"]["Problem"]["properties"]
    assert [name for name, field in problem.items() if not field.get("description")] == []
    assert schema["info"]["version"] == "unversioned"


def test_unsafe_routes_document_the_guard_and_the_bound(schema: dict[str, Any]) -> None:
    """403 and 413."""
    assert {"403", "413"} <= set(schema["paths"]["/orders/{number}"]["post"]["responses"])
    assert {"403", "413"}.isdisjoint(schema["paths"]["/actuator/health"]["get"]["responses"])


def test_ids_of_operations_are_unique_and_stable(schema: dict[str, Any], golden: GoldenFiles) -> None:
    """Generated clients call their functions by them."""
    ids = [operation["operationId"] for operation in operations(schema)]
    assert len(ids) == len(set(ids))
    golden("operations.txt", "\n".join(sorted(ids)))


def test_the_documentation_fetches_from_this_node_only(web: ContextRunner) -> None:
    """The page, and everything it names, under a policy that allows nothing else."""
    with web.run() as context, Client(context) as client:
        page = client.get("/docs")
        assert page.headers["content-security-policy"] == CONTENT_SECURITY_POLICY
        found = re.findall(r'(?:src|href)="([^"]+)"', page.text)
        assert all(link.startswith("/") for link in found)
        assert {client.get(link).status_code for link in found} == {200}


def test_the_documentation_can_be_switched_off(web: ContextRunner) -> None:
    """`server.docs: false`; the Studio then does not link it."""
    with web.properties({"server.docs": False}).run() as context, Client(context) as client:
        assert client.get("/docs").status_code == 404
        assert client.get("/openapi.json").status_code == 404
        assert "/docs" not in client.get("/studio").text


def test_the_document_is_valid_json_schema_where_it_describes_queries(web: ContextRunner) -> None:
    """Everything that is referred to is there."""
    with web.sources(router).run() as context:
        text = Client(context).get("/openapi.json").text
    for name in re.findall(r'"#/components/schemas/(\w+)"', text):
        assert name in json.loads(text)["components"]["schemas"]
