"""HTTP to an application in the same process: no port, no socket, the real routes and the real edge.

with ContextRunner(auto=[WebAutoConfiguration]).sources(router).run() as context:
    assert Client(context).get("/greet/ada").json() == "hello ada"
"""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from typing import Any

import httpx

from app_framework.boot import ApplicationContext
from app_framework.web import WebApp

BASE_URL = "http://127.0.0.1"
"""What `Host` says unless a test says otherwise: a name that every node answers to."""


class Client(httpx.Client):
    """A client for tests that run beside the application's event loop, as in ``with runner.run() as context``.

    Args:
        context: running in another thread, with the web starter on.
        auth: name and password of a user.
        token: of a program; instead of `auth`.
        **options: for `httpx.Client`, such as ``headers``.
    """

    def __init__(
        self,
        context: ApplicationContext,
        *,
        auth: tuple[str, str] | None = None,
        token: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__(transport=_ThreadTransport(context), auth=_auth(auth, token), **_defaults(options))


class AsyncClient(httpx.AsyncClient):
    """A client for tests that run on the application's own event loop, as in ``async with runner.start()``.

    Args:
        context: running, with the web starter on.
        auth: name and password of a user.
        token: of a program; instead of `auth`.
        **options: for `httpx.AsyncClient`, such as ``headers``.
    """

    def __init__(
        self,
        context: ApplicationContext,
        *,
        auth: tuple[str, str] | None = None,
        token: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__(transport=_transport(context), auth=_auth(auth, token), **_defaults(options))


class BearerAuth(httpx.Auth):
    """Sends a token with each request."""

    def __init__(self, token: str) -> None:
        self._header = f"Bearer {token}"

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Put the header on a request."""
        request.headers["Authorization"] = self._header
        yield request


class _ThreadTransport(httpx.BaseTransport):
    """Hands each request to the application's loop, and waits there for the whole answer."""

    def __init__(self, context: ApplicationContext) -> None:
        self._loop = context[WebApp].loop
        self._transport = _transport(context)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request."""
        return asyncio.run_coroutine_threadsafe(self._send(request), self._loop).result()

    async def _send(self, request: httpx.Request) -> httpx.Response:
        sent = httpx.Request(request.method, request.url, headers=request.headers, content=request.read())
        answer = await self._transport.handle_async_request(sent)
        body = httpx.ByteStream(await answer.aread())
        return httpx.Response(answer.status_code, headers=answer.headers, stream=body)


def _auth(auth: tuple[str, str] | None, token: str | None) -> httpx.Auth | None:
    if auth and token:
        raise ValueError("a client has either auth or a token")
    if token:
        return BearerAuth(token)
    return httpx.BasicAuth(*auth) if auth else None


def _defaults(options: dict[str, Any]) -> dict[str, Any]:
    return {"base_url": BASE_URL, **options}


def _transport(context: ApplicationContext) -> httpx.ASGITransport:
    return httpx.ASGITransport(context[WebApp], raise_app_exceptions=False)
