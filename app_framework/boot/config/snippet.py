"""The lines around a mistake in a file, with a caret below the place and secrets masked."""

from __future__ import annotations

import re

from app_framework.boot.config.secrecy import MASK, is_secret_name, scrub_line

_KEY = re.compile(r"^[\s\-]*(?P<key>[^:#]+):(\s|$)")
_SHOWN_WIDTH = 120
_LINES_BEFORE = 1


def snippet(text: str, line: int, column: int) -> str:
    """Return line number `line` of `text` and the one before it, and a caret under `column` (both from 1)."""
    lines = text.splitlines() or [""]
    line = min(line, len(lines))
    width = len(str(line))
    numbers = range(max(1, line - _LINES_BEFORE), line + 1)
    rows = [f"{number:>{width}} | {_shown(lines, number)}" for number in numbers]
    caret = " " * min(column - 1, len(_shown(lines, line)))
    return "\n".join(f"  {row}".rstrip() for row in [*rows, f"{'':>{width}} | {caret}^"])


def _shown(lines: list[str], number: int) -> str:
    """Return a line fit to be shown; one that continues a secret of a line above is masked whole."""
    line = lines[number - 1].replace("\t", " ")
    if any(is_secret_name(key) for key in _keys_above(lines, number)):
        return " " * _indent(line) + MASK
    return scrub_line(line)[:_SHOWN_WIDTH]


def _keys_above(lines: list[str], number: int) -> list[str]:
    """Return the keys that a line is indented below, the nearest first."""
    keys = []
    indent = _indent(lines[number - 1])
    for line in reversed(lines[: number - 1]):
        if line.strip() and _indent(line) < indent:
            indent = _indent(line)
            if found := _KEY.match(line):
                keys.append(found["key"])
    return keys


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" \t"))
