"""Flat settings as the tree that `application.yml` would show, every value with its place as a comment."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app_framework.boot.config.explanation import Setting

Tree = dict[str | int, "Tree | Setting"]

_STEP = re.compile(r"\[(?P<bracketed>[^\]]*)\]|(?P<name>[^.\[]+)")
_PLAIN = re.compile(r"[A-Za-z/_][\w./@+$%-]*( [\w./@+$%-]+)*|\d+(\.\d+)?(ms|[smhd]|[KMGT]?i?B)")
_NOT_TEXT = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n", ".inf", ".nan"})
_COMMENT_COLUMN_MAX = 56


def setting_tree(settings: Mapping[str, Setting]) -> Tree:
    """Return the settings by the parts of their keys; a list item's part is its number."""
    root: Tree = {}
    for key, setting in settings.items():
        *above, last = _steps(key)
        here = root
        for step in above:
            below = here.setdefault(step, {})
            here = below if isinstance(below, dict) else {}
        here[last] = setting
    return root


def to_yaml(tree: Tree) -> str:
    """Return a tree as YAML; the comments stand below each other."""
    rows = _rows(tree)
    column = min(max((len(text) for text, _ in rows), default=0), _COMMENT_COLUMN_MAX)
    return "\n".join(f"{text.ljust(column)}  # {origin}" if origin else text for text, origin in rows) or "{}"


def scalar(value: object) -> str:
    """Return a value as it may stand in one line of YAML.

    >>> [scalar(each) for each in ("nats", "no", "10s", "1.0", 8080, None, True, ["a"], "******")]
    ['nats', '"no"', '10s', '"1.0"', '8080', 'null', 'true', '["a"]', '"******"']
    """
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _NOT_TEXT:
        return value
    return json.dumps(value, ensure_ascii=False, default=str)


def _steps(key: str) -> list[str | int]:
    """Only the number of a list item is digits in brackets; a key with dots stands in brackets too."""
    found: list[str | int] = []
    for match in _STEP.finditer(key):
        bracketed = match["bracketed"]
        found.append(int(bracketed) if bracketed and bracketed.isdecimal() else bracketed or match["name"] or "")
    return found


def _rows(tree: Tree) -> list[tuple[str, str]]:
    """Return each line with its comment."""
    rows: list[tuple[str, str]] = []
    for step, node in tree.items():
        if not isinstance(node, dict):
            head = "- " if isinstance(step, int) else f"{scalar(step)}: "
            rows.append((head + scalar(node.value), str(node.origin)))
        elif isinstance(step, int):
            rows += [(("  " if at else "- ") + text, origin) for at, (text, origin) in enumerate(_rows(node))]
        else:
            rows.append((f"{scalar(step)}:", ""))
            rows += [(f"  {text}", origin) for text, origin in _rows(node)]
    return rows
