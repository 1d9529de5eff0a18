"""Models that hypothesis draws: some dimensions, a measure of every kind sooner or later, calculations over them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from app_framework.errors import FrameworkError

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn


class HypothesisMissingError(FrameworkError, ImportError):
    """What is drawn is drawn by hypothesis, and it is not installed."""

    def __str__(self) -> str:
        return "app_framework.testing.strategies needs hypothesis: pip install hypothesis"


try:
    from hypothesis import strategies as st
except ImportError as error:
    raise HypothesisMissingError from error

COLUMNS: Mapping[str, str] = {
    "city": "varchar",
    "country": "varchar",
    "shop": "integer",
    "word": "varchar",
    "flag": "boolean",
    "day": "date",
    "period": "integer",
    "small": "smallint",
    "big": "bigint",
    "price": "decimal(12,2)",
    "weight": "double",
    "sizes": "double[]",
}

DIMENSIONS: Mapping[str, object] = {
    "City": ["country", "city"],
    "Shop": ["shop"],
    "Word": {"levels": {"word": {"column": "word", "order": {"by": "length(word)", "descending": True}}}},
    "Flag": ["flag"],
    "Day": {"levels": {"month": "month(day)", "day": "day"}},
    "Period": {"levels": ["period"], "slicing": True},
    "Price": ["price"],
}
PLAIN_WORD: object = ["word"]

LEVELS: Mapping[str, Sequence[str]] = {
    "City": ["country", "city"],
    "Shop": ["shop"],
    "Word": ["word"],
    "Flag": ["flag"],
    "Day": ["month", "day"],
    "Period": ["period"],
    "Price": ["price"],
}
DISTRIBUTING = ("city", "shop", "word", "flag", "day")

AGGREGATES: Mapping[str, Mapping[str, object]] = {
    "rows": {"count": "*"},
    "words": {"count": "word"},
    "big_sum": {"sum": "big"},
    "price_sum": {"sum": "price"},
    "weight_sum": {"sum": "weight"},
    "area": {"sum": "small * small"},
    "value": {"sum": "price * small"},
    "price_avg": {"avg": "price"},
    "weight_avg": {"avg": "weight"},
    "price_median": {"median": "price"},
    "weight_quantile": {"quantile": "weight", "q": 0.9},
    "big_min": {"min": "big"},
    "word_max": {"max": "word"},
    "day_max": {"max": "day"},
    "shops": {"count_distinct": "shop"},
    "cities": {"count_distinct": "city"},
    "prices": {"count_distinct": "price"},
    "about_words": {"approx_count_distinct": "word"},
    "small_variance": {"variance": "small"},
    "weight_deviation": {"stddev": "weight"},
    "months_product": {"product": "month(day)"},
    "turnover": {"sum_product": ["price", "small"]},
    "small_squares": {"square_sum": "small"},
    "long_price": {"long": "price"},
    "short_big": {"short": "big"},
    "one_word": {"single_value": "word"},
    "first_word": {"first": "word", "by": "day"},
    "last_price": {"last": "price", "by": "day"},
    "sizes_sum": {"sum": "sizes"},
    "sizes_avg": {"avg": "sizes"},
}

ARRAYS: Mapping[str, Mapping[str, object]] = {
    "array_sum": {},
    "array_avg": {},
    "array_min": {},
    "array_max": {},
    "array_length": {},
    "array_element": {"position": 1},
    "array_quantile": {"q": 0.5},
    "array_scale": {"by": "rows"},
}

EXACT = ("rows", "words", "big_sum", "price_sum", "area", "shops", "cities", "big_min", "long_price", "small_squares")
"""Numbers without rounding: what is sorted or ranked by them has one order."""


@dataclass(frozen=True)
class GeneratedModel:
    """A model, in the words of YAML.

    Args:
        dimensions: as drawn.
        measures: as drawn.
        distributing: the level by whose members rows are divided.
        exact: the measures that may be sorted by.
        world_measures: those that only the query node has.
    """

    dimensions: Mapping[str, object]
    measures: Mapping[str, Mapping[str, object]]
    distributing: str
    exact: tuple[str, ...]
    world_measures: Mapping[str, Mapping[str, object]]

    @property
    def columns(self) -> Mapping[str, str]:
        """The types of the columns of the rows."""
        return COLUMNS

    @property
    def distributing_column(self) -> str:
        """The column that the distributing level reads."""
        return self.distributing

    @property
    def levels(self) -> list[str]:
        """The names of all levels."""
        return [level for dimension in self.dimensions for level in LEVELS[dimension]]

    @property
    def slicing(self) -> frozenset[str]:
        """The levels that have no total."""
        return frozenset(LEVELS["Period"])


def draw_model(draw: DrawFn) -> GeneratedModel:
    """Draw a model: the dimension of the distributing level, some others, measures and calculations."""
    distributing = draw(st.sampled_from(DISTRIBUTING))
    home = next(name for name, levels in LEVELS.items() if distributing in levels)
    others = draw(st.lists(st.sampled_from(sorted(DIMENSIONS)), max_size=4, unique=True))
    names = dict.fromkeys([home, *others])
    dimensions = {name: DIMENSIONS[name] for name in names}
    if "Word" in dimensions and draw(st.booleans()):
        dimensions["Word"] = PLAIN_WORD
    bases = draw(st.lists(st.sampled_from(sorted(AGGREGATES)), min_size=1, max_size=6, unique=True))
    measures: dict[str, Mapping[str, object]] = {name: AGGREGATES[name] for name in dict.fromkeys(["rows", *bases])}
    exact = [name for name in measures if name in EXACT]
    for number in range(draw(st.integers(0, 4))):
        measures[f"calc{number}"] = _calculation(draw, list(names), list(measures), exact)
    own = {"own": {"formula": f"coalesce({draw(st.sampled_from(exact))}, 0) - rows"}} if draw(st.booleans()) else {}
    return GeneratedModel(dimensions, measures, distributing, tuple(exact), own)


def _calculation(draw: DrawFn, dimensions: list[str], measures: list[str], exact: list[str]) -> Mapping[str, object]:
    """Draw a calculation over a measure that is there already; over any where its kind can do with any."""
    number = draw(st.sampled_from(exact))
    walked = [name for name in dimensions if name != "Period"]
    hierarchy = draw(st.sampled_from(walked))
    level = draw(st.sampled_from(list(LEVELS[hierarchy])))
    makers: dict[str, Any] = {
        "formula": lambda: {"formula": f"{number} / rows"},
        "sum": lambda: {"formula": f"coalesce({number}, 0) + rows"},
        "rank": lambda: {"rank": number, "hierarchy": hierarchy, "ascending": draw(st.booleans())},
        "total": lambda: {"total": number, "hierarchy": hierarchy},
        "share": lambda: {"share": number, "hierarchy": hierarchy},
        "parent_value": lambda: {"parent_value": number, "hierarchy": hierarchy},
        "parent_share": lambda: {"parent_share": number, "hierarchy": hierarchy},
        "shift": lambda: {"shift": draw(st.sampled_from(measures)), "level": level, "offset": draw(st.integers(-2, 2))},
        "cumulative": lambda: {"cumulative": number, "level": level},
        "window": lambda: {"cumulative": number, "level": level, "aggregate": "max", "window": [-1, 1]},
        "strict": lambda: {"shift": number, "level": level, "strict": True},
        "siblings": lambda: {"siblings": number, "hierarchy": hierarchy, "aggregate": "sum", "exclude_self": True},
        "filter": lambda: {"filter": draw(st.sampled_from(measures)), "where": _where(draw, dimensions)},
        "at": lambda: {"at": draw(st.sampled_from(measures)), "members": _members(draw, dimensions)},
        "per": lambda: {"per": [level], "aggregate": draw(st.sampled_from(["sum", "max", "count"])), "of": number},
        "max_member": lambda: {"max_member": number, "level": level},
        "min_member": lambda: {"min_member": number, "level": level},
    }
    if above := {"city": "country", "day": "month"}.get(level):
        makers["partition"] = lambda: {"cumulative": number, "level": level, "partition": above}
        makers["neighbour"] = lambda: {"shift": number, "level": level, "partition": above, "offset": -1}
    if arrays := [name for name in measures if name in ("sizes_sum", "sizes_avg")]:
        of_array = draw(st.sampled_from(sorted(ARRAYS)))
        makers["array"] = lambda: {of_array: draw(st.sampled_from(arrays)), **ARRAYS[of_array]}
    if "Day" in dimensions:
        makers["date_shift"] = lambda: {
            "date_shift": number,
            "level": "day",
            "by": draw(st.sampled_from(["P1M", "-P1D"])),
        }
    return dict(makers[draw(st.sampled_from(sorted(makers)))]())


def _where(draw: DrawFn, dimensions: list[str]) -> Mapping[str, object]:
    filters: dict[str, object] = {
        "City": {"city": ["Graz", "Bern", None]},
        "Shop": {"shop": {"from": 2}},
        "Word": {"word": {"not": ["a", None]}},
        "Flag": {"flag": True},
        "Day": {"month": 2},
        "Period": {"period": 2024},
        "Price": {"price": {"to": 0}},
    }
    found = filters[draw(st.sampled_from(dimensions))]
    assert isinstance(found, Mapping)
    return found


def _members(draw: DrawFn, dimensions: list[str]) -> Mapping[str, object]:
    members: dict[str, Mapping[str, object]] = {
        "City": {"country": "AT"},
        "Shop": {"shop": 1},
        "Word": {"word": "a"},
        "Flag": {"flag": False},
        "Day": {"month": 2},
        "Period": {"period": 2025},
        "Price": {"price": 0},
    }
    return members[draw(st.sampled_from(dimensions))]
