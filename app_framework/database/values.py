"""Values on their way into a column: what is there afterwards is what was sent, or the value is refused.

No value is cut, rounded or guessed: a decimal with too many digits, a number out of range and a day that no calendar
has are told to whoever sent them.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from types import NoneType
from typing import TypeVar, cast
from uuid import UUID

from app_framework.database.datatype import DataType

T = TypeVar("T")
Bound = str | int | float | bool | list[object] | None
"""What is bound to a statement: plain values as they are, all others as the text the engine reads exactly."""

ValueReader = Callable[[object], Bound]
ColumnReader = Callable[[Sequence[object]], Sequence[Bound]]


class ValueRefusedError(ValueError):
    """A value cannot be kept in a column."""


def value_reader(kind: DataType, *, texts: bool = False) -> ValueReader:
    """Return what turns a value into one that can be bound for a column of type `kind`; it raises `ValueRefusedError`.

    Args:
        kind: the column's type.
        texts: whether values are texts, as CSV has them, where an empty one is null.

    >>> value_reader(DataType.parse("decimal(5,2)"))(Decimal("1.5"))
    '1.50'
    """
    make = _READERS.get(kind.family)
    if make is None:
        return _unwritable(kind)
    read = make(kind)
    parse = _PARSERS.get(kind.family) if texts else None

    def read_value(value: object) -> Bound:
        if value is None or (texts and value == ""):
            return None
        return read(parse(value, kind) if parse and isinstance(value, str) else value)

    return read_value


def column_reader(kind: DataType, *, texts: bool = False) -> ColumnReader:
    """Return what does for many values what `value_reader` does for each, in less time.

    It raises `ValueRefusedError` when one of them is refused, and does not say which.
    """
    read = value_reader(kind, texts=texts)
    unchanged = None if texts else _UNCHANGED.get(kind.family)

    def read_column(values: Sequence[object]) -> Sequence[Bound]:
        present = set(map(type, values)) - {NoneType}
        if unchanged is not None and len(present) == 1 and unchanged(kind, values, *present):
            return cast("Sequence[Bound]", values)
        if present <= {str} and len(distinct := set(values)) * 2 <= len(values):
            known = {value: read(value) for value in distinct}
            return [known[value] for value in values]
        return [read(value) for value in values]

    return read_column


def shown(value: object) -> str:
    """Return a value as a message shows it, cut where it is long."""
    if isinstance(value, int) and value.bit_length() > _BITS_SHOWN_MAX:
        return "a number of more than 300 digits"
    text = str(value) if isinstance(value, int | float | Decimal) and not isinstance(value, bool) else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _unwritable(kind: DataType) -> ValueReader:
    def refuse(value: object) -> Bound:
        if value is None:
            return None
        raise ValueRefusedError(f"columns of type {kind.name} can only be loaded from files")

    return refuse


def _not_a(value: object, kind: DataType) -> ValueRefusedError:
    return ValueRefusedError(f"{shown(value)} is not {_article(kind)}")


def _article(kind: DataType) -> str:
    return f"{'an' if kind.name[0] in 'aeio' else 'a'} {kind.name}"


def _integer(kind: DataType) -> ValueReader:
    low, high = kind.integer_range
    wide = high >= 2**63

    def read(value: object) -> Bound:
        number = _whole(value)
        if number is None:
            raise _not_a(value, kind)
        if not low <= number <= high:
            raise ValueRefusedError(f"{shown(number)} is out of range for {kind.name}")
        return str(number) if wide else number

    return read


def _whole(value: object) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float | Decimal) and math.isfinite(value) and value == value.__trunc__():
        return int(value)
    return None


def _decimal(kind: DataType) -> ValueReader:
    def read(value: object) -> Bound:
        number = _number(value)
        if number is None or not number.is_finite():
            raise _not_a(value, kind)
        if number and number.adjusted() >= kind.width - kind.scale:
            raise ValueRefusedError(f"{shown(value)} is out of range for {kind.name}")
        if _has_digits_beyond(number, kind.scale):
            raise ValueRefusedError(f"{shown(value)} has more than {kind.scale} digits after the point")
        return f"{number:.{kind.scale}f}"

    return read


def _has_digits_beyond(number: Decimal, scale: int) -> bool:
    """Whether something would be lost: looked up in the digits, because arithmetic keeps 28 of them only."""
    _, digits, exponent = number.as_tuple()
    return isinstance(exponent, int) and -exponent > scale and any(digits[exponent + scale :])


def _number(value: object) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal | str):
        return None
    if isinstance(value, str) and not _NUMBER.fullmatch(value):
        return None
    try:
        # The shortest text of a double is what its sender wrote.
        return Decimal(repr(value) if isinstance(value, float) else value)
    except InvalidOperation:
        return None


def _float(kind: DataType) -> ValueReader:
    largest = _FLOAT_MAX if kind.sql == "FLOAT" else math.inf

    def read(value: object) -> Bound:
        if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
            raise _not_a(value, kind)
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if math.isfinite(number) and abs(number) <= largest:
            if isinstance(value, int) and int(number) != value:
                raise ValueRefusedError(f"{shown(value)} has more digits than {kind.name} keeps")
            return number
        if isinstance(value, float) and not math.isfinite(value):
            return number
        raise ValueRefusedError(f"{shown(value)} is out of range for {kind.name}")

    return read


def _text(kind: DataType) -> ValueReader:
    def read(value: object) -> Bound:
        if not isinstance(value, str):
            raise _not_a(value, kind)
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ValueRefusedError("the text holds half of a character") from None
        return value

    return read


def _boolean(kind: DataType) -> ValueReader:
    def read(value: object) -> Bound:
        if isinstance(value, bool):
            return value
        raise _not_a(value, kind)

    return read


def _date(kind: DataType) -> ValueReader:
    def read(value: object) -> Bound:
        if isinstance(value, date) and not isinstance(value, datetime):
            return value.isoformat()
        return _iso(value, date.fromisoformat, kind).isoformat()

    return read


def _time(kind: DataType) -> ValueReader:
    def read(value: object) -> Bound:
        moment = value if isinstance(value, time) else _iso(value, time.fromisoformat, kind)
        if moment.tzinfo is not None:
            raise _not_a(value, kind)
        return moment.isoformat()

    return read


def _timestamp(kind: DataType) -> ValueReader:
    step_us = _STEPS_US.get(kind.sql, 1)

    def read(value: object) -> Bound:
        moment = _moment(value, kind)
        if moment.tzinfo is not None:
            raise ValueRefusedError(f"{shown(value)} has a zone, the column has none")
        if moment.microsecond % step_us:
            raise ValueRefusedError(f"{shown(value)} is finer than the column's {kind.sql} keeps")
        return moment.isoformat()

    return read


def _zoned(kind: DataType) -> ValueReader:
    def read(value: object) -> Bound:
        moment = _moment(value, kind)
        try:
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC).isoformat()
        except OverflowError:
            raise _not_a(value, kind) from None

    return read


def _moment(value: object, kind: DataType) -> datetime:
    if isinstance(value, datetime):
        return value
    if isinstance(value, date):
        return datetime.combine(value, time())
    return _iso(value, datetime.fromisoformat, kind)


def _uuid(kind: DataType) -> ValueReader:
    def read(value: object) -> Bound:
        return str(value if isinstance(value, UUID) else _iso(value, UUID, kind))

    return read


def _array(kind: DataType) -> ValueReader:
    read_element = value_reader(kind.element)

    def read(value: object) -> Bound:
        if not isinstance(value, list | tuple):
            raise _not_a(value, kind)
        elements: list[object] = []
        for position, element in enumerate(value, 1):
            try:
                elements.append(read_element(element))
            except ValueRefusedError as problem:
                raise ValueRefusedError(f"element {position}: {problem}") from None
        return elements

    return read


def _iso(value: object, read: Callable[[str], T], kind: DataType) -> T:
    # Python reads further digits of a second and forgets them.
    if not isinstance(value, str) or _TOO_FINE.search(value):
        raise _not_a(value, kind)
    try:
        return read(value)
    except ValueError:
        raise _not_a(value, kind) from None


def _parsed_integer(text: str, kind: DataType) -> object:
    if not _WHOLE.fullmatch(text):
        raise _not_a(text, kind)
    return int(text)


def _parsed_float(text: str, kind: DataType) -> object:
    if text in _SPECIAL:
        return float(text)
    if not _NUMBER.fullmatch(text):
        raise _not_a(text, kind)
    return Decimal(text)


def _parsed_boolean(text: str, kind: DataType) -> object:
    known = {"true": True, "false": False}.get(text.lower())
    if known is None:
        raise _not_a(text, kind)
    return known


def _parsed_array(text: str, kind: DataType) -> object:
    try:
        return json.loads(text, parse_float=Decimal)
    except (ValueError, RecursionError):
        raise _not_a(text, kind) from None


def _fits_integer(kind: DataType, values: Sequence[object], present: type) -> bool:
    low, high = kind.integer_range
    if present is not int or high >= 2**63:
        return False
    numbers = cast("list[int]", [value for value in values if value is not None])
    return low <= min(numbers) and max(numbers) <= high


def _is_text(kind: DataType, values: Sequence[object], present: type) -> bool:
    if present is not str:
        return False
    try:
        "".join(cast("Iterable[str]", filter(None, values))).encode()
    except UnicodeEncodeError:
        return False
    return True


_UNCHANGED: dict[str, Callable[[DataType, Sequence[object], type], bool]] = {
    "integer": _fits_integer,
    "float": lambda kind, _, present: present is float and kind.sql == "DOUBLE",
    "text": _is_text,
    "boolean": lambda _, __, present: present is bool,
}
"""By family, whether values, which are all of one type or null, are bound as they are."""

_BITS_SHOWN_MAX = 1_000
_FLOAT_MAX = 3.4028235677973366e38
_WHOLE = re.compile(r"[+-]?[0-9]{1,40}")
_NUMBER = re.compile(r"[+-]?(?=\.?[0-9])[0-9]{0,400}(?:\.[0-9]{0,400})?(?:[eE][+-]?[0-9]{1,4})?")
_TOO_FINE = re.compile(r"[.,][0-9]{7}")
_SPECIAL = ("NaN", "Infinity", "-Infinity")
_STEPS_US = {"TIMESTAMP_S": 1_000_000, "TIMESTAMP_MS": 1_000}
_PARSERS: dict[str, Callable[[str, DataType], object]] = {
    "integer": _parsed_integer,
    "float": _parsed_float,
    "boolean": _parsed_boolean,
    "array": _parsed_array,
}
_READERS: dict[str, Callable[[DataType], ValueReader]] = {
    "integer": _integer,
    "decimal": _decimal,
    "float": _float,
    "text": _text,
    "boolean": _boolean,
    "date": _date,
    "time": _time,
    "timestamp": _timestamp,
    "zoned": _zoned,
    "uuid": _uuid,
    "array": _array,
}
