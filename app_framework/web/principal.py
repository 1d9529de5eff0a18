"""Who sent the request that a handler serves.

@router.post("/notes")
async def add_note(text: str, request: Request, notes: Autowired[Notes]) -> None:
    author = principal_of(request)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app_framework.security import Principal
from app_framework.web.autowired import EXCHANGE

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection

    from app_framework.web.edge import Exchange


def principal_of(connection: HTTPConnection) -> Principal | None:
    """Return who sent a request or opened a WebSocket; None where nobody logged in."""
    exchange: Exchange = connection.scope[EXCHANGE]
    return exchange.principal
