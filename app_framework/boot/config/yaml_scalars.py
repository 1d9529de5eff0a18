"""What unquoted words mean in YAML 1.2: numbers, booleans and null are few, the rest is text."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType


def plain_scalar(text: str) -> str | int | float | bool | None:
    """Return what an unquoted scalar means in the core schema of YAML 1.2.

    >>> [plain_scalar(text) for text in ("8080", "1.5", "true", "on", "012", "1_000", "~")]
    [8080, 1.5, True, 'on', '012', '1_000', None]
    """
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if text[0] not in "-+.0123456789" or len(text) > _NUMBER_LENGTH_MAX:
        return text
    if _DECIMAL.match(text):
        return int(text)
    if _FLOAT.match(text):
        return float(text)
    if _OTHER_BASE.match(text):
        return int(text, 0)
    return text


_CONSTANTS: dict[str, str | int | float | bool | None] = (
    dict.fromkeys(("", "~", "null", "Null", "NULL"))
    | dict.fromkeys(("true", "True", "TRUE"), True)
    | dict.fromkeys(("false", "False", "FALSE"), False)
    | dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), float("inf"))
    | dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf"))
    | dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan"))
)
# An integer with a leading zero stays text: it is an identifier more often than a number, and 1.1 made it octal.
_DECIMAL = re.compile(r"[-+]?(0|[1-9][0-9]*)\Z")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")
_OTHER_BASE = re.compile(r"0x[0-9a-fA-F]+\Z|0o[0-7]+\Z")
_NUMBER_LENGTH_MAX = 400

TAG = "tag:yaml.org,2002:"
"""What the standard tags begin with."""

CONVERTERS: Mapping[str, Callable[[str], str | int | float | bool | None]] = MappingProxyType(
    {
        "str": str,
        "int": lambda text: int(text, 0),
        "float": float,
        "bool": lambda text: {"true": True, "false": False}[text.lower()],
        "null": lambda text: None,
    }
)
"""How the text of a tagged scalar is read."""
