"""HTTP: the routes of an application, the cubes, the actuator and the Studio, served by an owned uvicorn.

router = APIRouter()

@router.get("/greet/{name}")
async def greet(name: str, greeter: Autowired[Greeter]) -> str: ...

app = Application(sources=[Greeter, router])
"""

from __future__ import annotations

from .app import Routes, WebApp
from .asgi import asgi_app
from .autowired import Autowired, autowired_types
from .errors import (
    BodyTooLargeError,
    ForeignRequestError,
    InvalidBodyError,
    NotAcceptableError,
    OverloadedError,
    PortInUseError,
    RequestError,
    RequestTimeoutError,
)
from .properties import ServerProperties
from .server import WebServer
from .studio import StudioItem, StudioSection

__all__ = [
    "Autowired",
    "BodyTooLargeError",
    "ForeignRequestError",
    "InvalidBodyError",
    "NotAcceptableError",
    "OverloadedError",
    "PortInUseError",
    "RequestError",
    "RequestTimeoutError",
    "Routes",
    "ServerProperties",
    "StudioItem",
    "StudioSection",
    "WebApp",
    "WebServer",
    "asgi_app",
    "autowired_types",
]
