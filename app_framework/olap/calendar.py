"""The levels that a model can take from a date or a timestamp: its parts, each with type, caption and order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from app_framework.database.sql import quote
from app_framework.olap.definition import ConfigurationPath, LevelDefinition, OrderDefinition

_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a date.

    Args:
        template: the expression, with the date in place of ``{}``.
        caption: what people call it.
        timed: whether only a timestamp has it.
        members: all that it can be, where their order is not that of their values.
    """

    template: str
    caption: str
    timed: bool = False
    members: tuple[str, ...] = ()

    def expression(self, date: str) -> str:
        """Return the expression of this part of a date.

        >>> PARTS["year"].expression("orders.at"), PARTS["date"].expression("day + 1")
        ('year("orders"."at")', 'CAST(day + 1 AS DATE)')
        """
        names = date.split(".")
        if all(name.isidentifier() for name in names):
            # A column may be called like a word of the language: `at`, `order`.
            date = ".".join(quote(name) for name in names)
        return self.template.format(date)

    def level(self, name: str, date: str, path: ConfigurationPath) -> LevelDefinition:
        """Return the level of this part of a date."""
        order = OrderDefinition(path, self.members) if self.members else None
        return LevelDefinition(name, self.expression(date), path, self.caption, order=order)


PARTS: Mapping[str, Part] = MappingProxyType({
    "year": Part("year({})", "Year"),
    "quarter": Part("quarter({})", "Quarter"),
    "month": Part("month({})", "Month"),
    "month_name": Part("monthname({})", "Month", members=_MONTHS),
    "week_year": Part("isoyear({})", "Year of the week"),
    "week": Part("weekofyear({})", "Week"),
    "weekday": Part("isodow({})", "Day of the week"),
    "weekday_name": Part("dayname({})", "Day of the week", members=_WEEKDAYS),
    "day": Part("day({})", "Day"),
    "day_of_year": Part("dayofyear({})", "Day of the year"),
    "date": Part("CAST({} AS DATE)", "Date"),
    "hour": Part("hour({})", "Hour", timed=True),
    "minute": Part("minute({})", "Minute", timed=True),
})  # fmt: skip
"""By the name that a model calls them. Weeks are those of ISO 8601: they begin on Monday, day 1, and the first one of
a `week_year` is the one with its first Thursday."""

STANDARD = ("year", "quarter", "month", "day")
"""The levels of a date hierarchy that names none."""
