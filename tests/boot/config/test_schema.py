"""One JSON Schema over everything that is installed."""

from __future__ import annotations

import json
from typing import Any

from app_framework.boot.config.schema import json_schema
from tests.boot.config.conftest import MODELS
from tests.boot.config.test_binding import EverythingProperties
from tests.boot.config.test_deprecation import OldProperties
from tests.boot.config.test_keys import HealthProperties, ManagementProperties, RecursiveProperties

PLACEHOLDER = {"type": "string", "pattern": r"^.*\$\{.*\}.*$"}


def schema_of(*models: Any) -> dict[str, Any]:
    return json_schema(models, {})


def properties_of(schema: dict[str, Any], *path: str) -> dict[str, Any]:
    """Return the schema at a path, references followed."""
    node = schema
    for key in path:
        node = followed(schema, node)["properties"][key]
    return followed(schema, node)


def followed(schema: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    reference = node.get("$ref") or next((each["$ref"] for each in node.get("allOf", [])), None)
    return schema["definitions"][reference.removeprefix("#/definitions/")] if reference else node


def test_sections_and_keys_are_kebab_case_and_closed() -> None:
    """An editor marks a typo while it is written."""
    schema = schema_of(*MODELS)
    assert schema["$schema"] == "http://json-schema.org/draft-07/schema#"
    assert schema["additionalProperties"] is False
    assert set(schema["properties"]) == {"app", "database", "debug", "nats", "schemas", "security", "server"}
    nats = properties_of(schema, "nats")
    assert set(nats["properties"]) == {"connect-timeout", "enabled", "servers", "token"}
    assert nats["additionalProperties"] is False


def test_every_scalar_may_be_a_placeholder() -> None:
    """Facts about the field stay outside."""
    schema = schema_of(*MODELS)
    assert properties_of(schema, "server", "port") == {
        "title": "Port",
        "default": 8080,
        "anyOf": [{"type": "integer", "minimum": 0, "maximum": 65535}, PLACEHOLDER],
    }
    assert properties_of(schema, "nats", "servers")["items"] == {"anyOf": [{"type": "string"}, PLACEHOLDER]}
    shutdown = properties_of(schema, "server", "shutdown")["anyOf"]
    assert shutdown == [{"type": "string", "enum": ["graceful", "immediate"]}, PLACEHOLDER]


def test_a_union_has_one_placeholder() -> None:
    """However many scalars it has."""
    token = properties_of(schema_of(*MODELS), "nats", "token")
    assert [each.get("type") for each in token["anyOf"]] == ["string", "null", "string"]
    assert token["anyOf"][-1] == PLACEHOLDER


def test_secrets_are_write_only_and_deprecated_keys_marked() -> None:
    """Editors grey out the one and hide the other."""
    assert "writeOnly" in json.dumps(properties_of(schema_of(*MODELS), "nats", "token"))
    port = properties_of(schema_of(OldProperties), "old", "port")
    assert (port["deprecated"], port["x-replacement"]) == (True, "old.web.port")


def test_durations_and_sizes_take_text_and_numbers() -> None:
    """As the binding does."""
    wait = properties_of(schema_of(EverythingProperties), "everything", "wait")["anyOf"]
    assert [each["type"] for each in wait] == ["string", "number", "string"]


def test_models_with_one_prefix_below_another_are_joined() -> None:
    """Neither closes the section to the other."""
    schema = schema_of(ManagementProperties, HealthProperties)
    assert set(properties_of(schema, "management")["properties"]) == {"enabled", "endpoint"}
    assert "show" in properties_of(schema, "management", "endpoint", "health")["properties"]
    turned = schema_of(HealthProperties, ManagementProperties)
    assert set(properties_of(turned, "management")["properties"]) == {"enabled", "endpoint"}


def test_recursive_models_refer_to_themselves() -> None:
    """A schema of finite size."""
    children = properties_of(schema_of(RecursiveProperties), "recursive", "children")
    assert children["additionalProperties"] == {"$ref": "#/definitions/RecursiveProperties"}


def test_documents_and_profiles_are_part_of_it() -> None:
    """The keys of the framework itself are completed too."""
    schema = schema_of()
    assert "on-profile" in properties_of(schema, "app", "config", "activate")["properties"]
    assert "active" in properties_of(schema, "app", "profiles")["properties"]
    assert "description" in properties_of(schema, "app", "name")


def test_a_section_of_an_uninstalled_starter_says_what_it_needs() -> None:
    """An editor shows the description; nothing is valid there."""
    section = json_schema(MODELS)["properties"]["cluster"]
    assert section["not"] == {}
    assert "pip install app-framework-starter-cluster" in section["description"]


def test_every_reference_leads_somewhere() -> None:
    """And the whole is JSON."""
    schema = json_schema([*MODELS, EverythingProperties, RecursiveProperties, HealthProperties])
    text = json.dumps(schema)
    for piece in text.split('"$ref": "#/definitions/')[1:]:
        assert piece.partition('"')[0] in schema["definitions"]
    assert "$defs" not in text
