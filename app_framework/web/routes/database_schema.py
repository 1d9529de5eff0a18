"""How the API documentation describes the database routes: bodies of rows, filters, and what a commit answers."""

from __future__ import annotations

from typing import Any

from app_framework.web.routes.cube_schema import FILTER
from app_framework.web.row_formats import ARROW, CSV, JSON, NDJSON, PARQUET

_BINARY: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}
_TEXT: dict[str, Any] = {"schema": {"type": "string"}}
_ROW: dict[str, Any] = {"type": "object", "description": "Values by column; a column that is left out is null."}

ROWS_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            JSON: {
                "schema": {"type": "array", "items": _ROW},
                "example": [{"id": 7, "price": 2.50, "day": "2025-01-01"}],
            },
            NDJSON: _TEXT,
            CSV: _TEXT,
            ARROW: _BINARY,
            PARQUET: _BINARY,
        },
    }
}

DELETE_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            JSON: {
                "schema": {
                    "type": "object",
                    "required": ["where"],
                    "additionalProperties": False,
                    "properties": {"where": {"type": "object", "additionalProperties": FILTER}},
                },
                "example": {"where": {"day": {"from": "2025-01-01"}, "item": ["tea", None]}},
            }
        },
    }
}


def _answer(description: str, more: dict[str, Any]) -> dict[str, Any]:
    properties = {
        "table": {"type": "string"},
        "rows": {"type": "integer", "description": "How many rows it was."},
        "version": {"type": "integer", "description": "The data version that holds the change."},
        **more,
    }
    schema = {"type": "object", "required": ["table", "rows", "version"], "properties": properties}
    return {"responses": {"200": {"description": description, "content": {JSON: {"schema": schema}}}}}


INSERTED = _answer(
    "The rows are in the table.",
    {
        "rejected": {"type": "integer", "description": "With on-error=reject: how many rows were left out."},
        "rejects": {"type": ["string", "null"], "description": "The file of the node that holds those."},
    },
)
DELETED = _answer("The rows are gone.", {})

_BRANCH: dict[str, Any] = {
    "type": "object",
    "required": ["name", "version", "base"],
    "properties": {
        "name": {"type": "string"},
        "version": {"type": "integer", "description": "Its newest data version."},
        "base": {"type": ["integer", "null"], "description": "The version of master that it is laid over."},
    },
}


def _object(schema: dict[str, Any], description: str) -> dict[str, Any]:
    return {"responses": {"200": {"description": description, "content": {JSON: {"schema": schema}}}}}


def _body(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    schema = {"type": "object", "required": required, "additionalProperties": False, "properties": properties}
    return {"requestBody": {"required": bool(required), "content": {JSON: {"schema": schema}}}}


BRANCH = _object(_BRANCH, "The branch.")
BRANCHES = _object(
    {"type": "object", "required": ["branches"], "properties": {"branches": {"type": "array", "items": _BRANCH}}},
    "Master, then the others.",
)
BRANCH_BODY = _body(
    {
        "name": {"type": "string", "examples": ["what-if"]},
        "version": {"type": "integer", "description": "The version of master to start from; the newest unless given."},
    },
    ["name"],
)
FORWARD_BODY = _body({"version": {"type": "integer", "description": "The branch's version that is meant."}}, [])
