"""`af node`: the nodes of a cluster."""

from __future__ import annotations

from app_framework.cli.lazy import LazyCommand, LazyGroup

COMMANDS = {
    "start": LazyCommand(".commands.node_start", "Run one node of a cluster in the foreground."),
}

command = LazyGroup("node", table=COMMANDS, help="Run the nodes of a cluster.")
