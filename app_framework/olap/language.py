"""How a model writes calculated measures: the key that says what one computes, and what it has to be told beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from app_framework.olap.period import Period, TimeWindow


@dataclass(frozen=True, slots=True)
class Shape:
    """What may stand under a key.

    Args:
        words: what it is, as a problem says it: ``a text``.
        accepts: whether a value read from YAML is one.
        schema: the same in JSON schema.
    """

    words: str
    accepts: Callable[[object], bool]
    schema: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Option:
    """A key beside the one that says what is computed."""

    name: str
    shape: Shape
    required: bool = False


@dataclass(frozen=True, slots=True)
class Form:
    """How one calculation is written.

    Args:
        key: the key that says what is computed.
        argument: what stands under it; the name of a measure in most.
        measure: the key under which the measure stands, that one itself in all but one; of a lookup the column.
    """

    key: str
    options: tuple[Option, ...]
    argument: Shape
    measure: str


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_offset(value: object) -> bool:
    return _is_integer(value) and abs(int(str(value))) <= STEPS_MAX


def _is_window(value: object) -> bool:
    if not isinstance(value, list | tuple) or len(value) != 2:
        return False
    first, last = value
    if not all(end is None or _is_offset(end) for end in value):
        return False
    return first is None or last is None or first <= last


def _is_levels(value: object) -> bool:
    return isinstance(value, list | tuple) and bool(value) and all(_is_text(item) for item in value)


def _is_filters(value: object) -> bool:
    return isinstance(value, Mapping) and bool(value)


def _is_members(value: object) -> bool:
    if not isinstance(value, Mapping) or not value:
        return False
    return not any(isinstance(member, Mapping | list | tuple) for member in value.values())


def _is_columns(value: object) -> bool:
    return isinstance(value, Mapping) and bool(value) and all(_is_text(column) for column in value.values())


def _is_function(value: object) -> bool:
    if not isinstance(value, str):
        return callable(value)
    module, _, function = value.partition(":")
    return all(name.isidentifier() for name in (*module.split("."), *function.split(".")))


def _is_fraction(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


def _is_position(value: object) -> bool:
    return _is_integer(value) and 0 < abs(int(str(value))) <= STEPS_MAX


STEPS_MAX = 1_000_000
"""The farthest that a shift or a window reaches, in members."""

_TEXT = {"type": "string"}
_STEPS = {"type": ["integer", "null"], "minimum": -STEPS_MAX, "maximum": STEPS_MAX}
MEASURE = Shape("the name of a measure", _is_text, _TEXT)
LEVEL = Shape("the name of a level", _is_text, _TEXT)
HIERARCHY = Shape("the name of a hierarchy", _is_text, _TEXT)
AGGREGATE = Shape("the name of an aggregation", _is_text, _TEXT)
COLUMN = Shape("a table and a column of it: `rates.rate`", _is_text, _TEXT)
COLUMNS = Shape(
    "a mapping of levels to the columns that have their members",
    _is_columns,
    {"type": "object", "minProperties": 1, "additionalProperties": _TEXT},
)
VALUES = Shape("a mapping of columns to a value each", _is_members, {"type": "object", "minProperties": 1})
MEASURES = Shape("a list of measures", _is_levels, {"type": "array", "items": _TEXT, "minItems": 1})
TYPE = Shape("the name of a type: `double`", _is_text, _TEXT)
FUNCTION = Shape("the import path of a function, `module:function`, or in Python the function", _is_function, _TEXT)
FLAG = Shape("true or false", lambda value: isinstance(value, bool), {"type": "boolean"})
OFFSET = Shape(
    f"a number of members, at most {STEPS_MAX:,}",
    _is_offset,
    {"type": "integer", "minimum": -STEPS_MAX, "maximum": STEPS_MAX},
)
WINDOW = Shape(
    "two numbers of members, first and last, each counted from the member itself, or null for no end: [-2, 0];"
    " or such periods of time: [-P1M, 0], or P7D for those that end with it",
    lambda value: _is_window(value) or TimeWindow.read(value) is not None,
    {"anyOf": [_TEXT, {"type": "array", "items": {"anyOf": [_STEPS, _TEXT]}, "minItems": 2, "maxItems": 2}]},
)
TIME_WINDOW = Shape(
    "a period of ISO 8601 that ends with the time itself, such as P7D; or two, first and last, 0 for itself and null"
    " for no end: [-P7D, P7D]",
    lambda value: TimeWindow.read(value) is not None,
    WINDOW.schema,
)
LEVELS = Shape("a list of levels", _is_levels, {"type": "array", "items": _TEXT, "minItems": 1})
FILTERS = Shape("a mapping of levels to filters", _is_filters, {"type": "object", "minProperties": 1})
MEMBERS = Shape("a mapping of levels to a member each", _is_members, {"type": "object", "minProperties": 1})
FRACTION = Shape("a number from 0 to 1, such as 0.95", _is_fraction, {"type": "number", "minimum": 0, "maximum": 1})
POSITION = Shape(
    "a place: 1 is the first element, -1 the last",
    _is_position,
    {"type": "integer", "minimum": -STEPS_MAX, "maximum": STEPS_MAX, "not": {"const": 0}},
)
PERIOD = Shape(
    "a period of ISO 8601 such as P1M, P1Y or P7D",
    lambda value: isinstance(value, str) and Period.parse(value) is not None,
    _TEXT,
)


def _forms() -> dict[str, Form]:
    hierarchy, level = Option("hierarchy", HIERARCHY, True), Option("level", LEVEL, True)
    aggregate, partition = Option("aggregate", AGGREGATE, True), Option("partition", LEVEL)
    options: dict[str, tuple[Option, ...]] = {
        "filter": (Option("where", FILTERS, True),),
        "at": (Option("members", MEMBERS, True),),
        "total": (hierarchy,),
        "share": (hierarchy,),
        "parent_value": (hierarchy,),
        "parent_share": (hierarchy,),
        "rank": (hierarchy, Option("ascending", FLAG)),
        "siblings": (hierarchy, aggregate, Option("exclude_self", FLAG), Option("window", TIME_WINDOW)),
        "shift": (level, Option("offset", OFFSET), Option("strict", FLAG), partition),
        "cumulative": (level, Option("aggregate", AGGREGATE), Option("window", WINDOW), partition),
        "date_shift": (level, Option("by", PERIOD, True)),
        "array_sum": (),
        "array_avg": (),
        "array_min": (),
        "array_max": (),
        "array_length": (),
        "array_element": (Option("position", POSITION, True),),
        "array_quantile": (Option("q", FRACTION, True),),
        "array_scale": (Option("by", MEASURE, True),),
        "max_member": (level,),
        "min_member": (level,),
    }
    forms = {key: Form(key, known, MEASURE, key) for key, known in options.items()}
    python = (Option("of", MEASURES, True), Option("type", TYPE, True))
    forms[PYTHON] = Form(PYTHON, python, FUNCTION, PYTHON)
    forms[LOOKUP] = Form(LOOKUP, (Option("by", COLUMNS, True), Option("where", VALUES)), COLUMN, LOOKUP)
    return forms | {"per": Form("per", (aggregate, Option("of", MEASURE, True)), LEVELS, "of")}


LOOKUP = "lookup"
"""The key of the calculation that is over no measure but over a column."""

PYTHON = "python"
"""The key of the calculation that a Python function does."""

FORMS: Mapping[str, Form] = MappingProxyType(_forms())
"""The forms of calculated measures by their key."""
