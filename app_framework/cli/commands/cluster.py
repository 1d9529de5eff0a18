"""`af cluster`: ask and change a running cluster, from anywhere."""

from __future__ import annotations

from app_framework.cli.lazy import LazyCommand, LazyGroup

COMMANDS = {
    "status": LazyCommand(".commands.cluster_status", "Show the members, who leads, and how it is."),
    "register": LazyCommand(".commands.cluster_change", "Make a running node a member.", "register"),
    "deregister": LazyCommand(".commands.cluster_change", "Remove a member.", "deregister"),
    "stop": LazyCommand(".commands.cluster_change", "Stop a member's process.", "stop"),
    "recover": LazyCommand(".commands.cluster_recover", "Found the cluster again when its majority is gone for good."),
}

HELP = """Ask and change a running cluster.

Exit codes: 0 healthy, 1 degraded or refused, 2 no quorum, 3 unreachable.
"""

command = LazyGroup("cluster", table=COMMANDS, help=HELP)
