"""How commands write: aligned tables, JSON, and a little colour where a person looks at a terminal."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from typing import Literal

import click

GAP = "  "

Tone = Literal["green", "yellow", "red"]


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return rows below their heads, every column as wide as its widest cell; the last one is never padded.

    >>> print(table(["NAME", "STATE"], [["web", "on"], ["olap", "off"]]))
    NAME  STATE
    web   on
    olap  off
    """
    lines = [list(heads), *([*row] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(heads))]
    return "\n".join(
        GAP.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def as_json(value: object) -> str:
    """Return a value as indented JSON; what JSON does not know is written as its text."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


def say(text: str) -> None:
    """Tell the person something that is no data: it goes to standard error."""
    click.echo(text, err=True, color=colour())


def colour() -> bool | None:
    """Return whether colours are wanted: not with NO_COLOR, else (None) where a terminal is."""
    return False if os.environ.get("NO_COLOR") else None


def toned(text: str, tone: Tone) -> str:
    """Return a word in a colour; click takes the colour out where no terminal is."""
    return click.style(text, fg=tone)
