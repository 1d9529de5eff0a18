"""Members of a level as JSON, YAML and Python write them, turned into values of the level's own type."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import TypeVar
from uuid import UUID

from app_framework.database.datatype import DataType

T = TypeVar("T")
Member = str | int | float | bool | Decimal | date | datetime | time | UUID


class MemberError(ValueError):
    """A value cannot be a member of a level."""


def parse_member(value: object, kind: DataType) -> Member:
    """Return `value` as a member of a level of type `kind`.

    Raises:
        MemberError: it can never be one: ``"1993"`` on a level of numbers, ``1993`` on one of dates.
    """
    read = _READERS.get(kind.family)
    member = read(value) if read else None
    if member is None:
        raise MemberError(f"{_shown(value)} is not a member of a level of type {kind.name}")
    return member


def member_fits(kind: DataType, member: object) -> bool:
    """Return whether a member is one that a level of type `kind` can hold; no row has any other."""
    if kind.family == "integer" and isinstance(member, int):
        low, high = kind.integer_range
        return low <= member <= high
    if kind.family == "decimal" and isinstance(member, Decimal):
        # Shifted by the scale, a member is a whole number of at most the type's digits.
        shifted = member.scaleb(kind.scale)
        return shifted == shifted.to_integral_value() and abs(shifted) < 10**kind.width
    return True


def member_text(member: object) -> str:
    """Return a member as a text that the engine casts back to it."""
    if isinstance(member, Decimal):
        return f"{member:f}"
    if isinstance(member, date | time):
        return member.isoformat()
    return str(member).lower() if isinstance(member, bool) else str(member)


def member_json(member: object) -> object:
    """Return a member, or None, as JSON writes it; `parse_member` reads it again."""
    return member if member is None or isinstance(member, str | int | float | bool) else member_text(member)


def is_unicode(text: str) -> bool:
    """Return whether a text can be written down: half of a surrogate pair, which JSON can escape, cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _integer(value: object) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float | Decimal) and math.isfinite(value) and value == int(value):
        return int(value)
    return None


def _decimal(value: object) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal | str):
        return None
    try:
        # A JSON number arrives as a float; its shortest text is what the client wrote.
        number = Decimal(repr(value) if isinstance(value, float) else value)
    except InvalidOperation:
        return None
    # A column holds 38 digits; anything far beyond is nobody's member and only a burden to compare.
    return number if number.is_finite() and -60 < number.adjusted() < 60 else None


def _float(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return math.nan if math.isnan(number) else number  # one object: two of them are not equal in a set


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and is_unicode(value) else None


def _boolean(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _date(value: object) -> date | None:
    if isinstance(value, datetime):
        return None
    if isinstance(value, date):
        return value
    return _iso(value, date.fromisoformat)


def _time(value: object) -> time | None:
    return value if isinstance(value, time) else _iso(value, time.fromisoformat)


def _timestamp(value: object) -> datetime | None:
    if isinstance(value, date) and not isinstance(value, datetime):
        return datetime.combine(value, time())
    moment = value if isinstance(value, datetime) else _iso(value, datetime.fromisoformat)
    return moment if moment is None or moment.tzinfo is None else None


def _zoned(value: object) -> datetime | None:
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time())
    moment = value if isinstance(value, datetime) else _iso(value, datetime.fromisoformat)
    if moment is None:
        return None
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError:  # the first and last days of the calendar have no neighbours in other zones
        return None


def _uuid(value: object) -> UUID | None:
    return value if isinstance(value, UUID) else _iso(value, UUID)


def _iso(value: object, read: Callable[[str], T]) -> T | None:
    if not isinstance(value, str):
        return None
    try:
        return read(value)
    except ValueError:
        return None


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


_READERS = {
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
}
