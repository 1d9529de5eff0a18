"""`af config`: the configuration, without starting anything."""

from __future__ import annotations

from app_framework.cli.lazy import LazyCommand, LazyGroup

COMMANDS = {
    "check": LazyCommand(".commands.config_check", "Check the configuration and the graph of components."),
    "show": LazyCommand(".commands.config_show", "Show the values that hold, each with its place."),
    "explain": LazyCommand(".commands.config_explain", "Show every source that sets a key, the winner first."),
    "schema": LazyCommand(".commands.config_schema", "Write the JSON Schema of application.yml."),
}

command = LazyGroup("config", table=COMMANDS, help="Check, show and explain the configuration.")
