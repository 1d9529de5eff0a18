"""Where the pivot is."""

from __future__ import annotations

from urllib.parse import quote

PAGE = "/studio/cubes"
PERSPECTIVE = "/studio/perspective"
"""The files that run in the browser, below their version."""


def pivot_url(cube: str) -> str:
    """Return where the pivot of a cube is."""
    return f"{PAGE}/{quote(cube, safe='')}"
