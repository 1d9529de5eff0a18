"""Every error has one shape, and tells what the client can use and nothing else."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Annotated

import pytest
from fastapi import APIRouter, HTTPException, Query
from pydantic import BaseModel

from app_framework.errors import FrameworkError, ServiceUnavailableError, UserError
from app_framework.testing import Client, ContextRunner
from app_framework.web.problems import CODES, problem_of

STATUSES = {
    400: "INVALID_REQUEST INVALID_QUERY UNKNOWN_MEASURE UNKNOWN_LEVEL UNKNOWN_BRANCH INVALID_ROWS",
    401: "UNAUTHENTICATED",
    403: "FORBIDDEN",
    404: "NOT_FOUND UNKNOWN_CUBE UNKNOWN_TABLE",
    409: "CONFLICT CONCURRENCY ALREADY_EXISTS",
    410: "UNKNOWN_VERSION",
    413: "TOO_LARGE",
    421: "WRONG_NODE",
    429: "OVERLOADED",
    500: "INTERNAL",
    503: "SERVICE_UNAVAILABLE NO_QUORUM NOT_LEADER UNSTABLE UNAVAILABLE",
    504: "TIMEOUT",
}


@dataclass
class Part:
    """One mistake, as a room of the domain describes it."""

    code: str
    field: str
    detail: str
    near: tuple[str, ...] = ()


class SeveralError(UserError):
    """An error that holds several mistakes."""

    code = "INVALID_QUERY"

    def __init__(self, *problems: Part) -> None:
        super().__init__()
        self.problems = problems


class NodeGoneError(ServiceUnavailableError):
    """An error that knows facts."""

    def __init__(self) -> None:
        self.node = "d2"
        self.members = {"l_shipmode": ["FOB"]}

    def __str__(self) -> str:
        return "node d2 does not answer"


class Body(BaseModel):
    """A body that FastAPI checks."""

    name: str
    sizes: list[int]


router = APIRouter()


@router.post("/body")
async def take_body(body: Body) -> Body:
    return body


@router.get("/limited")
async def limited(limit: Annotated[int, Query(ge=1)]) -> int:
    return limit


@router.get("/raise/{what}")
async def fail(what: str) -> None:
    raise {
        "secret": RuntimeError("password=hunter2"),
        "framework": FrameworkError("disk /var/lib/x is full"),
        "teapot": HTTPException(418, "no coffee"),
        "absent": HTTPException(404),
        "busy": HTTPException(503, "later", headers={"Retry-After": "7"}),
        "facts": HTTPException(409, {"version": 3}),
        "gone": NodeGoneError(),
    }[what]


@pytest.fixture
def client(web: ContextRunner):
    with web.sources(router).run() as context, Client(context) as client:
        yield client


def test_codes_have_the_statuses_of_the_contract() -> None:
    """A code is a promise."""
    for status, codes in STATUSES.items():
        assert {code: CODES[code][0] for code in codes.split()} == dict.fromkeys(codes.split(), status)


def test_one_mistake_gives_the_problem_its_code() -> None:
    """The top-level code is the only one."""
    problem = problem_of(SeveralError(Part("UNKNOWN_LEVEL", "levels[0]", "no such level", ("year",))))
    assert problem.as_json() == {
        "type": "urn:app-framework:problem:unknown-level",
        "title": "There is no such level",
        "status": 400,
        "detail": "no such level",
        "code": "UNKNOWN_LEVEL",
        "errors": [{"code": "UNKNOWN_LEVEL", "field": "levels[0]", "detail": "no such level", "near": ["year"]}],
    }


def test_several_codes_make_an_invalid_query() -> None:
    """Every mistake keeps its own code."""
    problem = problem_of(SeveralError(Part("UNKNOWN_LEVEL", "a", "x"), Part("UNKNOWN_MEASURE", "b", "y")))
    assert (problem.code, problem.status, problem.detail) == ("INVALID_QUERY", 400, "x; y")
    assert [mistake.code for mistake in problem.errors] == ["UNKNOWN_LEVEL", "UNKNOWN_MEASURE"]


def test_several_mistakes_of_one_code_keep_it() -> None:
    """INVALID_QUERY stands for different codes only."""
    problem = problem_of(SeveralError(Part("UNKNOWN_VERSION", "a", "x"), Part("UNKNOWN_VERSION", "b", "y")))
    assert (problem.code, problem.status) == ("UNKNOWN_VERSION", 410)


def test_a_path_without_a_route_names_the_near_one(client: Client) -> None:
    """404 of routing is a problem too."""
    answer = client.get("/studoi")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
    assert answer.json()["code"] == "NOT_FOUND"
    assert answer.json()["errors"][0]["near"] == ["/studio"]


def test_a_wrong_method_names_the_right_ones(client: Client) -> None:
    """405 of routing is a problem too, and keeps its Allow."""
    answer = client.delete("/limited")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET")
    assert answer.json()["code"] == "METHOD_NOT_ALLOWED"
    assert answer.json()["detail"] == "DELETE is not allowed here; allowed: GET."


def test_checks_of_fastapi_are_invalid_requests_with_their_fields(client: Client) -> None:
    """All mistakes at once, each with its field, none with the value that was sent."""
    answer = client.post("/body", json={"sizes": [1, "hunter2"]})
    assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_REQUEST")
    assert [error["field"] for error in answer.json()["errors"]] == ["name", "sizes[1]"]
    assert "hunter2" not in answer.text
    assert client.get("/limited?limit=0").json()["errors"][0]["field"] == "limit"
    assert client.post("/body", content=b"{", headers={"content-type": "application/json"}).status_code == 400


@pytest.mark.parametrize("what", ["secret", "framework"])
def test_a_fault_of_ours_says_nothing_but_its_request_id(
    client: Client, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The log has the traceback, the client has the id to find it."""
    answer = client.get(f"/raise/{what}", headers={"X-Request-ID": "abc-1"})
    assert (answer.status_code, answer.json()["code"], answer.json()["request_id"]) == (500, "INTERNAL", "abc-1")
    assert "hunter2" not in answer.text
    assert "disk" not in answer.text
    logged = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert [record.exc_info is not None for record in logged] == [True]


def test_exceptions_of_handlers_keep_their_status(client: Client) -> None:
    """`HTTPException` is the user's own word; the code follows from its status."""
    found = {what: client.get(f"/raise/{what}") for what in ("teapot", "absent", "busy", "facts")}
    told = {
        what: (answer.status_code, answer.json()["code"], answer.json()["detail"]) for what, answer in found.items()
    }
    assert told == {
        "teapot": (418, "INVALID_REQUEST", "no coffee"),
        "absent": (404, "NOT_FOUND", "There is nothing here."),
        "busy": (503, "SERVICE_UNAVAILABLE", "later"),
        "facts": (409, "CONFLICT", "The state has changed."),
    }
    assert found["busy"].headers["retry-after"] == "7"
    assert found["facts"].json()["data"] == {"version": 3}


def test_an_error_tells_the_facts_it_knows(client: Client) -> None:
    """Node, members and whether to try again."""
    answer = client.get("/raise/gone")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    told = {key: answer.json()[key] for key in ("code", "detail", "node", "members", "retryable")}
    assert told == {
        "code": "SERVICE_UNAVAILABLE",
        "detail": "node d2 does not answer",
        "node": "d2",
        "members": {"l_shipmode": ["FOB"]},
        "retryable": True,
    }
