"""How the API documentation describes the cube routes: `CubeQuery` and its answer as JSON schemas."""

from __future__ import annotations

from typing import Any

JSON = "application/json"
ARROW = "application/vnd.apache.arrow.stream"
CSV = "text/csv"

_SCALAR: dict[str, Any] = {"type": ["string", "number", "boolean", "null"]}
_VALUE: dict[str, Any] = {
    "anyOf": [_SCALAR, {"type": "array", "items": {"type": ["number", "null"]}, "description": "An array measure."}]
}
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
        "top": {
            "type": ["object", "null"],
            "default": None,
            "required": ["count", "per"],
            "additionalProperties": False,
            "properties": {
                "count": {"type": "integer", "minimum": 0},
                "per": {"type": "array", "items": {"type": "string"}, "minItems": 1},
            },
            "description": "Of each combination of members of `per`, the first detail rows in the order of the answer.",
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

DRILLTHROUGH: dict[str, Any] = {
    "title": "Drillthrough",
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "coordinates": {
            "type": "object",
            "additionalProperties": _SCALAR,
            "default": {},
            "description": "The cell: the member of each level that is not rolled up in it; null for the missing one.",
        },
        "columns": {
            "type": "array",
            "items": {"type": "string"},
            "default": [],
            "description": "Columns of the base table, or of another by its path: `orders.customer.city`.",
        },
        **{name: CUBE_QUERY["properties"][name] for name in ("where", "limit", "branch", "version", "timeout")},
    },
    "examples": [{"coordinates": {"l_returnflag": "R"}, "columns": ["l_quantity", "orders.o_custkey"], "limit": 100}],
}

ROW_SET: dict[str, Any] = {
    "title": "RowSet",
    "type": "object",
    "required": ["cube", "columns", "count", "versions", "rows"],
    "properties": {
        "cube": {"type": "string"},
        "columns": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["name", "type"],
                "properties": {"name": {"type": "string"}, "type": {"type": "string"}},
            },
        },
        "count": {"type": "integer", "description": "How many rows the cell counts, whatever the limit is."},
        "versions": {"type": "object", "additionalProperties": {"type": "integer"}},
        "rows": {"type": "array", "items": {"type": "array", "items": _VALUE}},
    },
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
                    "format": {
                        "type": ["string", "null"],
                        "description": "Of every measure, and of levels that have one.",
                    },
                },
            },
        },
        "rows": {"type": "array", "items": {"type": "array", "items": _VALUE}},
        "grouping": {
            "type": "array",
            "items": {"type": "integer"},
            "description": "One number for each row; bit i is set where level i is rolled up.",
        },
        "versions": {"type": "object", "additionalProperties": {"type": "integer"}},
        "partial": {"type": "boolean"},
        "missing": {
            "type": "array",
            "description": "Of a partial answer: what each node that does not answer would have told.",
            "items": {
                "type": "object",
                "properties": {"node": {"type": "string"}, "members": {"type": "object"}},
            },
        },
        "elapsed_ms": {"type": "number"},
    },
}


BATCH: dict[str, Any] = {
    "title": "Batch",
    "type": "array",
    "items": {
        **CUBE_QUERY,
        "title": "CubeQuestion",
        "required": ["cube", *CUBE_QUERY["required"]],
        "properties": {"cube": {"type": "string"}, **CUBE_QUERY["properties"]},
        "examples": [{"cube": "tpch", "measures": ["lines"], "levels": ["l_returnflag"]}],
    },
}

_HELD = {"304": {"description": "The client has this answer already: its `ETag` is in `If-None-Match`."}}
TAGS = {"ETag": {"schema": {"type": "string"}, "description": "Stands for model, data, question and media type."}}


def answers(
    content: dict[str, Any], description: str, headers: dict[str, Any] | None = None, *, held: bool = False
) -> dict[str, Any]:
    """Describe the answer 200, and 304 where the client may hold it already."""
    response: dict[str, Any] = {"description": description, "content": content}
    if headers:
        response["headers"] = headers
    return {"responses": {"200": response, **(_HELD if held else {})}}


_HEADER_NAMES = {
    "X-Cube": "The cube, percent-encoded (Arrow and CSV).",
    "X-Versions": "The data version of each node that was read, as JSON (Arrow and CSV).",
    "X-Partial": "Whether something is missing (Arrow and CSV).",
    "X-Missing": "Of a partial answer: the nodes that do not answer and their members, as JSON (Arrow and CSV).",
}
_HEADERS = {name: {"schema": {"type": "string"}, "description": told} for name, told in _HEADER_NAMES.items()}
_COUNT_HEADER = {"schema": {"type": "integer"}, "description": "How many rows the cell counts (Arrow and CSV)."}
_OBJECT: dict[str, Any] = {JSON: {"schema": {"type": "object"}}}

BATCH_BODY: dict[str, Any] = {"requestBody": {"required": True, "content": {JSON: {"schema": BATCH}}}}
BATCH_ANSWER = answers(
    {
        JSON: {
            "schema": {"type": "array", "items": {"anyOf": [CELL_SET, {"$ref": "#/components/schemas/Problem"}]}},
        }
    },
    "An answer or a problem for each question, in their order.",
)
QUERY_BODY: dict[str, Any] = {"requestBody": {"required": True, "content": {JSON: {"schema": CUBE_QUERY}}}}
QUERY_ANSWER = answers(
    {
        JSON: {"schema": CELL_SET},
        ARROW: {"schema": {"type": "string", "format": "binary"}},
        CSV: {"schema": {"type": "string"}},
    },
    "The cells, with totals last.",
    {**_HEADERS, **TAGS},
    held=True,
)
DRILLTHROUGH_BODY: dict[str, Any] = {"requestBody": {"required": True, "content": {JSON: {"schema": DRILLTHROUGH}}}}
ROWS_ANSWER = answers(
    {
        JSON: {"schema": ROW_SET},
        ARROW: {"schema": {"type": "string", "format": "binary"}},
        CSV: {"schema": {"type": "string"}},
    },
    "The rows, in no particular order.",
    {**{name: _HEADERS[name] for name in ("X-Cube", "X-Versions")}, "X-Count": _COUNT_HEADER},
)
EXPLANATION = answers(_OBJECT, "Plan, SQL, nodes, bytes and milliseconds.")
MEMBERS = answers(_OBJECT, "The members, in order.", TAGS, held=True)
