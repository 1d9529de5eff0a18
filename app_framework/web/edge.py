"""What every request passes on its way in and out, in one ASGI class: an id, the guard, the gate, the bounds, a problem
where something fails, one metric, one line in the log, and one in the audit where it is refused or administers.

It is one class and not six because each layer costs every request about a microsecond, and because the order
matters: the id comes first, so that whatever fails later can name it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import secrets
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app_framework.boot.management.log_context import request_log_context, reset_request_log_context
from app_framework.errors import FrameworkError, UserError
from app_framework.messaging.trace import with_traceparent
from app_framework.security import Audit, ForbiddenError, Gate, Principal, UnauthenticatedError
from app_framework.security.audit import REFUSALS
from app_framework.security.doors import WEBSOCKET
from app_framework.web.autowired import EXCHANGE
from app_framework.web.errors import BodyTooLargeError, OverloadedError, RequestTimeoutError
from app_framework.web.guard import SAFE_METHODS, RequestGuard
from app_framework.web.problems import Problem, problem_of

if TYPE_CHECKING:
    from app_framework.boot import ApplicationContext, RequestScope

_access = logging.getLogger("app_framework.web.access")
_logger = logging.getLogger(__name__)

UNANSWERED = 499
"""The status, in log and metrics, of a request whose client did not wait for the answer."""

PATH_SHOWN_MAX = 2048
"""A longer path is cut in the log."""

_WELL_FORMED_ID = re.compile(rb"[A-Za-z0-9._:/+=-]{1,128}\Z")
_TRACEPARENT = re.compile(rb"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}\Z")
_READ_HEADERS = frozenset({b"host", b"origin", b"authorization", b"content-length", b"x-request-id", b"traceparent"})
_UNTRACED = contextlib.nullcontext()
_OUTCOMES = {1: "INFORMATIONAL", 2: "SUCCESS", 3: "REDIRECTION", 4: "CLIENT_ERROR", 5: "SERVER_ERROR"}


class RequestTimer(Protocol):
    """Where the duration of a request is recorded: a `Timer` of the application's metrics."""

    def record(self, seconds: float, /, *labels: str) -> None:
        """Add one observation under method, uri, status and outcome."""


@dataclass(frozen=True, slots=True)
class EdgeSettings:
    """What the edge needs to know.

    Args:
        guard: refuses unsafe requests of foreign pages.
        body_bytes_max: the largest request body.
        requests_max: how many requests may be served at a time.
        timeout_s: until an answer must have begun.
        access_log: whether each request is a line in the log.
        timer: where durations go.
        gate: lets known users in; None where nobody has to log in.
        audit: knows what administers, and writes down what is refused.
    """

    guard: RequestGuard
    body_bytes_max: int
    requests_max: int
    timeout_s: float
    access_log: bool
    timer: RequestTimer | None = None
    gate: Gate | None = None
    audit: Audit = field(default_factory=Audit)


class Exchange:
    """One request and its answer, while they last.

    Args:
        request_id: from the client where it is well-formed, else made here.
        send: hands a message to the server.

    Attributes:
        principal: who sent the request; None where nobody logged in.
        error: what was answered with a problem.
    """

    __slots__ = (
        "_exits",
        "_request_scope",
        "_send",
        "_tail",
        "deadline",
        "error",
        "principal",
        "request_id",
        "status",
    )

    def __init__(self, request_id: bytes, send: Send) -> None:
        self.request_id = request_id
        self.status = 0
        self.deadline: asyncio.Timeout | None = None
        self.principal: Principal | None = None
        self.error: Exception | None = None
        self._send = send
        self._tail = ((b"x-request-id", request_id), (b"x-content-type-options", b"nosniff"))
        self._exits: contextlib.AsyncExitStack | None = None
        self._request_scope: RequestScope | None = None

    async def send(self, message: Message) -> None:
        """Send a message, with the id on the first one; an answer that has begun has no deadline."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [*message.get("headers", ()), *self._tail]
            if self.deadline is not None and not self.deadline.expired():
                self.deadline.reschedule(None)
        await self._send(message)

    async def request_scope(self, context: ApplicationContext) -> RequestScope:
        """Return the scope of this request's own components, opened when first needed."""
        if self._request_scope is None:
            self._exits = contextlib.AsyncExitStack()
            self._request_scope = await self._exits.enter_async_context(context.request_scope())
        return self._request_scope

    def abort(self) -> None:
        """Cut the connection, where the server lets us: what was written and is not read is dropped."""
        transport = getattr(getattr(self._send, "__self__", None), "transport", None)
        if transport is not None:
            transport.abort()

    async def close(self) -> None:
        """Close the components of this request."""
        if self._exits is not None:
            await self._exits.aclose()


