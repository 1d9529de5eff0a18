"""HTTP: the routes of an application, the cubes, the actuator and the Studio, served by an owned uvicorn.

router = APIRouter()

@router.get("/greet/{name}")
async def greet(name: str, greeter: Autowired[Greeter]) -> str: ...

app = Application(sources=[Greeter, router])
"""

from __future__ import annotations

from app_framework.web.app import Direct, Later, Routes, WebApp
from app_framework.web.asgi import asgi_app
from app_framework.web.autowired import Autowired, autowired_types
from app_framework.web.errors import (
    BodyTooLargeError,
    ForeignRequestError,
    InvalidBodyError,
    NotAcceptableError,
    OverloadedError,
    PortInUseError,
    RequestError,
    RequestTimeoutError,
)
from app_framework.web.principal import principal_of
from app_framework.web.properties import ServerProperties
from app_framework.web.server import WebServer
from app_framework.web.studio import StudioItem, StudioSection

__all__ = [
    "Autowired",
    "BodyTooLargeError",
    "Direct",
    "ForeignRequestError",
    "InvalidBodyError",
    "Later",
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
    "principal_of",
]
