"""Rows of a test as tables: the types of their columns are those that hold all values.

>>> column_types([{"city": "Graz", "sold": 3}, {"city": None, "sold": 2.5}])
{'city': 'varchar', 'sold': 'double'}
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, cast
from uuid import UUID

from app_framework.database.changes import ArrowStream
from app_framework.database.datatype import DataType

Rows = Iterable[Mapping[str, object]] | ArrowStream
"""Mappings of columns to values; a table of pyarrow, polars or pandas is taken as well."""

DECIMAL_WIDTH = 18
INTEGERS = range(-(2**63), 2**63)


class MixedColumnError(ValueError):
    """No type holds all values of a column.

    Attributes:
        column: which.
        kinds: what its values are.
    """

    def __init__(self, column: str, kinds: Sequence[str]) -> None:
        super().__init__(column, kinds)
        self.column = column
        self.kinds = tuple(kinds)

    def __str__(self) -> str:
        found = " and ".join(self.kinds)
        return f"column {self.column!r} holds {found}, and no column type does; say it with `columns`"


def row_list(rows: Rows) -> list[Mapping[str, object]]:
    """Return rows as mappings, those of a table of another library too.

    >>> row_list(({"x": n} for n in range(2)))
    [{'x': 0}, {'x': 1}]
    """
    for method, arguments in (("to_pylist", ()), ("to_dicts", ()), ("to_dict", ("records",))):
        if not isinstance(rows, Mapping) and (read := getattr(rows, method, None)) is not None:
            return cast("list[Mapping[str, object]]", read(*arguments))
    return list(cast("Iterable[Mapping[str, object]]", rows))


def column_types(
    rows: Sequence[Mapping[str, object]],
    given: Mapping[str, str] | None = None,
    known: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Return the types of all columns, by all rows.

    Args:
        rows: any of them may lack a column; None is no value.
        given: types that are as they are said.
        known: types that are taken where they hold every value; also for columns without one.

    Raises:
        MixedColumnError: the values of a column go together in none.
    """
    given, known = given or {}, known or {}
    names = dict.fromkeys([*given, *(name for row in rows for name in row), *([] if rows else known)])
    return {name: given.get(name) or _column_type(name, _values(rows, name), known.get(name)) for name in names}


def _values(rows: Sequence[Mapping[str, object]], name: str) -> list[object]:
    return [value for row in rows if (value := row.get(name)) is not None]


def _column_type(name: str, values: Sequence[object], known: str | None) -> str:
    needed = _needed(name, values)
    if needed is None:
        return known or "varchar"
    return known if known is not None and _holds(known, needed) else needed


def _needed(name: str, values: Iterable[object]) -> str | None:
    kinds = list(dict.fromkeys(map(_kind, values)))
    while len(kinds) > 1:
        together = _TOGETHER.get(frozenset(kinds[:2]))
        if together is None:
            raise MixedColumnError(name, kinds)
        kinds = list(dict.fromkeys([together, *kinds[2:]]))
    if not kinds:
        return None
    kind = kinds[0]
    if kind == "array":
        elements = [element for value in values for element in cast("list[object]", value) if element is not None]
        return f"{_needed(name, elements) or 'double'}[]"
    if kind == "decimal":
        return _decimal(values)
    if kind == "bigint" and not all(cast("int", value) in INTEGERS for value in values):
        return "hugeint"
    return kind


_TOGETHER: Mapping[frozenset[str], str] = {
    frozenset({"bigint", "double"}): "double",
    frozenset({"bigint", "decimal"}): "decimal",
    frozenset({"decimal", "double"}): "double",
    frozenset({"date", "timestamp"}): "timestamp",
}


def _kind(value: object) -> str:
    """Return the type of one value; bool is an int to Python, datetime a date."""
    if isinstance(value, datetime):
        return "timestamp" if value.tzinfo is None else "timestamptz"
    if isinstance(value, list | tuple):
        return "array"
    for kind, name in _KINDS:
        if isinstance(value, kind):
            return name
    return type(value).__name__


_KINDS: tuple[tuple[type[Any], str], ...] = (
    (bool, "boolean"),
    (int, "bigint"),
    (float, "double"),
    (Decimal, "decimal"),
    (str, "varchar"),
    (date, "date"),
    (time, "time"),
    (UUID, "uuid"),
)


def _decimal(values: Iterable[object]) -> str:
    digits = list(_digits(values))
    scale = max(scale for _, scale in digits)
    width = max(whole for whole, _ in digits) + scale
    return f"decimal({max(width, DECIMAL_WIDTH)},{scale})"


def _digits(values: Iterable[object]) -> Iterator[tuple[int, int]]:
    """Yield how many digits stand before and after the point of each number."""
    for value in values:
        number = Decimal(cast("Decimal | int", value)).as_tuple()
        exponent = cast("int", number.exponent)
        scale = max(0, -exponent)
        yield max(0, len(number.digits) + exponent), scale


def _holds(known: str, needed: str) -> bool:
    """Whether every value that needs one type can be kept as another."""
    a, b = DataType.parse(known), DataType.parse(needed)
    if a == b:
        return True
    if a.family == "decimal" and b.family == "decimal":
        return a.scale >= b.scale
    if a.family == "array" and b.family == "array":
        return _holds(a.element.sql, b.element.sql)
    return (a.family, b.family) in _WIDER


_WIDER = {
    ("float", "integer"),
    ("float", "decimal"),
    ("decimal", "integer"),
    ("timestamp", "date"),
}
