"""What the generated OpenAPI says beyond FastAPI: every error of every route as a problem, who may, stable ids, no 422.

@router.get("/cubes/{cube}", operation_id="getCube", responses=documented("UNKNOWN_CUBE"))
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from app_framework.security import ANYONE, Doors, Role
from app_framework.security.doors import Needs
from app_framework.web.guard import SAFE_METHODS
from app_framework.web.problems import CODES, PROBLEM_JSON

Responses = dict[int | str, dict[str, Any]]
_SCHEMA = {"$ref": "#/components/schemas/Problem"}
_EVERYWHERE = ("INVALID_REQUEST", "OVERLOADED", "INTERNAL", "SERVICE_UNAVAILABLE", "TIMEOUT")
_UNSAFE = ("FORBIDDEN", "TOO_LARGE")
_NAMED = ("NOT_FOUND",)
"""Only where the path names something can that something be missing."""

PROBLEM_SCHEMA: dict[str, Any] = {
    "title": "Problem",
    "description": "Why a request was not answered (RFC 9457).",
    "type": "object",
    "required": ["type", "title", "status", "detail", "code", "errors"],
    "properties": {
        "type": {
            "type": "string",
            "format": "uri",
            "examples": ["urn:app-framework:problem:unknown-level"],
            "description": "The code as a URI.",
        },
        "title": {"type": "string", "description": "A phrase for this kind of problem, for people."},
        "status": {"type": "integer", "description": "The HTTP status."},
        "detail": {"type": "string", "description": "What is wrong with this request, in a sentence."},
        "code": {
            "type": "string",
            "enum": sorted(CODES),
            "description": "The code of all mistakes, or `INVALID_QUERY` when theirs differ.",
        },
        "errors": {
            "type": "array",
            "minItems": 1,
            "description": "Every mistake that was found.",
            "items": {
                "title": "Mistake",
                "type": "object",
                "required": ["code", "field", "detail", "near"],
                "properties": {
                    "code": {"type": "string", "enum": sorted(CODES), "description": "The kind of mistake."},
                    "field": {"type": ["string", "null"], "description": "Where in the request."},
                    "detail": {"type": "string", "description": "What is wrong and what to do."},
                    "near": {
                        "type": "array",
                        "items": {"type": "string"},
                        "description": "What was probably meant.",
                    },
                },
            },
        },
        "node": {"type": "string", "description": "The node that could not answer."},
        "members": {"type": "object", "description": "The members that only that node has."},
        "missing": {
            "type": "array",
            "items": {"type": "object"},
            "description": "The same of every node that did not answer: `{node, members}`.",
        },
        "retryable": {"type": "boolean", "description": "Whether the same request may succeed later."},
        "epoch": {"type": "integer", "description": "The cluster's epoch in which the node refused."},
        "needs": {"type": "string", "enum": [role.value for role in Role], "description": "The role that is missing."},
        "leader": {"type": "string", "description": "The node that leads, as far as the refusing one knows."},
        "request_id": {"type": "string", "description": "What the node's log calls this request."},
    },
}


SECURITY_SCHEMES: dict[str, Any] = {
    "basic": {"type": "http", "scheme": "basic", "description": "Name and password of a user."},
    "bearer": {"type": "http", "scheme": "bearer", "description": "Token of a program."},
}


def documented(*codes: str) -> Responses:
    """Return the `responses` of a route that may answer with these codes, beside those every route may.

    >>> documented("UNKNOWN_CUBE")[404]["description"]
    'There is no such cube (`UNKNOWN_CUBE`)'
    """
    found: Responses = {}
    for code in codes:
        status, title = CODES[code]
        told = f"{title} (`{code}`)"
        if status in found:
            told = f"{found[status]['description']}; {told[0].lower()}{told[1:]}"
        found[status] = {"description": told, "content": {PROBLEM_JSON: {"schema": _SCHEMA}}}
    return found


def complete(schema: dict[str, Any], doors: Doors | None = None) -> dict[str, Any]:
    """Return FastAPI's schema with the problems of every route, in place.

    Args:
        schema: as FastAPI made it.
        doors: which role each route needs; None where nobody has to log in.
    """
    schemas = schema.setdefault("components", {}).setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    schemas["Problem"] = PROBLEM_SCHEMA
    for path, method, operation in _operations(schema):
        if doors is not None:
            _secure_operation(doors.needs(method.upper(), path), operation)
        _complete_operation(path, method, operation)
    if doors is not None:
        schema["components"]["securitySchemes"] = SECURITY_SCHEMES
        schema["security"] = [{name: []} for name in SECURITY_SCHEMES]
    return schema


def _secure_operation(needs: Needs, operation: dict[str, Any]) -> None:
    """Say who may, and what the others are answered."""
    if needs is ANYONE:
        operation["security"] = [{}, *({name: []} for name in SECURITY_SCHEMES)]  # without, too
        return
    responses = operation.setdefault("responses", {})
    for status, response in documented("UNAUTHENTICATED", "FORBIDDEN").items():
        responses.setdefault(str(status), response)
    told = responses["403"]["description"]
    responses["403"] = {**responses["403"], "description": f"{told}, also without the role `{needs.value}`"}


def _complete_operation(path: str, method: str, operation: dict[str, Any]) -> None:
    responses = operation.setdefault("responses", {})
    # FastAPI documents 422 for its own checks; ours answer 400 with a problem.
    if "HTTPValidationError" in str(responses.get("422", "")):
        del responses["422"]
    unsafe = () if method.upper() in SAFE_METHODS else _UNSAFE
    named = _NAMED if "{" in path else ()
    for status, response in documented(*_EVERYWHERE, *unsafe, *named).items():
        responses.setdefault(str(status), response)
    operation["responses"] = dict(sorted(responses.items()))


def _operations(schema: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in schema.get("paths", {}).items():
        for method, operation in methods.items():
            if isinstance(operation, dict):
                yield path, method, operation
