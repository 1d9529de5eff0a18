"""The JSON Schema of `application.yml` as a file, for editors."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from app_framework.cli.output import as_json

if TYPE_CHECKING:
    from app_framework.boot import Environment

DEFAULT_PLACE = Path(".app", "application.schema.json")
"""Where the first line of a generated `application.yml` expects it, relative to that file."""


def schema_text(environment: Environment) -> str:
    """Return the schema of everything that the installed starters and the application know."""
    from app_framework.boot.config.schema import json_schema

    return as_json(json_schema(environment.models))


def write_schema(environment: Environment, path: Path) -> None:
    """Write the schema to a file, whose folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(schema_text(environment) + "\n", encoding="utf-8")