class Edge:
    """The outermost layer of the application.

    Args:
        app: what is inside.
        settings: bounds, guard and where to report.
    """

    def __init__(self, app: ASGIApp, settings: EdgeSettings) -> None:
        self._app = app
        self._settings = settings
        self._serving = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or one WebSocket."""
        if scope["type"] == "http":
            await self._serve(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._converse(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        started_s = time.perf_counter()
        path = routed_path(scope)  # before a router changes the scope
        headers = _read_headers(scope)
        exchange = scope[EXCHANGE] = Exchange(_request_id(headers), send)
        token = request_log_context(request_id=exchange.request_id.decode(), **_trace(headers))
        self._serving += 1
        try:
            receive = self._admitted(scope, headers, receive)
            with _traced(headers):
                async with asyncio.timeout(self._settings.timeout_s) as exchange.deadline:
                    if self._settings.gate is not None:
                        exchange.principal = await self._settings.gate.admit(
                            scope["method"], path, headers.get(b"authorization")
                        )
                    await self._app(scope, receive, exchange.send)
        except ClientDisconnect:
            _logger.debug("%s %s: the client went away", scope["method"], _shown_path(scope))
        except Exception as error:
            await self._fail(scope, exchange, error)
        finally:
            self._serving -= 1
            try:
                await exchange.close()
            finally:
                self._report(scope, exchange.status or UNANSWERED, time.perf_counter() - started_s)
                self._audit(scope, scope["method"], path, exchange)
                reset_request_log_context(token)

    async def _converse(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A WebSocket can change things, and browsers let any page open one: the guard always applies."""
        headers = _read_headers(scope)
        exchange = scope[EXCHANGE] = Exchange(_request_id(headers), send)
        token = request_log_context(request_id=exchange.request_id.decode(), **_trace(headers))
        try:
            if await self._welcomes(scope, headers, exchange):
                with _traced(headers):
                    await self._app(scope, receive, send)
            else:
                await self._turn_away(scope, receive, send, exchange)
        finally:
            try:
                await exchange.close()
            finally:
                reset_request_log_context(token)

    async def _welcomes(self, scope: Scope, headers: dict[bytes, bytes], exchange: Exchange) -> bool:
        """Whether a WebSocket may be opened; if not, the exchange has the error."""
        try:
            self._check(scope, headers)
            if self._settings.gate is not None:
                authorization = headers.get(b"authorization")
                exchange.principal = await self._settings.gate.admit(WEBSOCKET, routed_path(scope), authorization)
        except (UserError, FrameworkError) as error:
            exchange.error = error
            return False
        return True

    async def _turn_away(self, scope: Scope, receive: Receive, send: Send, exchange: Exchange) -> None:
        """Answer a WebSocket's request with a problem, or where the server cannot do that, close it."""
        assert exchange.error is not None
        problem = problem_of(exchange.error)
        exchange.status = problem.status
        self._audit(scope, WEBSOCKET, routed_path(scope), exchange)
        if "websocket.http.response" in (scope.get("extensions") or ()):
            await problem.response()(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008, "reason": problem.code})

    def _admitted(self, scope: Scope, headers: dict[bytes, bytes], receive: Receive) -> Receive:
        """Refuse what is foreign, too large or too much; bound the body where its size is not said."""
        if self._serving > self._settings.requests_max:
            raise OverloadedError(self._settings.requests_max)
        if scope["method"] not in SAFE_METHODS:
            self._check(scope, headers)
        limit = self._settings.body_bytes_max
        length = headers.get(b"content-length", b"")
        if not length.isdigit():
            return _bounded(receive, limit)
        if int(length) > limit:
            raise BodyTooLargeError(limit)
        return receive

    def _check(self, scope: Scope, headers: dict[bytes, bytes]) -> None:
        host, origin, server = headers.get(b"host"), headers.get(b"origin"), scope.get("server")
        self._settings.guard.check(
            host.decode("latin-1") if host is not None else None,
            origin.decode("latin-1") if origin is not None else None,
            server[0] if server else None,
        )

    async def _fail(self, scope: Scope, exchange: Exchange, error: Exception) -> None:
        """Answer with a problem; where the answer has begun, only breaking the connection tells the client."""
        exchange.error = error
        deadline, exchange.deadline = exchange.deadline, None
        if isinstance(error, TimeoutError) and deadline is not None and deadline.expired():
            error = RequestTimeoutError(self._settings.timeout_s)
        problem = problem_of(error)
        _log_failure(scope, problem, error)
        if exchange.status:
            raise error
        if problem.code == "INTERNAL":
            problem = _with_id(problem, exchange.request_id)
        await problem.response()(scope, _nothing, exchange.send)

    def _report(self, scope: Scope, status: int, elapsed_s: float) -> None:
        settings = self._settings
        if settings.timer is not None:
            outcome = _OUTCOMES.get(status // 100, "UNKNOWN")
            settings.timer.record(elapsed_s, scope["method"], route_template(scope), str(status), outcome)
        if settings.access_log and _access.isEnabledFor(logging.INFO):
            _access.info("%s %s %d %.1f ms", scope["method"], _shown_path(scope), status, elapsed_s * 1e3)

    def _audit(self, scope: Scope, method: str, path: str, exchange: Exchange) -> None:
        """Write down who was refused, and who administered; also on a node where nobody has to log in."""
        audit, status = self._settings.audit, exchange.status or UNANSWERED
        if status in REFUSALS:
            audit.refused(_who(exchange), _source(scope), method, _shown_path(scope), status, _why(exchange))
        elif method not in SAFE_METHODS and audit.administers(method, path):
            audit.administered(_who(exchange), _source(scope), method, _shown_path(scope), status)


def route_template(scope: Scope) -> str:
    """Return the path as its route writes it (``/cubes/{cube}``), so that metrics do not grow with the data."""
    included = scope.get("fastapi", {}).get("effective_route_context")
    route = included or scope.get("route")
    if route is not None:
        return str(getattr(route, "path", "UNKNOWN"))
    mounted = scope.get("root_path", "") if "endpoint" in scope else ""
    return f"{mounted}/**" if mounted else "UNKNOWN"


def routed_path(scope: Scope) -> str:
    """Return the path as the router sees it: without the place at which an outer application mounted this one."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    if root and path.startswith(root) and (len(path) == len(root) or path[len(root)] == "/"):
        return path[len(root) :]
    return path


def _who(exchange: Exchange) -> str:
    """The name that is known: of the one who logged in, or of the user whose password was wrong."""
    if exchange.principal is not None:
        return exchange.principal.name
    return exchange.error.name if isinstance(exchange.error, UnauthenticatedError | ForbiddenError) else ""


def _why(exchange: Exchange) -> str:
    """The reason of a refusal, without the advice to the client."""
    if isinstance(exchange.error, UnauthenticatedError):
        return exchange.error.reason
    return str(exchange.error) if exchange.error is not None else "refused by the handler"


def _source(scope: Scope) -> str:
    client = scope.get("client")
    return str(client[0]) if client else ""


def _read_headers(scope: Scope) -> dict[bytes, bytes]:
    """The headers that the edge looks at; where one is sent twice, the first counts."""
    headers: dict[bytes, bytes] = {}
    for name, value in scope["headers"]:
        if name in _READ_HEADERS:
            headers.setdefault(name, value)
    return headers


def _request_id(headers: dict[bytes, bytes]) -> bytes:
    given = headers.get(b"x-request-id")
    return given if given and _WELL_FORMED_ID.match(given) else secrets.token_hex(8).encode()


def _trace(headers: dict[bytes, bytes]) -> dict[str, str]:
    """The caller's trace (W3C ``traceparent``), for the log lines of this request."""
    given = headers.get(b"traceparent")
    found = _TRACEPARENT.match(given) if given else None
    return {"trace_id": found[1].decode(), "span_id": found[2].decode()} if found else {}


def _traced(headers: dict[bytes, bytes]) -> contextlib.AbstractContextManager[None]:
    """What the handler sends to other nodes belongs to the caller's trace."""
    given = headers.get(b"traceparent")
    return with_traceparent(given.decode("latin-1")) if given else _UNTRACED


def _bounded(receive: Receive, limit_bytes: int) -> Receive:
    received = 0

    async def bounded() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > limit_bytes:
            raise BodyTooLargeError(limit_bytes)
        return message

    return bounded


def _log_failure(scope: Scope, problem: Problem, error: Exception) -> None:
    """The client's mistakes are the client's to know; what the node could not do is in its log."""
    said = (scope["method"], _shown_path(scope))
    if problem.code == "INTERNAL":
        _logger.error("%s %s failed", *said, exc_info=error)
    elif not isinstance(error, UserError):
        _logger.warning("%s %s: %s", *said, error)


def _with_id(problem: Problem, request_id: bytes) -> Problem:
    return Problem(problem.code, problem.detail, facts={"request_id": request_id.decode()})


def _shown_path(scope: Scope) -> str:
    """The path as it came over the wire: percent-encoded, so that it cannot forge a log line."""
    raw: bytes = scope.get("raw_path") or scope["path"].encode("utf-8", "replace")
    text = raw[:PATH_SHOWN_MAX].decode("latin-1")
    if text.isascii() and text.isprintable() and " " not in text:
        return text
    return "".join(chr(byte) if 0x20 < byte < 0x7F else f"%{byte:02X}" for byte in raw[:PATH_SHOWN_MAX])


async def _nothing() -> Message:
    return {"type": "http.disconnect"}
