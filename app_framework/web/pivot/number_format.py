"""How a measure is written in the browser: the format of the model in the words of JavaScript's ``Intl``."""

from __future__ import annotations

import re
from collections.abc import Mapping

from app_framework.database.datatype import DataType

DIGITS_MAX = 10
_PATTERN = re.compile(r"[#0,]*[#0](?:\.(?P<fraction>[#0]+))?(?P<percent>%?)")


def number_format(kind: DataType, pattern: str | None) -> Mapping[str, object]:
    """Return the options of ``Intl.NumberFormat``; a pattern that has others than digits falls back on the type.

    >>> number_format(DataType.parse("int64"), "#,##0")
    {'useGrouping': True, 'minimumFractionDigits': 0, 'maximumFractionDigits': 0}
    >>> number_format(DataType.parse("double"), "0.0#%")["style"]
    'percent'
    """
    found = _PATTERN.fullmatch(pattern.strip()) if pattern else None
    if found is None:
        return _of_type(kind)
    fraction = found["fraction"] or ""
    options: dict[str, object] = {
        "useGrouping": "," in found[0],
        "minimumFractionDigits": min(fraction.count("0"), DIGITS_MAX),
        "maximumFractionDigits": min(len(fraction), DIGITS_MAX),
    }
    return {**options, "style": "percent"} if found["percent"] else options


def _of_type(kind: DataType) -> Mapping[str, object]:
    """Integers have no digits after the point, decimals those of their scale, doubles at most two."""
    least = {"integer": 0, "decimal": kind.scale}.get(kind.family, 0)
    most = {"integer": 0, "decimal": kind.scale}.get(kind.family, 2)
    return {
        "useGrouping": True,
        "minimumFractionDigits": min(least, DIGITS_MAX),
        "maximumFractionDigits": min(most, DIGITS_MAX),
    }
