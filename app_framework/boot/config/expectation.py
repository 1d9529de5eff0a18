"""Say in words what a property takes: ``a whole number``, ``true or false``, ``one of: a, b``."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import Literal, get_args, get_origin

from pydantic import SecretStr

from app_framework.boot.config.properties import ConfigProperties
from app_framework.boot.config.shape import Shape
from app_framework.boot.config.units import DURATION_HINT

_WORDS: tuple[tuple[type, str], ...] = (
    (bool, "true or false"),
    (int, "a whole number"),
    (float, "a number"),
    (Decimal, "a number"),
    (SecretStr, "text"),
    (str, "text"),
    (PurePath, "a path"),
    (timedelta, DURATION_HINT),
    (datetime, "a date with time"),
    (date, "a date"),
)


def expected(shape: Shape) -> str:
    """Return what a place takes, an empty text when there are no words for it."""
    if shape.anything:
        return ""
    kinds = list(dict.fromkeys(filter(None, map(_word, shape.scalars))))
    allowed = choices(shape)
    if allowed:
        kinds.append(one_of(allowed))
    if shape.of_items:
        kinds.append("a list")
    if shape.is_map:
        kinds.append("a map of keys" if not shape.of_values else "a map")
    return " or ".join(kinds)


def one_of(allowed: Sequence[str]) -> str:
    """Return the sentence for values that can be listed."""
    return f"one of: {', '.join(allowed)}" if len(allowed) > 1 else f"'{allowed[0]}'"


def choices(shape: Shape) -> tuple[str, ...]:
    """Return the values that a place takes when they can be listed."""
    found: list[str] = []
    for scalar in shape.scalars:
        if get_origin(scalar) is Literal:
            found.extend(str(choice) for choice in get_args(scalar))
        elif isinstance(scalar, type) and issubclass(scalar, Enum):
            found.extend(str(member.value) for member in scalar)
    return tuple(dict.fromkeys(found))


def _word(scalar: object) -> str:
    if not isinstance(scalar, type) or issubclass(scalar, Enum):
        return ""
    for kind, word in _WORDS:
        if issubclass(scalar, kind):
            return word
    return f"a {scalar.__name__}" if not issubclass(scalar, ConfigProperties) else ""
