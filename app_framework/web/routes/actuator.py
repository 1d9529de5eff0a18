"""`/actuator`: the endpoints that are exposed over HTTP, with the paths and bodies Spring Boot's tools know."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from app_framework.boot import Endpoint, EndpointRegistry, EndpointRequest, EndpointResponse
from app_framework.web.encoding import dumps, loads
from app_framework.web.errors import InvalidBodyError
from app_framework.web.principal import principal_of

_NO_STORE = {"Cache-Control": "no-store"}


def actuator_router(registry: EndpointRegistry) -> APIRouter:
    """Return the routes of every exposed endpoint, and the page that links them."""
    router = APIRouter(tags=["actuator"])
    base = registry.base_path
    if base:
        router.add_api_route(base, _links(registry), operation_id="actuatorLinks", summary="Links to what is exposed")
    for endpoint in registry.exposed:
        _add(router, registry, endpoint, f"{base}/{endpoint.id}")
    for path, (endpoint_id, selector) in registry.additional_paths.items():
        handler = _reader(registry, endpoint_id, selector)
        router.add_api_route(
            path, handler, operation_id=f"probe{path.strip('/').title()}", summary=f"Probe: {selector}"
        )
    return router


def _add(router: APIRouter, registry: EndpointRegistry, endpoint: Endpoint, path: str) -> None:
    """One endpoint: read and, where allowed, write; with what may follow its id."""
    title = endpoint.id.title()
    paths: dict[str, tuple[str, dict[str, Any]]] = {path: (title, {})}
    if endpoint.selectors:
        name = f"{title}Of{endpoint.selectors.title()}"
        paths[f"{path}/{{{endpoint.selectors}:path}}"] = name, {"parameters": [_parameter(endpoint.selectors)]}
    for each, (name, more) in paths.items():
        read, write = _reader(registry, endpoint.id), _writer(registry, endpoint.id)
        router.add_api_route(each, read, operation_id=f"read{name}", summary=f"Read {endpoint.id}", openapi_extra=more)
        if registry.can_write(endpoint.id):
            router.add_api_route(
                each,
                write,
                methods=["POST"],
                operation_id=f"write{name}",
                summary=f"Change {endpoint.id}",
                openapi_extra=more,
            )


def _parameter(selector: str) -> dict[str, Any]:
    """Describe what follows an endpoint's id in the path: handlers read it from the request, unseen by FastAPI."""
    told = f"The {selector} that is asked for."
    return {"name": selector, "in": "path", "required": True, "schema": {"type": "string"}, "description": told}


Handler = Callable[[Request], Awaitable[Response]]


def _links(registry: EndpointRegistry) -> Handler:
    async def links(request: Request) -> Response:
        return _response(registry.links(f"{request.base_url}".rstrip("/") + registry.base_path))

    return links


def _reader(registry: EndpointRegistry, endpoint_id: str, selector: str | None = None) -> Handler:
    async def read(request: Request) -> Response:
        asked = EndpointRequest(selector=selector or _selector(request), query=_query(request), roles=_roles(request))
        return _response(await registry.read(endpoint_id, asked))

    return read


def _writer(registry: EndpointRegistry, endpoint_id: str) -> Handler:
    async def write(request: Request) -> Response:
        body = await request.body()
        try:
            document = loads(body) if body else None
        except ValueError as error:
            raise InvalidBodyError(f"the body is not JSON: {error}") from None
        asked = EndpointRequest(_selector(request), _query(request), document, _roles(request))
        return _response(await registry.write(endpoint_id, asked))

    return write


def _selector(request: Request) -> str | None:
    return next(iter(request.path_params.values()), None)


def _query(request: Request) -> Mapping[str, Sequence[str]]:
    return {name: request.query_params.getlist(name) for name in request.query_params}


def _roles(request: Request) -> frozenset[str] | None:
    principal = principal_of(request)
    return principal.roles if principal else None


def _response(answer: EndpointResponse) -> Response:
    if answer.text is not None:
        return Response(answer.text, answer.status, _NO_STORE, answer.media_type)
    if answer.body is None:
        return Response(status_code=answer.status, headers=_NO_STORE)
    return Response(dumps(answer.body), answer.status, _NO_STORE, answer.media_type)
