"""One JSON Schema for ``application.yml``, joined from all property models, for editors to complete and check with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic.json_schema import models_json_schema

from app_framework.boot.config.app_properties import OWN_MODELS
from app_framework.boot.config.known_starters import KNOWN_STARTERS
from app_framework.boot.config.properties import ConfigProperties, prefix_of

Schema = dict[str, Any]  # Any: the values of a JSON Schema are JSON

_DRAFT = "http://json-schema.org/draft-07/schema#"
_PLACEHOLDER: Schema = {"type": "string", "pattern": r"^.*\$\{.*\}.*$"}
_SCALARS = frozenset(("string", "integer", "number", "boolean"))
_ABOUT = ("title", "description", "default", "deprecated", "writeOnly", "x-replacement", "examples")


def json_schema(models: Iterable[type[ConfigProperties]], known_sections: Mapping[str, str] = KNOWN_STARTERS) -> Schema:
    """Return the draft-07 schema of everything that may be written, with ``${…}`` allowed for every scalar.

    Args:
        models: the claimed property models; the framework's own are added.
        known_sections: sections of starters that are not installed, with their distribution.
    """
    every = tuple(dict.fromkeys((*OWN_MODELS, *models)))
    by_model, shared = models_json_schema(
        [(model, "validation") for model in every], by_alias=True, ref_template="#/definitions/{model}"
    )
    definitions = shared.get("$defs", {})
    root: Schema = {"type": "object", "properties": {}, "additionalProperties": False}
    for model in every:
        own = _unfolded(by_model[model, "validation"], definitions)
        path = prefix_of(model).split(".") if prefix_of(model) else []
        _place(root, path, own, definitions)
    for section, distribution in known_sections.items():
        root["properties"].setdefault(section, _not_installed(distribution))
    whole = {name: _relaxed(schema) for name, schema in definitions.items()}
    properties = {name: _relaxed(schema) for name, schema in sorted(root["properties"].items())}
    return {
        "$schema": _DRAFT,
        "title": "application.yml",
        **root,
        "properties": properties,
        "definitions": dict(sorted(whole.items())),
    }


def _unfolded(schema: Schema, definitions: Mapping[str, Schema]) -> Schema:
    """Return what a reference stands for, so that other models may add their keys."""
    while "$ref" in schema:
        schema = definitions[schema["$ref"].rpartition("/")[2]]
    return dict(schema)


def _place(node: Schema, path: list[str], own: Schema, definitions: Mapping[str, Schema]) -> None:
    """Add a model's schema below `node`; keys that are there already stay."""
    for part in path:
        properties = node.setdefault("properties", {})
        fresh: Schema = {"type": "object", "additionalProperties": False}
        inner = _unfolded(properties.get(part, fresh), definitions)
        inner["properties"] = dict(inner.get("properties", {}))
        properties[part] = inner
        node = inner
    node["properties"] = {**own.get("properties", {}), **node.get("properties", {})}
    for key, value in own.items():
        if key not in ("properties", "title") or (key == "title" and path):
            node.setdefault(key, value)


def _not_installed(distribution: str) -> Schema:
    return {"description": f"Needs {distribution}, which is not installed: pip install {distribution}", "not": {}}


def _relaxed(schema: Any) -> Any:
    """Return a schema of draft 7 in which every scalar may be a placeholder."""
    if isinstance(schema, list):
        return [_relaxed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    about = {key: schema[key] for key in _ABOUT if key in schema}
    rest = {key: value for key, value in schema.items() if key not in _ABOUT and key != "discriminator"}
    if "$ref" in rest:
        return {**about, "allOf": [{"$ref": rest["$ref"]}]} if about else rest
    if _is_scalar(rest):
        return {**about, "anyOf": [rest, _PLACEHOLDER]}
    for union in ("anyOf", "oneOf"):
        if union in rest:
            return {**about, "anyOf": _members(rest[union])}
    return {**about, **{key: _inner(key, value) for key, value in rest.items()}}


def _inner(key: str, value: Any) -> Any:
    """Return the part of a schema at one of its keywords."""
    if key in ("properties", "patternProperties"):
        return {name: _relaxed(each) for name, each in value.items()}
    if key in ("items", "additionalProperties", "prefixItems", "allOf"):
        return _relaxed(value)
    return value


def _members(union: Iterable[Schema]) -> list[Schema]:
    """Return the members of a union with one placeholder for all its scalars."""
    flat: list[Schema] = []
    for member in union:
        if _is_scalar(member):
            flat.append({key: value for key, value in member.items() if key != "title"})
        else:
            relaxed = _relaxed(member)
            flat.extend(relaxed["anyOf"] if set(relaxed) == {"anyOf"} else [relaxed])
    if any(map(_is_scalar, flat)) and _PLACEHOLDER not in flat:
        flat.append(_PLACEHOLDER)
    return flat


def _is_scalar(schema: Schema) -> bool:
    kinds = schema.get("type")
    scalar = all(kind in _SCALARS for kind in kinds) if isinstance(kinds, list) else kinds in _SCALARS
    return scalar or "enum" in schema or "const" in schema
