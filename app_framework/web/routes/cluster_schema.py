"""What the API documentation says about the bodies and answers of the cluster's routes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_JSON = "application/json"
_TEXT = {"type": "string"}
_NUMBER = {"type": "integer"}

_DOCUMENT: dict[str, Any] = {
    "title": "NodeDocument",
    "type": "object",
    "required": ["_id", "url", "role", "status", "tag", "type", "epoch"],
    "properties": {
        "_id": {**_TEXT, "description": "The node's name, which it keeps for life."},
        "url": {**_TEXT, "description": "Where it is reached over HTTP."},
        "role": {"type": "string", "enum": ["LEADER", "FOLLOWER", "CANDIDATE"]},
        "status": {"type": "string", "enum": ["ACTIVE", "INACTIVE"]},
        "tag": {**_TEXT, "description": "A, B, C …; `?` before the first operation of the cluster."},
        "type": {"type": "string", "enum": ["voter", "watcher", "witness"], "description": "Whether it votes now."},
        "epoch": {**_NUMBER, "description": "The epoch in which the document last changed."},
    },
}
_NODE_EXAMPLE = {
    "_id": "node2",
    "url": "http://localhost:8081",
    "role": "FOLLOWER",
    "status": "ACTIVE",
    "tag": "B",
    "type": "voter",
    "epoch": 2,
}
_STATE = {"type": "string", "enum": ["LEADER", "FOLLOWER", "CANDIDATE", "PASSIVE"]}
_ENTRY_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["key", "value", "version", "sourcenode"],
    "properties": {
        "key": {**_TEXT, "description": "The id of the member."},
        "value": _DOCUMENT,
        "version": {**_NUMBER, "description": "The epoch in which the document last changed."},
        "sourcenode": {**_TEXT, "description": "The node that answered."},
    },
}


def _answer(schema: Mapping[str, Any], description: str, example: object = None) -> dict[str, Any]:
    media: dict[str, Any] = {"schema": schema}
    if example is not None:
        media["example"] = example
    return {"responses": {"200": {"description": description, "content": {_JSON: media}}}}


def _body(field: str, description: str, example: str) -> dict[str, Any]:
    schema = {
        "type": "object",
        "required": [field],
        "properties": {field: {**_TEXT, "description": description}},
    }
    media = {"schema": schema, "example": {field: example}}
    no_forward = {
        "name": "X-No-Forward",
        "in": "header",
        "required": False,
        "schema": _TEXT,
        "description": "`1`: do not ask the leader for me, answer 503 NOT_LEADER with its URL.",
    }
    return {"requestBody": {"required": True, "content": {_JSON: media}}, "parameters": [no_forward]}


VIEW = _answer(
    {
        "title": "ClusterView",
        "type": "object",
        "properties": {
            "enabled": {"type": "boolean", "description": "False on a node that runs without a cluster."},
            "clusterId": {**_TEXT, "description": "The cluster's name."},
            "nodeId": {**_TEXT, "description": "The node that answers."},
            "state": {**_STATE, "description": "What it is; PASSIVE when it is no member."},
            "leaderId": {"type": ["string", "null"], "description": "The leader where one is known."},
            "leaderUrl": {"type": ["string", "null"]},
            "term": {**_NUMBER, "description": "Grows with every leader."},
            "epoch": {**_NUMBER, "description": "Grows with every change of the members."},
            "tolerates": {**_NUMBER, "description": "How many more voting nodes may die."},
            "place": {**_TEXT, "description": "Where decisions live: sqlite or jetstream."},
            "nodes": {"type": "array", "items": _DOCUMENT},
        },
    },
    "The cluster as this node sees it.",
)
DECISIONS = _answer(
    {
        "type": "array",
        "items": {
            "title": "Decision",
            "type": "object",
            "properties": {
                "time": {"type": "string", "format": "date-time"},
                "term": _NUMBER,
                "node": {**_TEXT, "description": "The leader that decided."},
                "command": {**_TEXT, "description": "`cluster_register`, `promote`, `move_store` …"},
                "subject": {**_TEXT, "description": "The node or server that it is about."},
                "reason": {**_TEXT, "description": "Why, in a sentence."},
            },
        },
    },
    "Decisions, the newest first.",
)
URL_BODY = _body("url", "The node's URL.", "http://localhost:8081")
STOP_BODY = _body("node", "The node's id, or its URL.", "node2")
CHANGE_ANSWER = _answer(
    {
        "type": "object",
        "required": ["status", "node"],
        "properties": {
            "status": {"type": "string", "enum": ["registered", "deregistered", "stop_sent"]},
            "node": _DOCUMENT,
        },
    },
    "What was done, and the node's document.",
    {"status": "registered", "node": _NODE_EXAMPLE},
)
ENTRY = _answer(_ENTRY_SCHEMA, "The membership document of one node.")
ENTRIES = _answer({"type": "array", "items": _ENTRY_SCHEMA}, "The membership documents.")
STATUS = _answer(
    {
        "type": "object",
        "properties": {"state": _STATE, "term": _NUMBER, "leaderId": {"type": ["string", "null"]}},
        "additionalProperties": True,
    },
    "Term, leader, state, log position and servers, as this node knows them.",
)
