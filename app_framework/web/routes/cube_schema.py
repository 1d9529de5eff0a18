"""How the API documentation describes the cube routes: `CubeQuery` and its answer as JSON schemas."""

from __future__ import annotations

from typing import Any

JSON = "application/json"
ARROW = "application/vnd.apache.arrow.stream"
CSV = "text/csv"

_SCALAR: dict[str, Any] = {"type": ["string", "number", "boolean", "null"]}
FILTER: dict[str, Any] = {
    "description": "A member, a list of members, null for the missing member, or one of the forms below.",
    "anyOf": [
        _SCALAR,
        {"type": "array", "items": _SCALAR},
        {"type": "object", "required": ["not"], "properties": {"not": {}}},
        {"type": "object", "properties": {"from": _SCALAR, "to": _SCALAR}, "description": "Inclusive bounds."},
        {"type": "object", "required": ["prefix"], "properties": {"prefix": {"type": "string"}}},
        {"type": "object", "required": ["path"], "properties": {"path": {"type": "array", "items": {"type": "array"}}}},
    ],
}

CUBE_QUERY: dict[str, Any] = {
    "title": "CubeQuery",
    "type": "object",
    "required": ["measures"],
    "additionalProperties": False,
    "properties": {
        "measures": {"type": "array", "items": {"type": "string"}, "minItems": 1},
        "levels": {
            "type": "array",
            "items": {"type": "string"},
            "default": [],
            "description": "`level`, `Hierarchy.level` or `Dimension.Hierarchy.level`.",
        },
        "where": {"type": "object", "additionalProperties": FILTER, "default": {}},
        "totals": {"enum": ["none", "grand", "all"], "default": "none"},
        "order": {
            "type": "array",
            "default": [],
            "items": {
                "type": "object",
                "required": ["by"],
                "properties": {"by": {"type": "string"}, "descending": {"type": "boolean", "default": False}},
            },
        },
        "limit": {"type": ["integer", "null"], "minimum": 0, "default": None},
        "offset": {"type": "integer", "minimum": 0, "default": 0},
        "branch": {"type": "string", "default": "master"},
        "version": {"type": ["integer", "object", "null"], "default": None},
        "timeout": {"type": "string", "default": "30s"},
        "unavailable": {"enum": ["fail", "partial"], "default": "fail"},
    },
    "examples": [
        {"measures": ["lines"], "levels": ["l_returnflag"], "where": {"year": [1993, 1994]}, "totals": "grand"}
    ],
}

CELL_SET: dict[str, Any] = {
    "title": "CellSet",
    "type": "object",
    "required": ["cube", "columns", "rows", "grouping", "versions", "partial", "elapsed_ms"],
    "properties": {
        "cube": {"type": "string"},
        "columns": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["name", "role", "type"],
                "properties": {
                    "name": {"type": "string"},
                    "role": {"enum": ["level", "measure"]},
                    "type": {"type": "string"},
                    "format": {"type": ["string", "null"]},
                },
            },
        },
        "rows": {"type": "array", "items": {"type": "array", "items": _SCALAR}},
        "grouping": {
            "type": "array",
            "items": {"type": "integer"},
            "description": "One number for each row; bit i is set where level i is rolled up.",
        },
        "versions": {"type": "object", "additionalProperties": {"type": "integer"}},
        "partial": {"type": "boolean"},
        "elapsed_ms": {"type": "number"},
    },
}


def _answers(content: dict[str, Any], description: str, headers: dict[str, Any] | None = None) -> dict[str, Any]:
    response: dict[str, Any] = {"description": description, "content": content}
    if headers:
        response["headers"] = headers
    return {"responses": {"200": response}}


_HEADER_NAMES = {
    "X-Cube": "The cube, percent-encoded (Arrow and CSV).",
    "X-Versions": "The data version of each node that was read, as JSON (Arrow and CSV).",
    "X-Partial": "Whether something is missing (Arrow and CSV).",
}
_HEADERS = {name: {"schema": {"type": "string"}, "description": told} for name, told in _HEADER_NAMES.items()}
_OBJECT: dict[str, Any] = {JSON: {"schema": {"type": "object"}}}

QUERY_BODY: dict[str, Any] = {"requestBody": {"required": True, "content": {JSON: {"schema": CUBE_QUERY}}}}
QUERY_ANSWER = _answers(
    {
        JSON: {"schema": CELL_SET},
        ARROW: {"schema": {"type": "string", "format": "binary"}},
        CSV: {"schema": {"type": "string"}},
    },
    "The cells, with totals last.",
    _HEADERS,
)
DISCOVERY = _answers(_OBJECT, "Dimensions, hierarchies, levels and measures.")
EXPLANATION = _answers(_OBJECT, "Plan, SQL, nodes, bytes and milliseconds.")
MEMBERS = _answers(_OBJECT, "The members, in order.")
