"""Perspective's filters as those of a `CubeQuery`: its operators, on levels, each value in the level's own type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation

from app_framework.olap.filter import Between, Filter, In, NotIn, StartsWith
from app_framework.web.pivot.columns import LevelColumn, PivotColumns, ShownAs
from app_framework.web.pivot.errors import PivotError

_ANY = ("==", "!=", "in", "not in", "is null", "is not null")
OPERATORS: Mapping[ShownAs, tuple[str, ...]] = {
    "string": (*_ANY, ">=", "<=", "begins with"),
    "date": ("==", "!=", ">=", "<=", "is null", "is not null"),
    "datetime": ("==", "!=", ">=", "<=", "is null", "is not null"),
    "boolean": ("==", "!=", "is null", "is not null"),
    "float": (),
    "integer": (),
}
"""What can be asked of a level, by the type it is shown as; measures are not filtered."""


def read_filters(columns: PivotColumns, filters: Sequence[Sequence[object]], reducer: str) -> dict[str, Filter]:
    """Return the filters of a query.

    Args:
        columns: of the cube.
        filters: ``[column, operator, value]`` each; one whose value was not typed yet keeps everything.
        reducer: how several go together, ``and`` or ``or``.

    Raises:
        PivotError: a filter has no equal in a query.
    """
    read: dict[str, Filter] = {}
    for name, operator, *values in filters:
        level = columns.level(str(name))
        filter_ = _read(level, str(operator), values[0] if values else None)
        if filter_ is not None:
            read[level.name] = _both(level, read[level.name], filter_) if level.name in read else filter_
    if reducer != "and" and len(read) > 1:
        raise PivotError("Filters on several levels hold together: choose 'and', or one filter with 'in'.")
    return read


def _read(level: LevelColumn, operator: str, value: object) -> Filter | None:
    if operator not in OPERATORS[level.shown_as]:
        known = ", ".join(OPERATORS[level.shown_as])
        raise PivotError(f"{level.name!r} cannot be filtered by {operator!r}; it can by {known}.")
    if operator == "is null":
        return In((None,))
    if operator == "is not null":
        return NotIn((None,))
    if value is None or value == []:
        return None
    if operator == "begins with":
        return StartsWith(str(value))
    members = tuple(_member(level, each) for each in (value if isinstance(value, list | tuple) else [value]))
    if operator in ("==", "in"):
        return In(members)
    if operator in ("!=", "not in"):
        return NotIn(members)
    return Between(low=members[0]) if operator == ">=" else Between(high=members[0])


def _both(level: LevelColumn, first: Filter, second: Filter) -> Filter:
    """Return the one filter that keeps what both keep: a query has one for a level."""
    if isinstance(first, In) and isinstance(second, In):
        return In(tuple(member for member in first.members if member in second.members))
    if isinstance(first, NotIn) and isinstance(second, NotIn):
        return NotIn((*first.members, *second.members))
    if isinstance(first, Between) and isinstance(second, Between):
        return Between(
            low=_bound(first.low, second.low, largest=True), high=_bound(first.high, second.high, largest=False)
        )
    if isinstance(second, In) and isinstance(first, NotIn):
        first, second = second, first
    if isinstance(first, In) and isinstance(second, NotIn):
        return In(tuple(member for member in first.members if member not in second.members))
    raise PivotError(f"These two filters on {level.name!r} do not go together: keep one of them.")


def _bound(one: object, other: object, *, largest: bool) -> object:
    bounds = [bound for bound in (one, other) if bound is not None]
    if not bounds:
        return None
    return max(bounds) if largest else min(bounds)  # type: ignore[type-var]


def _member(level: LevelColumn, value: object) -> object:
    """Return what the browser sent, in a form that the level's type takes; what is no member is left for the query."""
    family = level.type.family
    if isinstance(value, int | float) and not isinstance(value, bool) and level.shown_as in ("date", "datetime"):
        moment = datetime.fromtimestamp(value / 1000, UTC)
        return moment.date() if family == "date" else moment if family == "zoned" else moment.replace(tzinfo=None)
    if not isinstance(value, str):
        return value
    text = value.strip()
    if family == "boolean":
        return {"true": True, "false": False}.get(text.lower(), value)
    if level.type.numeric:
        return _number(level, text)
    if family == "zoned":
        return f"{text}Z" if "T" in text and not text.endswith("Z") and "+" not in text else text
    return value


def _number(level: LevelColumn, text: str) -> object:
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise PivotError(f"{text!r} is not a number, and the members of {level.name!r} are.") from None
    if level.type.family == "decimal" or not number.is_finite():
        return number
    return float(number) if level.type.family == "float" else int(number) if number == int(number) else number
