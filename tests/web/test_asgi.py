"""An application inside a server that the framework does not own."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from fastapi import APIRouter

from app_framework.boot import Application
from app_framework.errors import FrameworkError
from app_framework.testing import ContextRunner
from app_framework.web import Autowired, asgi_app
from app_framework.web.asgi import AsgiDoor


class Greeter:
    """What the handler asks for."""


router = APIRouter()


@router.get("/greet")
async def greet(greeter: Autowired[Greeter]) -> str:
    return "hello"


async def run_lifespan(door: AsgiDoor, inside: list[str]) -> list[dict[str, str]]:
    """Do what uvicorn does: start, serve one request, stop."""
    messages: list[dict[str, str]] = []
    incoming: asyncio.Queue[dict[str, str]] = asyncio.Queue()
    answered = asyncio.Event()

    async def send(message: dict[str, str]) -> None:
        messages.append(message)
        answered.set()

    life = asyncio.create_task(door({"type": "lifespan"}, incoming.get, send))
    await incoming.put({"type": "lifespan.startup"})
    await answered.wait()
    if messages[0]["type"] == "lifespan.startup.complete":
        transport = httpx.ASGITransport(door)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            inside.append((await client.get("/greet")).json())
        await incoming.put({"type": "lifespan.shutdown"})
    await life
    return messages


def test_the_application_lives_as_long_as_the_lifespan(web: ContextRunner) -> None:
    """Started before the first request, stopped after the last, without a port of its own."""
    inside: list[str] = []
    messages = asyncio.run(run_lifespan(AsgiDoor(web.sources(Greeter, router).start), inside))
    assert [message["type"] for message in messages] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert inside == ["hello"]


def test_a_failed_start_is_told_in_words(web: ContextRunner) -> None:
    """Description and action, as on the command line."""
    messages = asyncio.run(run_lifespan(AsgiDoor(web.sources(router).start), []))
    assert messages[0]["type"] == "lifespan.startup.failed"
    assert "Greeter" in messages[0]["message"]
    assert "Action:" in messages[0]["message"]


def test_a_server_without_lifespan_is_told_so() -> None:
    """Nothing answers before the application has started."""

    async def ask() -> None:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(asgi_app(Application("shop")))) as client:
            await client.get("http://127.0.0.1/")

    with pytest.raises(FrameworkError, match="lifespan"):
        asyncio.run(ask())
