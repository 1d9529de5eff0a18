"""How the API documentation describes what cubes tell of themselves, as JSON schemas."""

from __future__ import annotations

from typing import Any

from app_framework.web.routes.cube_schema import JSON, TAGS, answers

_TEXT: dict[str, Any] = {"type": "string"}
_MAYBE: dict[str, Any] = {"type": ["string", "null"]}
_FLAG: dict[str, Any] = {"type": "boolean"}


def _told(schema: dict[str, Any], description: str) -> dict[str, Any]:
    return {**schema, "description": description}


def _object(title: str, properties: dict[str, Any], sometimes: dict[str, Any] | None = None) -> dict[str, Any]:
    """Describe an object that always has all of the first, and some of the others."""
    every = {**properties, **(sometimes or {})}
    return {"title": title, "type": "object", "required": [*properties], "properties": every}


def _list(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


_ABOUT = {
    "name": _told(_TEXT, "What queries call it."),
    "caption": _told(_TEXT, "What people call it; its name where the model says nothing."),
    "description": _told(_MAYBE, "What it means."),
}
_FOLDER = _told(_MAYBE, "Where browsers file it; `/` between folders within each other.")
_FORMAT = _told(_MAYBE, "How people see its values: `#,##0.00` of numbers, `%d.%m.%Y` of dates.")
_VISIBLE = _told(_FLAG, "Whether browsers offer it; it can be asked for in any case.")
_TYPE = _told(_TEXT, "Its type in answers: `string`, `int64`, `decimal(38,2)`, `date`, `timestamp[UTC]`, …")
_EXPRESSION = _told(_TEXT, "The column, expression or formula it is made of.")
_KNOWN_BY = {"applications": _told(_list(_TEXT), "Of a query cube: which of its applications know it.")}

LEVEL = _object(
    "Level",
    {
        **_ABOUT,
        "full_name": _told(_TEXT, "Dimension, hierarchy and level: a name that is never ambiguous."),
        "format": _FORMAT,
        "visible": _VISIBLE,
        "type": _TYPE,
        "order": _told(_MAYBE, "How its members are ordered, where not by their values: `by month`, `as listed`."),
        "expression": _EXPRESSION,
    },
)
HIERARCHY = _object(
    "Hierarchy",
    {
        **_ABOUT,
        "folder": _FOLDER,
        "visible": _VISIBLE,
        "slicing": _told(_FLAG, "Whether its members are never added up."),
        "default": {"description": "The member that a query reads that does not name a slicing hierarchy."},
        "levels": _told(_list(LEVEL), "From coarse to fine."),
    },
    _KNOWN_BY,
)
DIMENSION = _object("Dimension", {**_ABOUT, "hierarchies": _list(HIERARCHY)})
MEASURE = _object(
    "Measure",
    {
        **_ABOUT,
        "folder": _FOLDER,
        "format": _FORMAT,
        "visible": _VISIBLE,
        "type": _TYPE,
        "kind": _told(_TEXT, "How it is computed: `sum`, `count`, …, `formula`."),
        "expression": _EXPRESSION,
        "partial": {
            "type": "object",
            "description": "How the answers of several nodes become one.",
            "properties": {
                "form": {"enum": ["mergeable", "detail-shipping", "sketch", "derived"]},
                "parts": _told(_list(_TEXT), "What a node sends."),
            },
        },
    },
    _KNOWN_BY,
)
_CUBE = {
    **_ABOUT,
    "kind": {
        "enum": ["cube", "data cube", "query cube"],
        "description": "A data cube also answers for its part of query cubes, which hold no rows themselves.",
    },
    "schema": _told(_MAYBE, "The schema that declares it."),
    "base": _told(_MAYBE, "The table whose rows it counts; null for a query cube."),
    "model": _told(_TEXT, "The fingerprint of its model: another one when the model is another one."),
    "dimensions": _list(DIMENSION),
    "measures": _list(MEASURE),
}
_DISTRIBUTED = {
    "application": _told(_TEXT, "Of a data cube: whose rows, or some of them, it holds."),
    "state": _told(_TEXT, "Of a data cube: whether it takes part, `joined` or `stopped`."),
    "applications": {
        "type": "array",
        "items": {"type": "object"},
        "description": "Of a query cube: each application, its distributing levels and its data cubes.",
    },
}
CUBE = _object("Cube", _CUBE, _DISTRIBUTED)
CATALOGS = _object(
    "Catalogs",
    {"manager": _TEXT, "catalogs": _list(_object("Catalog", {"name": _TEXT, "cubes": _list(CUBE)}))},
)
DESCRIPTION = _object(
    "CubeDescription",
    {"catalogs": _told(_list(_TEXT), "The catalogs it is in."), **_CUBE},
    _DISTRIBUTED,
)


CUBES_DISCOVERY = answers({JSON: {"schema": CATALOGS}}, "Every catalog with its cubes.", TAGS, held=True)
CUBE_DISCOVERY = answers(
    {JSON: {"schema": DESCRIPTION}}, "Dimensions, hierarchies, levels and measures.", TAGS, held=True
)
