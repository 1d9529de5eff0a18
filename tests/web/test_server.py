"""The server belongs to the application: its port, its start, its stop."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from fastapi import APIRouter
from starlette.applications import Starlette
from starlette.responses import StreamingResponse

from app_framework.boot import Events
from app_framework.testing import ContextRunner
from app_framework.web import PortInUseError, WebServer
from app_framework.web.port_owner import command_shown, owner_of_port
from app_framework.web.server import bind, safe_address

HOLD_PORT = """
import socket, sys
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
sys.stdin.read()
"""


@contextmanager
def process_with_a_port() -> Iterator[tuple[int, int]]:
    """Another process that listens: its port and its id."""
    with subprocess.Popen([sys.executable, "-c", HOLD_PORT], stdin=-1, stdout=-1, text=True) as process:
        assert process.stdout is not None
        yield int(process.stdout.readline()), process.pid
        process.communicate("")


def test_the_address_is_published_when_requests_are_answered(listening: ContextRunner) -> None:
    """Port 0 takes a free one, known as soon as the application has started."""
    with listening.run() as context:
        url = context.addresses["http"]
        assert url == f"http://127.0.0.1:{context[WebServer].port}"
        assert httpx.get(f"{url}/actuator/health").json() == {"status": "UP", "groups": ["liveness", "readiness"]}


def test_the_port_is_free_after_the_stop(listening: ContextRunner) -> None:
    """Nothing keeps listening."""
    with listening.run() as context:
        port = context[WebServer].port
    bind("127.0.0.1", port).close()


def test_fa6_a_taken_port_is_explained_with_its_owner(listening: ContextRunner) -> None:
    """Which port, who has it, what to do; nothing of the application is left running."""
    with process_with_a_port() as (port, pid):
        failure = listening.properties({"server.port": port}).fails()
    assert f"port {port}" in failure.description
    assert re.search(rf"the port is in use by python[\d.]* \(pid {pid}\)\.", failure.description)
    assert f"Stop process {pid}" in failure.action
    assert "--server.port=0" in failure.action


def test_a_port_of_our_own_process_is_in_use_too() -> None:
    """The owner is then this process."""
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(PortInUseError) as caught:
        bind("127.0.0.1", taken.getsockname()[1])
    assert caught.value.pid == os.getpid()


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (["/v/bin/python", "/v/bin/af", "run", "sample_app.main:app"], "af run sample_app.main:app"),
        (["/v/bin/python3.11", "-X", "dev", "-m", "app_framework", "run", "--token=x"], "af run"),
        (["/usr/bin/python3", "-u", "-m", "http.server", "8000"], "python3 -m http.server"),
        (["/usr/bin/python3", "serve.py", "secret"], "python3 serve.py"),
        (["python", "-c", "secret"], "python"),
        (["python"], "python"),
        (["/usr/sbin/nginx", "secret"], "nginx"),
        (["redis-server *:6379"], "redis-server"),
    ],
)
def test_a_process_is_called_what_a_person_calls_it(words: list[str], shown: str) -> None:
    """Without interpreter and folders; never with the arguments of a foreign program, which may be secrets."""
    assert command_shown(words) == shown


def test_an_unknown_owner_is_another_process() -> None:
    """Other users' processes, and systems without /proc, keep their secret."""
    assert owner_of_port(1) == (None, None)
    assert str(PortInUseError("127.0.0.1", 80)) == "port 80 on 127.0.0.1 is in use by another process"


