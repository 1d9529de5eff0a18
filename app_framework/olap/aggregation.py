"""The ways to make one number of many rows, and how the parts of a cluster could be put together again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from app_framework.database.datatype import BIGINT, DOUBLE, DataType

PartialForm = Literal["mergeable", "detail-shipping", "sketch", "derived"]
"""mergeable: parts of the answer merge; detail-shipping: the values themselves must travel;
sketch: an approximation that merges; derived: computed from other measures after merging."""


@dataclass(frozen=True, slots=True)
class Aggregation:
    """One aggregation of the measure language.

    Args:
        name: how a model writes it: ``{sum: column}``.
        partial: how the answers of several nodes become one.
        parts: what a node sends, of a mergeable one.
        needs: what it can be applied to, in words.
        result: the type of its answer, None when the argument does not fit.
        render: its SQL over an argument.
    """

    name: str
    partial: PartialForm
    parts: tuple[str, ...]
    needs: str
    result: Callable[[DataType], DataType | None]
    render: Callable[[str, DataType], str]


class Aggregations(Mapping[str, Aggregation]):
    """The aggregations a model may use; `plus` adds some of your own."""

    def __init__(self, known: Sequence[Aggregation]) -> None:
        self._known = {aggregation.name: aggregation for aggregation in known}

    def plus(self, *more: Aggregation) -> Aggregations:
        """Return a registry that knows these too."""
        return Aggregations([*self._known.values(), *more])

    def __getitem__(self, name: str) -> Aggregation:
        return self._known[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)

    def __repr__(self) -> str:
        return f"<Aggregations {' '.join(self._known)}>"


def _addable(argument: DataType) -> bool:
    return argument.numeric or argument.family == "boolean"


def _number(sql: str, argument: DataType) -> str:
    return f"CAST({sql} AS INTEGER)" if argument.family == "boolean" else sql


def _sum_type(argument: DataType) -> DataType | None:
    if argument.family == "decimal":
        return DataType.parse(f"decimal(38,{argument.scale})")
    if argument.family == "float":
        return DOUBLE
    return BIGINT if _addable(argument) else None


def _sum(sql: str, argument: DataType) -> str:
    # DuckDB adds integers in 128 bits; the cast is where an overflow of int64 becomes an error.
    total = f"sum({_number(sql, argument)})"
    return total if argument.family in ("decimal", "float") else f"CAST({total} AS BIGINT)"


def _same(argument: DataType) -> DataType | None:
    return None if argument.family == "other" else argument


def _comparable(sql: str, argument: DataType) -> str:
    # An ENUM compares by its declaration; answers order text by code point.
    return f"CAST({sql} AS VARCHAR)" if argument.sql.upper().startswith("ENUM") else sql


def _double(argument: DataType) -> DataType | None:
    return DOUBLE if _addable(argument) else None


def _extreme(function: str) -> Callable[[str, DataType], str]:
    return lambda sql, argument: f"{function}({_comparable(sql, argument)})"


def _int64(_: DataType) -> DataType:
    return BIGINT


SUM = Aggregation("sum", "mergeable", ("sum",), "numbers", _sum_type, _sum)
COUNT = Aggregation("count", "mergeable", ("count",), "anything", _int64, lambda sql, _: f"count({sql})")
AVG = Aggregation("avg", "mergeable", ("sum", "count"), "numbers", _double, lambda sql, t: f"avg({_number(sql, t)})")
MIN = Aggregation("min", "mergeable", ("min",), "values with an order", _same, _extreme("min"))
MAX = Aggregation("max", "mergeable", ("max",), "values with an order", _same, _extreme("max"))
COUNT_DISTINCT = Aggregation(
    "count_distinct", "detail-shipping", (), "anything", _int64, lambda sql, _: f"count(DISTINCT {sql})"
)
MEDIAN = Aggregation(
    "median", "detail-shipping", (), "numbers", _double, lambda sql, t: f"median(CAST({_number(sql, t)} AS DOUBLE))"
)

AGGREGATIONS = Aggregations((SUM, COUNT, AVG, MIN, MAX, COUNT_DISTINCT, MEDIAN))

FORMULA = "formula"
"""The key of a measure that is computed from other measures."""

ANNOUNCED = (
    "approx_count_distinct", "quantile", "stddev", "variance", "product", "sum_product", "square_sum", "first",
    "last", "single_value", "long", "short", "min_member", "max_member",
)  # fmt: skip
"""Aggregations of the language that this version refuses by name, so that nobody takes them for a typo."""
