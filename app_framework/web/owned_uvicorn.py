"""uvicorn without its hands on the process: no signals, no logging set-up, no lifespan; and it says when it listens."""

from __future__ import annotations

import asyncio
import contextlib
import socket

import uvicorn
from starlette.types import ASGIApp

from app_framework.web.whole_answers import WholeAnswers


class OwnedUvicorn(uvicorn.Server):
    """A uvicorn server that somebody else starts, stops and awaits.

    Attributes:
        listening: set once connections are accepted.
    """

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()
        # uvicorn would take SIGTERM and raise it again when it is done, and no finalizer would run.
        self.capture_signals = contextlib.nullcontext  # type: ignore[method-assign,assignment]

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept connections."""
        await super().startup(sockets)
        self.listening.set()


def owned(app: ASGIApp, *, keep_alive_s: float, drain_s: float) -> OwnedUvicorn:
    """Return a server for an application.

    Args:
        app: what to serve.
        keep_alive_s: how long an idle connection is kept.
        drain_s: how long requests in flight may finish at stop.
    """
    config = uvicorn.Config(
        app,
        http=WholeAnswers,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=max(1, round(keep_alive_s)),
        timeout_graceful_shutdown=round(drain_s),
    )
    return OwnedUvicorn(config)
