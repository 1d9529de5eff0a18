"""Every error as `application/problem+json` (RFC 9457): one shape, one table of codes, nothing internal leaked.

>>> problem_of(BodyTooLargeError(16)).status
413
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from http import HTTPStatus

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from app_framework.errors import FrameworkError, UserError
from app_framework.web.encoding import dumps
from app_framework.web.errors import BodyTooLargeError

PROBLEM_JSON = "application/problem+json"

CODES: Mapping[str, tuple[int, str]] = {
    "INVALID_REQUEST": (400, "The request is not understood"),
    "INVALID_QUERY": (400, "The query has mistakes"),
    "UNKNOWN_MEASURE": (400, "There is no such measure"),
    "UNKNOWN_LEVEL": (400, "There is no such level"),
    "UNKNOWN_BRANCH": (400, "There is no such branch"),
    "INVALID_ROWS": (400, "Some rows cannot be taken"),
    "INVALID_MODEL": (400, "The model has mistakes"),
    "UNAUTHENTICATED": (401, "Credentials are needed"),
    "FORBIDDEN": (403, "This is not allowed"),
    "NOT_FOUND": (404, "There is nothing here"),
    "UNKNOWN_CUBE": (404, "There is no such cube"),
    "UNKNOWN_TABLE": (404, "There is no such table"),
    "METHOD_NOT_ALLOWED": (405, "The method is not allowed here"),
    "NOT_ACCEPTABLE": (406, "No acceptable answer"),
    "CONFLICT": (409, "The state has changed"),
    "CONCURRENCY": (409, "Someone else changed it first"),
    "ALREADY_EXISTS": (409, "It exists already"),
    "UNKNOWN_VERSION": (410, "That version is gone"),
    "TOO_LARGE": (413, "Too large"),
    "UNSUPPORTED_MEDIA_TYPE": (415, "The body's media type is not supported"),
    "WRONG_NODE": (421, "Another node answers this"),
    "OVERLOADED": (429, "Too much at once"),
    "INTERNAL": (500, "The node failed"),
    "SERVICE_UNAVAILABLE": (503, "Not available now"),
    "NO_QUORUM": (503, "No majority"),
    "NOT_LEADER": (503, "This node does not lead"),
    "UNSTABLE": (503, "The cluster is changing"),
    "UNAVAILABLE": (503, "Not available now"),
    "TIMEOUT": (504, "Out of time"),
}
"""Code → status and title. A code is a promise; a title is a phrase for people."""

FACTS = ("node", "members", "missing", "retryable", "epoch", "leader", "request_id", "needs")
"""What an error may know beside its sentence; told to the client where the error has it."""

# What an error of the domain cannot know: under which name the request said what does not exist.
_PATH_FIELDS = {"UNKNOWN_CUBE": "cube", "UNKNOWN_TABLE": "table"}
# Several codes share a status; the first one in the table stands for it.
_HTTP_CODES = {status: code for code, (status, _) in reversed(list(CODES.items()))}
RETRY_AFTER_S = 1.0

CHALLENGES = ('Basic realm="app-framework", charset="UTF-8"', "Bearer")
"""How a client may say who it is, a header each: Chromium asks for name and password only where Basic stands alone."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """One entry of a problem's `errors`.

    Args:
        code: as in `CODES`.
        detail: what is wrong and what to do.
        field: where in the request, as the client wrote it.
        near: what was probably meant.
    """

    code: str
    detail: str
    field: str | None = None
    near: tuple[str, ...] = ()

    def as_json(self) -> dict[str, object]:
        """Return the entry as it is sent."""
        return {"code": self.code, "field": self.field, "detail": self.detail, "near": list(self.near)}


@dataclass(frozen=True, slots=True)
class Problem:
    """An error as a client sees it.

    Args:
        code: as in `CODES`.
        detail: the sentence for this occurrence.
        errors: the single mistakes; one at least.
        facts: what else the error knows (`FACTS`).
        status: the HTTP status, from the code unless given.
        headers: further response headers, such as ``Allow``.
        challenges: how a client may say who it is.
        retry_after_s: when to try again, where that can help.
    """

    code: str
    detail: str
    errors: tuple[Mistake, ...] = ()
    facts: Mapping[str, object] = field(default_factory=dict)
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    challenges: tuple[str, ...] = ()
    retry_after_s: float = RETRY_AFTER_S

    def __post_init__(self) -> None:
        if not self.status:
            object.__setattr__(self, "status", CODES.get(self.code, (400, ""))[0])

    @property
    def title(self) -> str:
        """The phrase for this kind of problem."""
        return CODES[self.code][1] if self.code in CODES else HTTPStatus(self.status).phrase

    def as_json(self) -> dict[str, object]:
        """Return the body as it is sent."""
        errors = self.errors or (Mistake(self.code, self.detail),)
        return {
            "type": f"urn:app-framework:problem:{self.code.lower().replace('_', '-')}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            "errors": [mistake.as_json() for mistake in errors],
            **self.facts,
        }

    def response(self) -> Response:
        """Return the answer to send."""
        headers = dict(self.headers)
        if self.status == 429 or self.facts.get("retryable"):
            headers.setdefault("Retry-After", str(math.ceil(self.retry_after_s)))
        response = Response(dumps(self.as_json()), self.status, headers, PROBLEM_JSON)
        for challenge in self.challenges:
            response.headers.append("WWW-Authenticate", challenge)
        return response


def problem_of(error: BaseException) -> Problem:
    """Return what a client may know of an error.

    A `UserError` is told in full. A `FrameworkError` is told when its code says that the client can act on it.
    Anything else is INTERNAL and says nothing.
    """
    if isinstance(error, RequestValidationError):
        return _of_validation(error)
    if isinstance(error, HTTPException):
        return _of_http(error)
    code = getattr(error, "code", "INTERNAL")
    if isinstance(error, UserError) or (isinstance(error, FrameworkError) and code != "INTERNAL"):
        return _of_own(error, code)
    return Problem("INTERNAL", "The node failed to answer; its log has the reason under this request id.")


def merge(mistakes: Iterable[Mistake]) -> Problem:
    """Return one problem for several mistakes: their common code, or INVALID_QUERY when they differ."""
    found = tuple(mistakes)
    codes = {mistake.code for mistake in found}
    code = codes.pop() if len(codes) == 1 else "INVALID_QUERY"
    return Problem(code, _joined([mistake.detail for mistake in found]), found)


def _joined(details: Sequence[str]) -> str:
    """Return several sentences as one.

    >>> _joined(["no measure 'ride'.", "no level 'yeer'."])
    "no measure 'ride'; no level 'yeer'."
    """
    *before, last = details
    return "; ".join([*(detail.removesuffix(".") for detail in before), last])


def _of_own(error: BaseException, code: str) -> Problem:
    facts = {name: getattr(error, name) for name in FACTS if getattr(error, name, None) is not None}
    parts = getattr(error, "problems", ()) or getattr(error, "errors", ()) or (error,)
    problem = merge(_mistake(part, code) for part in parts)
    challenges = CHALLENGES if problem.code == "UNAUTHENTICATED" else ()
    retry_after_s = getattr(error, "retry_after_s", RETRY_AFTER_S)
    return replace(problem, facts=facts, challenges=challenges, retry_after_s=retry_after_s)


def _mistake(part: object, code: str) -> Mistake:
    """Read one mistake from an error or a value that describes one."""
    return Mistake(
        code=getattr(part, "code", code),
        detail=getattr(part, "detail", None) or str(part),
        field=getattr(part, "field", None) or _PATH_FIELDS.get(getattr(part, "code", code)),
        near=tuple(getattr(part, "near", ())),
    )


def _of_validation(error: RequestValidationError) -> Problem:
    """FastAPI's own checks of parameters and bodies: the field and the sentence, never the value."""
    mistakes = tuple(Mistake("INVALID_REQUEST", str(found["msg"]), _field(found["loc"])) for found in error.errors())
    told = "; ".join(f"{mistake.field}: {mistake.detail}" for mistake in mistakes)
    return Problem("INVALID_REQUEST", told, mistakes)


def _field(location: tuple[str | int, ...]) -> str:
    """``("body", "measures", 0)`` → ``measures[0]``; ``("query", "limit")`` → ``limit``.

    >>> _field(("body", "where", "year", 1))
    'where.year[1]'
    >>> _field(("body",))
    'body'
    """
    path = location[1:] or location
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.lstrip(".")


def _of_http(error: HTTPException) -> Problem:
    """Starlette's and the user's own `HTTPException`s keep their status; the code follows from it."""
    if isinstance(error.__cause__, BodyTooLargeError):
        # FastAPI wraps whatever interrupts the reading of a body in a 400 of its own.
        return problem_of(error.__cause__)
    fallback = "INVALID_REQUEST" if error.status_code < 500 else "INTERNAL"
    code = _HTTP_CODES.get(error.status_code, fallback)
    phrase = HTTPStatus(error.status_code).phrase
    told = error.detail if isinstance(error.detail, str) else phrase
    facts: dict[str, object] = {} if isinstance(error.detail, str) else {"data": error.detail}
    if code in CODES and told == phrase:
        told = f"{CODES[code][1]}."
    return Problem(code, told, (), facts, error.status_code, error.headers or {})