@pytest.mark.parametrize("steps", range(8))
def test_a_start_that_is_interrupted_leaves_nothing_behind(steps: int) -> None:
    """Wherever it was: the port is free again, and the stop that follows has nothing to complain about."""

    async def story() -> None:
        server = WebServer(Starlette, Events(), port=0)
        starting = asyncio.create_task(server.start())
        for _ in range(steps):
            await asyncio.sleep(0)
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        await server.stop()
        assert server.url is None
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(story())


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "10.0.0.1", "node.example", ""])
def test_without_security_a_node_listens_on_loopback_only(address: str, caplog: pytest.LogCaptureFixture) -> None:
    """One line says why, where the other address was written, and how to open the node."""
    assert safe_address(address, "application.yml:2:3") == "127.0.0.1"
    assert len(caplog.records) == 1
    told = caplog.records[0].getMessage()
    assert "(application.yml:2:3)" in told
    assert "proxy" in told


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "localhost", "127.8.0.1"])
def test_loopback_addresses_are_kept(address: str, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing to say about them."""
    assert safe_address(address, "x") == address
    assert not caplog.records


def test_fa6_requests_in_flight_finish_before_components_stop(listening: ContextRunner) -> None:
    """New connections are refused while the answer that had begun is sent to its end."""
    router = APIRouter()
    entered, release = asyncio.Event(), asyncio.Event()

    @router.get("/held")
    async def held() -> StreamingResponse:
        async def parts():
            yield "first "
            entered.set()
            await release.wait()
            yield "last"

        return StreamingResponse(parts())

    async def drain() -> tuple[str, bool]:
        context = listening.sources(router).start()
        await context.start()
        url = context.addresses["http"]
        async with httpx.AsyncClient() as client:
            answer = asyncio.create_task(client.get(f"{url}/held"))
            await entered.wait()
            stopping = asyncio.create_task(context.stop())
            refused = await _refused(url)
            release.set()
            await stopping
            return (await answer).text, refused

    assert asyncio.run(drain()) == ("first last", True)


async def _refused(url: str) -> bool:
    """Wait until the port takes no new connection."""
    host, port = url.removeprefix("http://").split(":")
    async with asyncio.timeout(5):
        while True:
            try:
                _, writer = await asyncio.open_connection(host, int(port))
            except OSError:
                return True
            writer.close()
            await asyncio.sleep(0.01)


def test_a_request_that_never_ends_is_cut_at_the_bound(caplog: pytest.LogCaptureFixture) -> None:
    """The stop does not wait for ever, and waits until the cancelled request has unwound."""
    told: list[str] = []
    entered = asyncio.Event()

    async def endless(scope, receive, send) -> None:
        entered.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            told.append("unwound")

    async def cut() -> None:
        server = WebServer(lambda: endless, Events(), port=0, drain_s=0)
        await server.start()
        async with httpx.AsyncClient() as client:
            request = asyncio.create_task(client.get(str(server.url)))
            await entered.wait()
            await server.stop()
            told.append("stopped")
            await asyncio.gather(request, return_exceptions=True)

    with caplog.at_level(logging.CRITICAL, "uvicorn"):
        asyncio.run(cut())
    assert told == ["unwound", "stopped"]


def test_a_refused_body_leaves_a_server_that_answers(listening: ContextRunner) -> None:
    """A body that is too large is not read to its end; the next request is served."""
    router = APIRouter()

    @router.post("/body")
    async def take(body: dict[str, str]) -> int:
        return len(body)

    runner = listening.sources(router).properties({"server.max-body-size": "1KB"})
    with runner.run() as context, httpx.Client(base_url=context.addresses["http"]) as client:
        for _ in range(3):
            assert client.post("/body", content=b"x" * 200_000).status_code == 413
            assert client.post("/body", content=(b"x" * 100 for _ in range(2000))).status_code == 413
            assert client.post("/body", json={"a": "b"}).json() == 1


def test_fa7_two_applications_listen_in_one_loop(listening: ContextRunner) -> None:
    """Each on its own port, stopped one without the other."""

    async def both() -> list[int]:
        async with listening.start() as first, httpx.AsyncClient() as client:
            async with listening.start() as second:
                urls = [first.addresses["http"], second.addresses["http"]]
                assert len(set(urls)) == 2
                found = [(await client.get(f"{url}/actuator/health")).status_code for url in urls]
            return [*found, (await client.get(f"{urls[0]}/actuator/health")).status_code]

    assert asyncio.run(both()) == [200, 200, 200]


def test_a_node_without_a_port_answers_in_the_process_only(web: ContextRunner) -> None:
    """`server.enabled: false`."""
    with web.run() as context:
        assert "http" not in context.addresses
        assert not context.all(WebServer)


def test_a_kept_connection_does_not_wait_for_nagle() -> None:
    """Asyncio switches Nagle's delay off only where the listening socket says that it is TCP."""
    with bind("127.0.0.1", 0) as listener:
        assert listener.proto == socket.IPPROTO_TCP
