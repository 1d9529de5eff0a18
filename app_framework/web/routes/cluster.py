"""`/api/cluster`: who is in the cluster, who leads, and the three changes; `_system._clusternodes` shows the same.

    curl -X POST http://localhost:8080/api/cluster/register -d '{"url": "http://localhost:8081"}'

Bodies are read as JSON whatever content type is sent, because that is what curl does without further words (J20).
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Path
from starlette.requests import Request
from starlette.responses import Response

from app_framework.cluster.errors import UnknownNodeError
from app_framework.cluster.service import ClusterService
from app_framework.cluster.view import COLLECTION, ClusterView, NodeDocument
from app_framework.errors import FrameworkError, ServiceUnavailableError, near_matches
from app_framework.web.cluster_verdict import describe_cluster
from app_framework.web.encoding import dumps, loads
from app_framework.web.errors import BodyTooLargeError, InvalidBodyError
from app_framework.web.guard import is_loopback
from app_framework.web.node_address import node_or_url, node_url
from app_framework.web.openapi import documented
from app_framework.web.problems import Mistake, Problem, problem_of
from app_framework.web.routes.cluster_schema import (
    CHANGE_ANSWER,
    DECISIONS,
    ENTRIES,
    ENTRY,
    STATUS,
    STOP_BODY,
    URL_BODY,
    VIEW,
)

CHANGE_BYTES_MAX = 16 * 1024
"""A change names one node."""

PEER_BYTES_MAX = 256 * 1024
"""What a node may tell another one in a call."""

EPOCH_HEADER = "X-Cluster-Epoch"
"""Tells a client that what it knows of the members is old."""

NO_FORWARD = "x-no-forward"

_ENTRIES = f"/tables/{COLLECTION}/entries"
_REFUSALS = ("INVALID_REQUEST", "CONFLICT", "NOT_LEADER", "NO_QUORUM", "UNSTABLE", "UNAVAILABLE", "TIMEOUT")
_VERBS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
_logger = logging.getLogger(__name__)

Change = Callable[..., Awaitable[NodeDocument]]
Find = Callable[[], ClusterService]


def cluster_router(find: Find) -> APIRouter:
    """Return the routes of the membership service.

    Args:
        find: returns the node's service; it is asked at the first request, when every component exists.
    """
    router = APIRouter(tags=["cluster"])
    _add_readers(router, find)
    _add_changes(router, find)
    _add_collection(router, find)
    _add_doors_of_nodes(router, find)
    return router


def _add_readers(router: APIRouter, find: Find) -> None:
    @router.get(
        "/api/cluster",
        operation_id="readCluster",
        summary="Read who is in the cluster",
        openapi_extra=VIEW,
    )
    async def read_cluster() -> Response:
        """What this node knows of its cluster: state, leader, term, epoch, members."""
        view = find().view()
        return _json(describe_cluster(view), view)

    @router.get(
        "/api/cluster/decisions",
        operation_id="listClusterDecisions",
        summary="List what the leaders decided, and why",
        openapi_extra=DECISIONS,
    )
    async def list_decisions() -> Response:
        """The last decisions, the newest first."""
        service = find()
        return _json([decision.as_json() for decision in service.decisions()], service.view())


def _add_changes(router: APIRouter, find: Find) -> None:
    @router.post(
        "/api/cluster/register",
        operation_id="registerNode",
        summary="Make a running node a member",
        responses=documented(*_REFUSALS),
        openapi_extra={**URL_BODY, **CHANGE_ANSWER},
    )
    async def register(request: Request) -> Response:
        """Make the node at a URL a member; one that is a member already is returned as it is."""
        url = node_url(_required(await _document(request), "url"))
        return await _change(request, find(), find().register, url, "registered")

    @router.post(
        "/api/cluster/deregister",
        operation_id="deregisterNode",
        summary="Remove a member",
        responses=documented(*_REFUSALS, "NOT_FOUND"),
        openapi_extra={**URL_BODY, **CHANGE_ANSWER},
    )
    async def deregister(request: Request) -> Response:
        """Remove a member, by its URL or its id."""
        node = node_or_url(_required(await _document(request), "url", "node"))
        return await _change(request, find(), find().deregister, node, "deregistered")

    @router.post(
        "/api/cluster/stop",
        operation_id="stopNode",
        summary="Stop a member",
        responses=documented(*_REFUSALS, "NOT_FOUND"),
        openapi_extra={**STOP_BODY, **CHANGE_ANSWER},
    )
    async def stop(request: Request) -> Response:
        """Send a member, by its URL or its id, the signal to stop; it is INACTIVE until it is started again."""
        node = node_or_url(_required(await _document(request), "node", "url"))
        return await _change(request, find(), find().stop_node, node, "stop_sent")


def _add_collection(router: APIRouter, find: Find) -> None:
    @router.get(
        _ENTRIES,
        operation_id="listClusterNodes",
        summary="List the membership documents",
        openapi_extra=ENTRIES,
    )
    async def list_documents() -> Response:
        """The membership documents, as entries of a keyed table."""
        view = find().view()
        return _json([_entry(node, view) for node in view.nodes], view)

    @router.get(
        f"{_ENTRIES}/{{id}}",
        operation_id="readClusterNode",
        summary="Read one membership document",
        responses=documented("NOT_FOUND"),
        openapi_extra=ENTRY,
    )
    async def read_document(id: Annotated[str, Path(description="The id of a member.")]) -> Response:  # noqa: A002
        """One membership document, as an entry of a keyed table."""
        view = find().view()
        for node in view.nodes:
            if node.id == id:
                return _json(_entry(node, view), view)
        raise UnknownNodeError(id, tuple(node.id for node in view.nodes))


def _add_doors_of_nodes(router: APIRouter, find: Find) -> None:
    @router.get(
        "/raft/rpc/status",
        operation_id="readRaftStatus",
        summary="Read term, leader and log position",
        openapi_extra=STATUS,
    )
    async def read_status() -> Response:
        """Where this node is in the log of decisions."""
        service = find()
        return _json(dict(service.status()), service.view())

    @router.api_route("/raft/rpc/{method:path}", methods=_VERBS, include_in_schema=False)
    async def refuse_rpc(request: Request, method: str) -> Response:
        """Nodes do not vote over HTTP here: say where the membership is."""
        detail = (
            f"{request.method} /raft/rpc/{method} is no door of this node: its voters talk over their own connections. "
            "Members are read and changed at /api/cluster; GET /raft/rpc/status tells the term."
        )
        mistake = Mistake("METHOD_NOT_ALLOWED", detail, "path", ("/api/cluster",))
        allowed = {"Allow": "GET, HEAD" if method == "status" else ""}
        return Problem("METHOD_NOT_ALLOWED", detail, (mistake,), headers=allowed).response()

    @router.post("/api/cluster/peer/{door}", include_in_schema=False)
    async def peer_call(request: Request, door: str) -> Response:
        """What nodes ask of each other; the service checks the cluster's proof."""
        service = find()
        body = await _document(request, PEER_BYTES_MAX)
        return await _answering(request, service, lambda: _peer_answer(service, door, body, request))


