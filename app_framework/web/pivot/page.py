"""`/studio/cubes`: a pivot and charts of a cube, served with nothing from anywhere else."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Body
from starlette.responses import RedirectResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope
from starlette.websockets import WebSocket

from app_framework.boot import ApplicationContext
from app_framework.errors import ServiceUnavailableError
from app_framework.olap import Manager
from app_framework.web.encoding import dumps
from app_framework.web.pages import CONTENT_SECURITY_POLICY, render, twin
from app_framework.web.pivot.address import PAGE, PERSPECTIVE, pivot_url
from app_framework.web.pivot.columns import Column, LevelColumn, PivotColumns
from app_framework.web.pivot.layout import describe_questions, read_layout
from app_framework.web.pivot.number_format import number_format
from app_framework.web.pivot.socket import PivotSockets
from app_framework.web.studio.routes import describe_node

MEASURES_FIRST = 4
"""So many measures are shown before the reader chooses."""

MEMBERS_FIRST_MAX = 200
"""Rows are grouped by the first level that has at most so many members, before the reader chooses."""

_FILTER_INPUT = b"this.parentNode.dataset.value=this.value"
"""The one script in an attribute that Perspective has: the field of a filter grows with what is typed."""

_FILTER_HASH = b64encode(sha256(_FILTER_INPUT).digest()).decode()
_NEEDS = {
    "script-src 'self'": "script-src 'self' 'wasm-unsafe-eval' blob:; worker-src blob:; "
    f"script-src-attr 'unsafe-hashes' 'sha256-{_FILTER_HASH}'",
    "style-src 'self'": "style-src 'self' 'unsafe-inline'",
    "connect-src 'self'": "connect-src 'self' data: blob:",
}
POLICY = "; ".join(_NEEDS.get(rule, rule) for rule in CONTENT_SECURITY_POLICY.split("; "))
"""Perspective is WebAssembly that came inside its script, works in workers that it makes itself, and writes styles
where it draws. Scripts stay those of this node, and whatever is loaded comes from it."""


def pivot_router(context: ApplicationContext, manager: Manager, sockets: PivotSockets) -> APIRouter:
    """Return the pages, their twins, the WebSocket, and the files of Perspective."""
    router = APIRouter(include_in_schema=False)

    @router.get(PAGE)
    async def show_cubes(format: str = "html") -> Response:  # noqa: A002
        """The first cube's pivot, or the JSON twin: which cubes there are."""
        if format == "json":
            return twin({**describe_node(context), "cubes": [_link(manager, name) for name in manager.cubes]})
        if manager.cubes:
            return RedirectResponse(pivot_url(next(iter(manager.cubes))), 307)
        return render("no_cubes.html", node=describe_node(context))

    @router.get(PAGE + "/{cube}")
    async def show_pivot(cube: str, format: str = "html") -> Response:  # noqa: A002
        """The pivot of a cube, or the JSON twin: what it offers, and where it is asked."""
        document = await _describe(manager, cube)
        if format == "json":
            return twin({**describe_node(context), **document})
        page = render(
            "pivot.html",
            node=describe_node(context),
            cube=document,
            cubes=[_link(manager, name) for name in manager.cubes],
            document=dumps({"application": context.application_name, **document}).decode(),
            perspective=_perspective_url(),
        )
        page.headers["Content-Security-Policy"] = POLICY
        return page

    @router.post(PAGE + "/{cube}/queries")
    async def list_queries(cube: str, layout: Annotated[dict[str, Any], Body()]) -> Response:
        """The queries that a layout asks, as ``POST /cubes/{cube}/query`` takes them; the first has the cells."""
        columns = PivotColumns.of(manager.describe(cube))
        questions = read_layout(columns, layout).questions
        return twin({"cube": cube, "queries": describe_questions(questions)})

    @router.websocket(PAGE + "/{cube}/pivot")
    async def pivot(websocket: WebSocket, cube: str) -> None:
        """Perspective's own protocol."""
        await sockets.serve(websocket, cube)

    router.mount(_perspective_url(), _Unchanging(directory=_perspective_folder()))
    return router


class _Unchanging(StaticFiles):
    """Files below a path that has their version in it: a browser asks for them once."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = "private, max-age=31536000, immutable"
        return response


@cache
def _perspective_url() -> str:
    return f"{PERSPECTIVE}/{version('perspective-python')}"


@cache
def _perspective_folder() -> Path:
    """Where the wheel has what runs in the browser; found without importing it."""
    spec = find_spec("perspective")
    assert spec is not None, "this page is only served where Perspective is installed"
    assert spec.origin is not None, "Perspective is a package with files"
    return Path(spec.origin).parent / "widget" / "static"


def _link(manager: Manager, name: str) -> dict[str, object]:
    described = manager.describe(name)
    return {"name": name, "caption": described["caption"], "url": pivot_url(name)}


async def _describe(manager: Manager, cube: str) -> dict[str, Any]:
    described = manager.describe(cube)
    columns = PivotColumns.of(described)
    return {
        "cube": cube,
        "caption": described["caption"],
        "description": described["description"],
        "columns": [*map(_column, columns.levels.values()), *map(_column, columns.measures.values())],
        "layout": await _first_layout(manager, cube, columns),
        "formats": _formats(columns),
        "socket": f"{pivot_url(cube)}/pivot",
        "queries": f"{pivot_url(cube)}/queries",
    }


def _column(column: Column) -> dict[str, object]:
    shared = {"name": column.name, "caption": column.caption, "type": column.type.name, "shown_as": column.shown_as}
    if isinstance(column, LevelColumn):
        return {"role": "level", **shared}
    return {"role": "measure", **shared, "format": column.format}


async def _first_layout(manager: Manager, cube: str, columns: PivotColumns) -> dict[str, object]:
    """Return what is shown before the reader chooses: a few measures by a level with a few members."""
    measures = list(columns.measures.values())
    return {
        "plugin": "Datagrid",
        "group_by": await _first_group(manager, cube, list(columns.levels.values())),
        "columns": [measure.name for measure in measures[:MEASURES_FIRST]],
    }


async def _first_group(manager: Manager, cube: str, levels: Sequence[LevelColumn]) -> list[str]:
    for level in levels:
        try:
            members = await manager.members(cube, level.name, limit=MEMBERS_FIRST_MAX + 1)
        except ServiceUnavailableError:  # of other nodes; the pivot says so where it asks for numbers
            break
        if 1 < len(members) <= MEMBERS_FIRST_MAX:
            return [level.name]
    return [level.name for level in levels[:1]]


def _formats(columns: PivotColumns) -> Mapping[str, object]:
    """How each measure is shown, for Perspective's ``columns_config``; bars that do not add up are not stacked."""
    return {
        measure.name: {"number_format": number_format(measure.type, measure.format), "stack": measure.additive}
        for measure in columns.measures.values()
        if measure.type.numeric
    }
