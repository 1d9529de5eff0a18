"""Where a configured value was written, so that every message can point at it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Origin:
    """The place a value or a definition comes from.

    Args:
        source: what a person calls it: ``application.yml``, ``environment variable APP_SERVER_PORT``, ``command line``.
        line: line in the file, from 1; None where the source has no lines.
        column: column in that line, from 1.
        path: the absolute file, None when the value is not from a file.

    >>> str(Origin("application.yml", 12, 3))
    'application.yml:12:3'
    """

    source: str
    line: int | None = None
    column: int | None = None
    path: Path | None = None

    @property
    def directory(self) -> Path | None:
        """The folder that relative paths written at this place start from."""
        return self.path.parent if self.path else None

    def __str__(self) -> str:
        parts = [self.source, self.line, self.column]
        return ":".join(str(part) for part in parts if part is not None)
