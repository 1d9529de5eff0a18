"""The columns that a pivot offers: every level and every visible measure of a cube, each as it is shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

from app_framework.database.datatype import DataType, UnknownTypeError
from app_framework.errors import near_matches
from app_framework.web.pivot.errors import PivotError

ShownAs: TypeAlias = Literal["string", "float", "integer", "date", "datetime", "boolean"]
"""Perspective's types. Its integer says how a number is written; the numbers themselves are sent as doubles."""

SEPARATOR = "|"
"""What Perspective joins the members above a split column with."""


@dataclass(frozen=True, slots=True)
class LevelColumn:
    """A level as a column of a pivot.

    Args:
        name: the shortest name that means no other level.
        type: of its members, as answers name it.
        caption: what a person calls it.
        slicing: whether its members may not be added up.
    """

    name: str
    type: DataType
    caption: str
    slicing: bool = False

    @property
    def shown_as(self) -> ShownAs:
        """Numbers are shown as texts: 2013 is a year, not 2,013, and its filter offers a list of members."""
        return _SHOWN.get(self.type.family, "string")

    def to_shown(self, member: object) -> object:
        """Return a member as it is shown."""
        return _TO_SHOWN[self.shown_as](member)


@dataclass(frozen=True, slots=True)
class MeasureColumn:
    """A measure as a column of a pivot.

    Args:
        name: what queries call it.
        type: of its numbers, as answers name it.
        caption: what a person calls it.
        format: how a person wants to see it: ``#,##0.00``.
        additive: whether numbers of different members may be put on top of each other.
    """

    name: str
    type: DataType
    caption: str
    format: str | None = None
    additive: bool = False

    @property
    def shown_as(self) -> ShownAs:
        """Whole numbers without digits after the point."""
        if self.type.numeric:
            return "integer" if self.type.family == "integer" else "float"
        return _SHOWN.get(self.type.family, "string")

    def to_shown(self, value: object) -> object:
        """Return a value as it is shown."""
        return _TO_SHOWN[self.shown_as](value)


Column: TypeAlias = LevelColumn | MeasureColumn


class PivotColumns:
    """The columns of one cube by name.

    Args:
        levels: in the order of the model.
        measures: in the order of the model, those that may be shown; arrays are no numbers to show.
    """

    def __init__(self, levels: Mapping[str, LevelColumn], measures: Mapping[str, MeasureColumn]) -> None:
        self.levels = MappingProxyType(dict(levels))
        self.measures = MappingProxyType(dict(measures))

    @classmethod
    def of(cls, cube: Mapping[str, Any]) -> PivotColumns:
        """Return the columns of a cube from its description, the document of ``GET /cubes/{cube}``."""
        levels = {level.name: level for level in _levels(cube)}
        measures = {
            measure["name"]: MeasureColumn(
                measure["name"],
                _type(measure["type"]),
                measure["caption"],
                measure["format"],
                measure["kind"] in _ADDITIVE,
            )
            for measure in cube["measures"]
            if measure["visible"] and not measure["type"].endswith("[]")
        }
        return cls(levels, measures)

    @property
    def schema(self) -> dict[str, ShownAs]:
        """Name → type, levels first."""
        return {name: column.shown_as for name, column in self._all.items()}

    def column(self, name: str) -> Column:
        """Return a column.

        Raises:
            PivotError: there is none of that name.
        """
        found = self._all.get(name)
        if found is None:
            near = near_matches(name, self._all)
            raise PivotError(f"There is no column {name!r}." + (f" Did you mean: {', '.join(near)}?" if near else ""))
        return found

    def level(self, name: str) -> LevelColumn:
        """Return a level.

        Raises:
            PivotError: there is none of that name.
        """
        found = self.column(name)
        if isinstance(found, MeasureColumn):
            raise PivotError(f"{name!r} is a measure: it has no members to group, split or filter by.")
        return found

    @property
    def _all(self) -> dict[str, Column]:
        return {**self.levels, **self.measures}

    def __repr__(self) -> str:
        return f"<PivotColumns {len(self.levels)} levels, {len(self.measures)} measures>"


def _levels(cube: Mapping[str, Any]) -> Iterator[LevelColumn]:
    """Yield the levels, each under the shortest name that is its own."""
    found = [
        (dimension["name"], hierarchy, level)
        for dimension in cube["dimensions"]
        for hierarchy in dimension["hierarchies"]
        for level in hierarchy["levels"]
    ]
    alone = Counter(level["name"] for _, _, level in found)
    within = Counter((hierarchy["name"], level["name"]) for _, hierarchy, level in found)
    for dimension, hierarchy, level in found:
        steps = [dimension, hierarchy["name"], level["name"]]
        if within[hierarchy["name"], level["name"]] == 1:
            steps = steps[1:]
        if alone[level["name"]] == 1:
            steps = steps[-1:]
        yield LevelColumn(".".join(steps), _type(level["type"]), level["caption"], hierarchy["slicing"])


def _type(name: str) -> DataType:
    try:
        return DataType.parse("timestamptz" if name == "timestamp[UTC]" else name)
    except UnknownTypeError:
        return DataType(name, name, "other")


_ADDITIVE = frozenset({"sum", "count", "long", "short", "sum_product", "square_sum"})
_SHOWN: Mapping[str, ShownAs] = {"date": "date", "timestamp": "datetime", "zoned": "datetime", "boolean": "boolean"}


def _to_text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return value.isoformat() if isinstance(value, date | time) else str(value)


def _to_number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float | Decimal) else None


def _to_moment(value: object) -> object:
    return value.astimezone(UTC).replace(tzinfo=None) if isinstance(value, datetime) and value.tzinfo else value


def _unchanged(value: object) -> object:
    return value


_TO_SHOWN: Mapping[str, Callable[[object], object]] = {
    "string": _to_text,
    "float": _to_number,
    "integer": _to_number,
    "datetime": _to_moment,
    "date": _unchanged,
    "boolean": _unchanged,
}
