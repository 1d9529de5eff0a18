"""How the API documentation describes the distribution of cubes, as JSON schemas."""

from __future__ import annotations

from typing import Any

from app_framework.web.routes.cube_schema import JSON, answers

_TEXT: dict[str, Any] = {"type": "string"}
_COUNT: dict[str, Any] = {"type": "integer"}
_MEMBERS: dict[str, Any] = {
    "type": "array",
    "items": {"type": ["string", "number", "boolean", "null"]},
    "description": "Members of the level, as in a query.",
}
_LEVEL = {**_TEXT, "description": "A distributing level, as in a query."}

STATE: dict[str, Any] = {
    "title": "CubeDistribution",
    "type": "object",
    "required": ["cube", "kind", "state"],
    "properties": {
        "cube": _TEXT,
        "kind": {"enum": ["data cube", "query cube"]},
        "state": {
            "enum": ["closed", "joined", "started", "stopped"],
            "description": "A data cube is joined, a query cube started; what is stopped stays so until it is started.",
        },
        "application": {**_TEXT, "description": "Of a data cube."},
        "masks": {
            "type": "object",
            "additionalProperties": _MEMBERS,
            "description": "Of a data cube: the members by level that it is not asked for.",
        },
        "data_cubes": {
            "type": "array",
            "description": "Of a query cube: what it knows of each data cube.",
            "items": {
                "title": "DataCubeSeen",
                "type": "object",
                "properties": {
                    "node": _TEXT,
                    "cube": _TEXT,
                    "application": _TEXT,
                    "state": {"enum": ["required", "discovering", "active", "suspect", "refused"]},
                    "required": {"type": "boolean", "description": "Whether questions wait for it, or are refused."},
                    "version": {"type": ["integer", "null"]},
                    "members": {
                        "type": "object",
                        "additionalProperties": _COUNT,
                        "description": "How many it has of each distributing level.",
                    },
                    "heard_s": {"type": ["number", "null"], "description": "Seconds since it was last heard."},
                    "refused": {**_TEXT, "description": "Why it is not let in."},
                },
            },
        },
        "trouble": {**_TEXT, "description": "What keeps it from taking part."},
    },
}
REPORT: dict[str, Any] = {
    "title": "MaskReport",
    "type": "object",
    "required": ["cube", "version", "complete", "acknowledged", "failures", "masks"],
    "properties": {
        "cube": _TEXT,
        "version": {**_COUNT, "description": "Of the masks; every change makes it one larger."},
        "complete": {
            "type": "boolean",
            "description": "Whether every query cube knows: only then may the rows of masked members be dropped.",
        },
        "acknowledged": {"type": "array", "items": _TEXT, "description": "The query cubes that know, `name@node`."},
        "failures": {"type": "object", "additionalProperties": _TEXT, "description": "The others, and why."},
        "masks": STATE["properties"]["masks"],
    },
}


def _body(title: str, **properties: dict[str, Any]) -> dict[str, Any]:
    schema = {
        "title": title,
        "type": "object",
        "required": ["level", *(["members"] if "members" in properties else [])],
        "additionalProperties": False,
        "properties": {"level": _LEVEL, **properties},
    }
    return {"requestBody": {"required": True, "content": {JSON: {"schema": schema}}}}


MASK_BODY = _body("Mask", members=_MEMBERS)
ROLL_OVER_BODY = _body(
    "RollOver",
    mask={**_MEMBERS, "description": "Members that this data cube is not asked for any more."},
    unmask={**_MEMBERS, "description": "Members that it is asked for again."},
)
STATE_ANSWER = answers({JSON: {"schema": STATE}}, "The cube as it takes part now.")
REPORT_ANSWER = answers({JSON: {"schema": REPORT}}, "Who knows of the change.")
