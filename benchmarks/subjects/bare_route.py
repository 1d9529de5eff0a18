"""The same route without the framework: a FastAPI with a greeter in a variable.

python -m benchmarks.subjects.bare_route PORT
python -m benchmarks.subjects.bare_route PORT --edge     # behind the same middleware, with the same log

"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from starlette.middleware import Middleware

from benchmarks.subjects.greeting import Greeter


def main(port: int, *, edge: bool) -> None:
    """Serve one route."""
    # FastAPI's own telemetry is off on both sides, and connections are kept for as long.
    api = FastAPI(telemetry={"tracing": False, "metrics": False, "logs": False}, middleware=[_edge()] if edge else [])
    greeter = Greeter()

    @api.get("/greet/{name}")
    async def greet(name: str) -> str:
        return greeter.greet(name)

    uvicorn.run(
        api,
        host="127.0.0.1",
        port=port,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=75,
    )


def _edge() -> Middleware:
    """What stands before every route of a node, set up as in a node: ids, bounds, a timer, a line in the log."""
    from app_framework.boot import Environment, Metrics
    from app_framework.boot.management.logs import LoggingSystem
    from app_framework.boot.management.properties import LoggingProperties
    from app_framework.web.edge import Edge, EdgeSettings
    from app_framework.web.guard import RequestGuard
    from app_framework.web.properties import ServerProperties

    environment = Environment.load(directory=Path(os.devnull))
    environment.claim((LoggingProperties, ServerProperties))
    LoggingSystem.of(environment, application="bare-route").start()
    server = environment.bind(ServerProperties)
    labels = ("method", "uri", "status", "outcome")
    settings = EdgeSettings(
        guard=RequestGuard(),
        body_bytes_max=server.max_body_size,
        requests_max=server.max_requests,
        timeout_s=server.request_timeout.total_seconds(),
        access_log=server.access_log,
        timer=Metrics().timer("http.server.requests", "Duration of HTTP requests.", labels=labels),
    )
    return Middleware(Edge, settings)


if __name__ == "__main__":
    main(int(sys.argv[1]), edge="--edge" in sys.argv)
