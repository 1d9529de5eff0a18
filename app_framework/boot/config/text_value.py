"""Turn the text of a variable or an argument into what its property expects."""

from __future__ import annotations

from enum import Enum
from pathlib import PurePath
from typing import Literal, get_args, get_origin

from pydantic import SecretStr

from app_framework.boot.config.property_source import ConfigValue
from app_framework.boot.config.shape import Shape
from app_framework.boot.config.yaml_scalars import plain_scalar
from app_framework.boot.config.yaml_source import read_flow
from app_framework.boot.origin import Origin


def text_value(text: str, shape: Shape, origin: Origin) -> ConfigValue:
    """Return the value that a text means at a place.

    A list is written ``a,b`` or ``[a, b]``, a map ``{a: 1}``; a number is one only where no text is wanted.

    Raises:
        ValueError: if the text begins like a list or a map and is none.
    """
    listed = shape.items is not None
    if text.lstrip()[:1] in ("[", "{") and (listed or shape.is_map or shape.anything):
        return read_flow(text, origin)
    if listed and ("," in text or not shape.scalars):
        return _comma_separated(text, shape, origin)
    value = text if wants_text(shape) else plain_scalar(text.strip())
    if value is None and not shape.optional and not shape.is_map:
        value = text
    return ConfigValue(value, origin, origin, text)


def _comma_separated(text: str, shape: Shape, origin: Origin) -> ConfigValue:
    items = shape.items or shape
    parts = [part.strip() for part in text.split(",")] if text.strip() else []
    return ConfigValue([text_value(part, items, origin) for part in parts], origin, origin)


def wants_text(shape: Shape) -> bool:
    """Return whether a place takes text and neither a number nor a boolean."""
    if shape.anything or not shape.scalars:
        return False
    return all(_is_text(scalar) for scalar in shape.scalars)


def takes_boolean(shape: Shape) -> bool:
    """Return whether true and false are values of their own at a place."""
    if shape.anything or not shape.scalars:
        return True
    return any(scalar is bool or get_origin(scalar) is Literal for scalar in shape.scalars)


def _is_text(scalar: object) -> bool:
    if get_origin(scalar) is Literal:
        return all(isinstance(choice, str) for choice in get_args(scalar))
    if isinstance(scalar, type) and issubclass(scalar, Enum):
        return all(isinstance(member.value, str) for member in scalar)
    return isinstance(scalar, type) and issubclass(scalar, (str, PurePath, SecretStr))
