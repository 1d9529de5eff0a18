"""Which of our own starters owns a section, so that an uninstalled one can be named (FA1)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_PREFIX = "app-framework-starter-"

KNOWN_STARTERS: Mapping[str, str] = MappingProxyType(
    {
        "catalogs": f"{_PREFIX}olap",
        "cluster": f"{_PREFIX}cluster",
        "database": f"{_PREFIX}database",
        "distribution": f"{_PREFIX}olap",
        "documents": f"{_PREFIX}documents",
        "feeds": f"{_PREFIX}olap",
        "manager": f"{_PREFIX}olap",
        "messaging": f"{_PREFIX}messaging",
        "nats": f"{_PREFIX}nats",
        "olap": f"{_PREFIX}olap",
        "schemas": f"{_PREFIX}olap",
        "security": f"{_PREFIX}web",
        "server": f"{_PREFIX}web",
        "studio": f"{_PREFIX}studio",
        "tables": f"{_PREFIX}tables",
    }
)
"""Section to distribution, for every starter of this project."""
