"""What a data cube publishes of its model: names, types and definitions, as values that travel as JSON.

Two outlines are equal where their cubes mean the same by the same names. How people see a name, its caption, its
format, its folder, is published too and plays no part in that.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from hashlib import blake2b

from app_framework.database.datatype import DataType

Json = object
"""A value as JSON decodes it."""


@dataclass(frozen=True, slots=True)
class OrderOutline:
    """In which order the members of a level stand.

    Args:
        listed: those that come first.
        key: the type of the sort key, where there is one; empty for the members themselves.
        descending: whether the largest comes first.
        text: the sort key as written.
    """

    listed: tuple[Json, ...] = ()
    key: str = ""
    descending: bool = False
    text: str = field(default="", compare=False)

    def __str__(self) -> str:
        way = ", descending" if self.descending else ""
        if self.key:
            return f"by {self.text} ({_answered(self.key)}){way}"
        if self.listed:
            return f"as listed: {json.dumps(list(self.listed), ensure_ascii=False)}"
        return f"natural{way}"


@dataclass(frozen=True, slots=True)
class LevelOutline:
    """A level.

    Args:
        type: of its members, as DuckDB writes it.
        text: the column or expression of its members: each data cube has its own.
    """

    name: str
    type: str
    order: OrderOutline = OrderOutline()
    text: str = field(default="", compare=False)
    caption: str | None = field(default=None, compare=False)
    description: str | None = field(default=None, compare=False)
    format: str | None = field(default=None, compare=False)
    visible: bool = field(default=True, compare=False)

    def __str__(self) -> str:
        order = "" if self.order == OrderOutline() else f" ordered {self.order}"
        return f"{self.name}: {_answered(self.type)}{order}"


@dataclass(frozen=True, slots=True)
class HierarchyOutline:
    """A hierarchy: levels from coarse to fine.

    Args:
        default: the default member of a slicing hierarchy; None for the first in order.
    """

    dimension: str
    name: str
    levels: tuple[LevelOutline, ...]
    slicing: bool = False
    default: Json = None
    caption: str | None = field(default=None, compare=False)
    description: str | None = field(default=None, compare=False)
    folder: str | None = field(default=None, compare=False)
    visible: bool = field(default=True, compare=False)

    @property
    def full_name(self) -> str:
        """Dimension and hierarchy."""
        return f"{self.dimension}.{self.name}"

    def full_names(self) -> Iterator[tuple[str, LevelOutline]]:
        """Yield the levels, each with the name that is never ambiguous."""
        return ((f"{self.full_name}.{level.name}", level) for level in self.levels)

    @property
    def concealed(self) -> tuple[str, tuple[str, ...]]:
        """What is published of it where it is not: that it is there."""
        return self.full_name, tuple(level.name for level in self.levels)

    def __str__(self) -> str:
        slicing = ""
        if self.slicing:
            default = "the first" if self.default is None else json.dumps(self.default, ensure_ascii=False)
            slicing = f", slicing with default {default}"
        return f"{' > '.join(map(str, self.levels))}{slicing}"


@dataclass(frozen=True, slots=True)
class DimensionOutline:
    """A dimension; its hierarchies name it."""

    name: str
    caption: str | None = field(default=None, compare=False)
    description: str | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class MeasureOutline:
    """A measure.

    Args:
        kind: the aggregation, ``formula``, or the calculation.
        argument: what is aggregated or computed as written, or the measure that a calculation is over.
        options: what is told beside it; levels and hierarchies by their full names.
        types: of what is aggregated, as DuckDB writes them; none for ``count(*)`` and for what is computed.
        result: the type of its answer.
    """

    name: str
    kind: str
    argument: str
    result: str
    options: Mapping[str, Json] = field(default_factory=dict)
    types: tuple[str, ...] = ()
    caption: str | None = field(default=None, compare=False)
    format: str | None = field(default=None, compare=False)
    description: str | None = field(default=None, compare=False)
    folder: str | None = field(default=None, compare=False)
    visible: bool = field(default=True, compare=False)

    def __str__(self) -> str:
        options = "".join(f", {name} {_option(value)}" for name, value in self.options.items())
        return f"{self.kind}({self.argument}{options})"

    @property
    def text(self) -> str:
        """What is aggregated or computed, in one line: ``price by day``."""
        return " ".join([self.argument, *(f"{name} {_option(value)}" for name, value in self.options.items())])

    @property
    def typed(self) -> str:
        """The definition with its types."""
        over = f" over {', '.join(map(_answered, self.types))}" if self.types else ""
        return f"{self}{over}, giving {_answered(self.result)}"


@dataclass(frozen=True)
class Outline:
    """The model of a data cube, as far as query cubes may see it.

    Args:
        dimensions: those with a hierarchy that is published.
        hierarchies: in the order of the model.
        measures: in the order of the model.
        concealed_hierarchies: the full names of those that are not published, each with the names of its levels.
        concealed_measures: the names of those that are not published.
    """

    dimensions: tuple[DimensionOutline, ...]
    hierarchies: tuple[HierarchyOutline, ...]
    measures: tuple[MeasureOutline, ...]
    concealed_hierarchies: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    concealed_measures: frozenset[str] = frozenset()

    @cached_property
    def hierarchy(self) -> Mapping[str, HierarchyOutline]:
        """The hierarchies by full name."""
        return {each.full_name: each for each in self.hierarchies}

    @cached_property
    def measure(self) -> Mapping[str, MeasureOutline]:
        """The measures by name."""
        return {each.name: each for each in self.measures}

    @cached_property
    def levels(self) -> Mapping[str, LevelOutline]:
        """The levels by full name."""
        return dict(pair for hierarchy in self.hierarchies for pair in hierarchy.full_names())

    def find_levels(self, name: str) -> tuple[str, ...]:
        """Return the full names of the levels that a name may mean: one, none or several."""
        return tuple(
            full
            for hierarchy in self.hierarchies
            for full, level in hierarchy.full_names()
            if name in (level.name, f"{hierarchy.name}.{level.name}", full)
        )

    def conceals_level(self, name: str) -> bool:
        """Return whether a name may mean a level of a hierarchy that is not published."""
        return any(
            name in (level, f"{hierarchy}.{level}", f"{hierarchy.partition('.')[2]}.{level}")
            for hierarchy, levels in self.concealed_hierarchies.items()
            for level in levels
        )

    def hierarchy_of(self, level: str) -> HierarchyOutline:
        """Return the hierarchy of a level by its full name."""
        return next(each for each in self.hierarchies if level in dict(each.full_names()))

    def without(self, hierarchies: frozenset[str], measures: frozenset[str]) -> Outline:
        """Return the outline with more concealed."""
        kept = tuple(each for each in self.hierarchies if each.full_name not in hierarchies)
        concealed = [each.concealed for each in self.hierarchies if each.full_name in hierarchies]
        dimensions = {each.dimension for each in kept}
        return Outline(
            tuple(each for each in self.dimensions if each.name in dimensions),
            kept,
            tuple(each for each in self.measures if each.name not in measures),
            {**self.concealed_hierarchies, **dict(concealed)},
            self.concealed_measures | measures,
        )

    @cached_property
    def digest(self) -> str:
        """A short text that stands for all that is published, captions and formats too."""
        text = json.dumps(self.to_json(), sort_keys=True)
        return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()

    def to_json(self) -> dict[str, object]:
        """Return the outline as JSON writes it."""
        return {
            "dimensions": [asdict(each) for each in self.dimensions],
            "hierarchies": [asdict(each) for each in self.hierarchies],
            "measures": [asdict(each) for each in self.measures],
            "concealed-hierarchies": {name: list(levels) for name, levels in self.concealed_hierarchies.items()},
            "concealed-measures": sorted(self.concealed_measures),
        }

    @staticmethod
    def parse(document: object) -> Outline:
        """Return the outline that a decoded JSON document writes.

        Raises:
            InvalidContributionError: it is none.
        """
        # What reads outlines makes these values, so it can only be imported once they exist.
        from app_framework.distribution.outline_reading import read_outline

        return read_outline(document)

    def __repr__(self) -> str:
        return f"<Outline {len(self.hierarchies)} hierarchies, {len(self.measures)} measures>"


def _answered(kind: str) -> str:
    """Return what answers call a type."""
    return DataType.parse(kind).name


def _option(value: Json) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
