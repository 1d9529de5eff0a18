"""What every request passes: an id, bounds, one metric, one line in the log."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Iterator

import pytest
from fastapi import APIRouter
from starlette.requests import Request

from app_framework.boot.management.log_context import current_request_fields
from app_framework.testing import AsyncClient, Client, ContextRunner
from app_framework.web import WebApp

router = APIRouter()


@router.post("/echo/{name}")
async def echo(name: str, request: Request) -> int:
    return len(await request.body())


@router.get("/log-context")
async def log_context() -> dict[str, str]:
    return dict(current_request_fields())


@router.get("/slow")
async def slow() -> None:
    await asyncio.Event().wait()


def test_every_answer_names_its_request(web: ContextRunner) -> None:
    """The client's id where it is well-formed, else one of ours."""
    with web.run() as context, Client(context) as client:
        for path in ("/studio", "/nothing", "/actuator/health"):
            assert len(client.get(path).headers["x-request-id"]) == 16
        assert client.get("/nothing", headers={"X-Request-ID": "a1/b-2"}).headers["x-request-id"] == "a1/b-2"
        for forged in ("a b", "x" * 129, "a\tb", "<script>"):
            assert client.get("/nothing", headers={"X-Request-ID": forged}).headers["x-request-id"] != forged


def test_log_lines_of_a_request_carry_its_id_and_trace(web: ContextRunner) -> None:
    """The caller's `traceparent` is handed on; what is not one is left out."""
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    with web.sources(router).run() as context, Client(context) as client:
        told = client.get("/log-context", headers={"X-Request-ID": "r1", "traceparent": trace}).json()
        assert told == {
            "request_id": "r1",
            "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
            "span_id": "00f067aa0ba902b7",
        }
        assert client.get("/log-context", headers={"X-Request-ID": "r1", "traceparent": "x"}).json() == {
            "request_id": "r1"
        }


def test_a_request_is_one_line_in_the_log(web: ContextRunner, caplog: pytest.LogCaptureFixture) -> None:
    """Method, path as it came over the wire, status, duration; the query may hold secrets and is left out."""
    with caplog.at_level(logging.INFO, "app_framework.web.access"), web.sources(router).run() as context:
        Client(context).post("/echo/a%0Ab?token=hunter2", content=b"x")
    lines = [record.getMessage() for record in caplog.records if record.name == "app_framework.web.access"]
    assert len(lines) == 1
    assert lines[0].startswith("POST /echo/a%0Ab 200 ")
    assert lines[0].endswith(" ms")


def test_the_access_log_can_be_switched_off(web: ContextRunner, caplog: pytest.LogCaptureFixture) -> None:
    """`server.access-log`."""
    with caplog.at_level(logging.INFO), web.properties({"server.access-log": False}).run() as context:
        Client(context).get("/studio")
    assert not [record for record in caplog.records if record.name == "app_framework.web.access"]


def test_requests_are_counted_by_route_and_not_by_path(web: ContextRunner) -> None:
    """Names in paths do not make series."""
    runner = web.sources(router).properties({"management.endpoints.web.exposure.include": ["prometheus"]})
    with runner.run() as context, Client(context) as client:
        for name in "abc":
            client.post(f"/echo/{name}")
        client.get("/nothing/here")
        client.get("/assets/studio.css")
        found = set(re.findall(r"requests_seconds_count\{(.*)\} (.*)", client.get("/actuator/prometheus").text))
    assert found == {
        ('method="POST",outcome="SUCCESS",status="200",uri="/echo/{name}"', "3.0"),
        ('method="GET",outcome="CLIENT_ERROR",status="404",uri="UNKNOWN"', "1.0"),
        ('method="GET",outcome="SUCCESS",status="200",uri="/assets/**"', "1.0"),
    }


def _chunks(size: int) -> Iterator[bytes]:
    for _ in range(size):
        yield b"x"


def test_a_body_over_the_bound_is_refused(web: ContextRunner) -> None:
    """Whether its size is said before or found out on the way."""
    with web.sources(router).properties({"server.max-body-size": "10B"}).run() as context, Client(context) as client:
        assert client.post("/echo/a", content=b"x" * 10).json() == 10
        assert client.post("/echo/a", content=_chunks(10)).json() == 10
        for body in (b"x" * 11, _chunks(11)):
            answer = client.post("/echo/a", content=body)
            assert (answer.status_code, answer.json()["code"]) == (413, "TOO_LARGE")
            assert "server.max-body-size" in answer.json()["detail"]


def test_a_handler_that_does_not_answer_is_ended(web: ContextRunner) -> None:
    """504, naming the bound."""
    runner = web.sources(router).properties({"server.request-timeout": "20ms"})
    with runner.run() as context, Client(context) as client:
        answer = client.get("/slow")
    assert (answer.status_code, answer.json()["code"], answer.json()["retryable"]) == (504, "TIMEOUT", True)
    assert "server.request-timeout" in answer.json()["detail"]


def test_more_requests_than_the_bound_are_refused(web: ContextRunner) -> None:
    """429 for the one too many; the node serves again when one has ended."""
    entered, release = asyncio.Event(), asyncio.Event()
    held = APIRouter()

    @held.post("/hold")
    async def hold() -> str:
        entered.set()
        await release.wait()
        return "done"

    async def ask() -> tuple[int, str, int]:
        async with web.sources(held).properties({"server.max-requests": 1}).start() as context:
            client = AsyncClient(context)
            first = asyncio.create_task(client.post("/hold"))
            await entered.wait()
            refused = await client.post("/hold")
            release.set()
            return refused.status_code, refused.json()["code"], (await first).status_code

    assert asyncio.run(ask()) == (429, "OVERLOADED", 200)


def test_a_client_that_leaves_while_it_sends_is_no_failure(
    web: ContextRunner, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody is there to be answered; the log says 499 and shows no traceback."""

    async def leave() -> None:
        async with web.sources(router).start() as context:
            scope = {
                "type": "http", "method": "POST", "path": "/echo/a", "query_string": b"", "root_path": "",
                "headers": [(b"host", b"localhost")], "server": ("127.0.0.1", 80), "scheme": "http",
            }  # fmt: skip

            async def receive() -> dict[str, str]:
                return {"type": "http.disconnect"}

            async def send(message: dict[str, object]) -> None:
                raise AssertionError(f"nobody is there for {message}")

            await context[WebApp](scope, receive, send)

    with caplog.at_level(logging.INFO):
        asyncio.run(leave())
    assert any(record.getMessage().startswith("POST /echo/a 499 ") for record in caplog.records)
    assert not [record for record in caplog.records if record.levelno > logging.INFO]
