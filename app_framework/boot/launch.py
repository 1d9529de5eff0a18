"""What one run of an application is given from outside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, repr=False)
class Launch:
    """What one run is given from outside; nothing else of the process is looked at.

    Args:
        name: the application's name where the configuration gives none.
        sources: what the user gave.
        directory: the folder whose `application.yml` is read.
        packaged: the folder beside the application's module, of the lowest precedence.
        config: a file or folder in the place of the default locations.
        profiles: active profiles, stronger than configured ones.
        environ: the environment variables.
        arguments: the command line, ``--server.port=0``.
        properties: a test's properties, the strongest of all.
        inline: YAML text, for tests.
        overrides: instances by type or name that replace components.
        auto: auto-configuration classes in the place of the installed ones; None for the installed ones.
        exclude: ids of auto-configurations to leave out.
        hidden_modules: modules to treat as not installed.
        manage_logging: whether this run sets up the process's logging.
    """

    name: str = "application"
    sources: tuple[object, ...] = ()
    directory: Path = field(default_factory=Path.cwd)
    packaged: Path | None = None
    config: Path | None = None
    profiles: tuple[str, ...] = ()
    environ: Mapping[str, str] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()
    properties: Mapping[str, object] = field(default_factory=dict)
    inline: str | None = None
    overrides: Mapping[Any, object] = field(default_factory=dict)
    auto: tuple[type, ...] | None = None
    exclude: tuple[str, ...] = ()
    hidden_modules: frozenset[str] = frozenset()
    manage_logging: bool = True
