"""`/docs`: the API documentation, from files of this package; it works without any other network."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from app_framework.web.pages import render

docs_router = APIRouter(include_in_schema=False)


@docs_router.get("/docs", name="docs")
async def show_docs(request: Request) -> Response:
    """The API documentation (Swagger UI)."""
    return render("docs.html", title=request.app.title, root=request.scope.get("root_path", ""))