async def _peer_answer(service: ClusterService, door: str, body: Mapping[str, Any], request: Request) -> Response:
    near = request.client is None or is_loopback(request.client.host)
    return _json(dict(await service.peer_call(door, body, near=near)), service.view())


async def _change(request: Request, service: ClusterService, change: Change, node: str, done: str) -> Response:
    """Ask for a change; the answer says what was done, and shows the document of the node that it was done to."""
    forward = request.headers.get(NO_FORWARD, "0").strip().lower() in ("", "0", "false")

    async def changed() -> Response:
        document = await change(node, forward=forward)
        return _json({"status": done, "node": document.as_json()}, service.view())

    return await _answering(request, service, changed)


async def _answering(request: Request, service: ClusterService, work: Callable[[], Awaitable[Response]]) -> Response:
    """Where the cluster cannot do it now, tell what this node knows: who leads, in which epoch."""
    try:
        return await work()
    except ServiceUnavailableError as error:
        _logger.warning("%s %s: %s", request.method, request.url.path, error)
        return _with_facts(error, service.view()).response()


def _with_facts(error: FrameworkError, view: ClusterView) -> Problem:
    problem = problem_of(error)
    known = {"node": view.node_id, "epoch": view.epoch, "leader": view.leader_url}
    facts = {**{name: fact for name, fact in known.items() if fact is not None}, **problem.facts}
    return replace(problem, facts=facts)


async def _document(request: Request, bytes_max: int = CHANGE_BYTES_MAX) -> Mapping[str, Any]:
    """Read the body as a JSON object.

    Raises:
        InvalidBodyError: it is none.
        BodyTooLargeError: it is over the bound of this door.
    """
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > bytes_max:
            raise BodyTooLargeError(bytes_max, "the bound of this door")
    try:
        document = loads(bytes(body)) if body.strip() else {}
    except ValueError as error:
        raise InvalidBodyError(f"the body is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise InvalidBodyError('the body is not a JSON object, such as {"url": "http://localhost:8081"}')
    return document


def _required(document: Mapping[str, Any], *names: str) -> str:
    """Return the first of several fields that is given; what is missing is said in the words of JA13."""
    for name in names:
        value = document.get(name)
        if isinstance(value, str) and value.strip():
            return value.strip()
        if value is not None and not isinstance(value, str):
            raise InvalidBodyError(f"{name} is not text", field=name)
    wanted = names[0]
    written = near_matches(wanted, document, limit=1)
    missing = f"Missing {'URL' if wanted == 'url' else wanted}"
    raise InvalidBodyError(missing, field=written[0] if written else wanted, near=(wanted,) if written else ())


def _entry(node: NodeDocument, view: ClusterView) -> dict[str, object]:
    return {"key": node.id, "value": node.as_json(), "version": node.epoch, "sourcenode": view.node_id}


def _json(body: object, view: ClusterView) -> Response:
    headers = {"Cache-Control": "no-store", EPOCH_HEADER: str(view.epoch)}
    return Response(dumps(body), headers=headers, media_type="application/json")
