"""An answer leaves in one piece where it is one, and its head does not wait for a body that is not there yet."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator

import pytest
from fastapi import APIRouter
from starlette.responses import Response, StreamingResponse

from app_framework.boot import ApplicationContext
from app_framework.testing import ContextRunner
from app_framework.web import WebServer
from app_framework.web.whole_answers import TOGETHER_BYTES_MAX

router = APIRouter()
LONG = b"x" * (TOGETHER_BYTES_MAX + 1)


@router.get("/short")
async def short() -> Response:
    return Response(b"a few bytes")


@router.get("/long")
async def long() -> Response:
    return Response(LONG)


@router.get("/nothing")
async def nothing() -> Response:
    return Response(status_code=204)


@router.get("/endless")
async def endless() -> Response:
    async def pieces() -> AsyncIterator[bytes]:
        await asyncio.Event().wait()
        yield b"never"

    return StreamingResponse(pieces())


@router.get("/broken")
async def broken() -> Response:
    async def pieces() -> AsyncIterator[bytes]:
        raise ConnectionError("in the middle")
        yield b""

    return StreamingResponse(pieces())


@pytest.fixture(scope="module")
def context() -> Iterator[ApplicationContext]:
    from app_framework.web.autoconfigure import WebAutoConfiguration

    runner = ContextRunner(auto=[WebAutoConfiguration]).properties({"server.port": 0}).sources(router)
    with runner.run() as running:
        yield running


@pytest.fixture
def connection(context: ApplicationContext) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", context[WebServer].port), timeout=30) as connected:
        yield connected


def ask(connection: socket.socket, *paths: str) -> None:
    connection.sendall(b"".join(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode() for path in paths))


def read_until(connection: socket.socket, end: bytes) -> bytes:
    received = b""
    while not received.endswith(end):
        piece = connection.recv(1 << 20)
        assert piece, received[:500]
        received += piece
    return received


def test_a_short_answer_is_one_packet(connection: socket.socket) -> None:
    for _ in range(3):
        ask(connection, "/short")
        received = connection.recv(1 << 16)
        assert received.startswith(b"HTTP/1.1 200 OK\r\n")
        assert received.endswith(b"\r\n\r\na few bytes")


def test_answers_to_requests_that_were_sent_together_come_in_order(connection: socket.socket) -> None:
    ask(connection, "/short", "/nothing", "/long", "/short")
    received = read_until(connection, b"a few bytes")
    if received.count(b"a few bytes") == 1:
        received += read_until(connection, b"a few bytes")
    heads = [part.partition(b"\r\n")[0] for part in received.split(b"HTTP/1.1 ")[1:]]
    assert heads == [b"200 OK", b"204 No Content", b"200 OK", b"200 OK"]
    assert received.count(LONG) == 1


def test_a_head_does_not_wait_for_a_body_that_is_not_there(connection: socket.socket) -> None:
    ask(connection, "/endless")
    assert b"transfer-encoding: chunked" in read_until(connection, b"\r\n\r\n")


def test_a_head_is_sent_before_a_connection_is_broken_off(connection: socket.socket) -> None:
    ask(connection, "/broken")
    assert read_until(connection, b"\r\n\r\n").startswith(b"HTTP/1.1 200 OK")
    assert connection.recv(100) == b""
