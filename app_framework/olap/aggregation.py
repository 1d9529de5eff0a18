"""The ways to make one number of many rows, and how the parts of a cluster could be put together again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from app_framework.database.datatype import BIGINT, DOUBLE, DataType
from app_framework.olap.arrays import element_wise

PartialForm = Literal["mergeable", "detail-shipping", "sketch", "derived"]
"""mergeable: parts of the answer merge; detail-shipping: the values themselves must travel;
sketch: an approximation that merges; derived: computed from other measures after merging."""


@dataclass(frozen=True, slots=True)
class Argument:
    """What is aggregated: SQL over a row, and its type."""

    sql: str
    type: DataType


@dataclass(frozen=True, slots=True)
class Aggregation:
    """One aggregation of the measure language.

    Args:
        name: how a model writes it: ``{sum: column}``.
        partial: how the answers of several nodes become one.
        parts: what a node sends, of a mergeable one.
        needs: what it can be applied to, in words.
        result: the type of its answer, None when the argument does not fit.
        render: its SQL over its arguments: what is aggregated, and the column of each option in their order; and the
            numbers of its options.
        columns: the options that name another column or expression: ``{first: c, by: t}``.
        fractions: the options that are a number from 0 to 1: ``{quantile: c, q: 0.9}``.
        factors: the least number of columns it takes as a list, to be multiplied; 1 where it takes no list.
        power: how often its column is multiplied with itself before it is aggregated.
        term: the SQL of what goes into its parts of a row; None where no parts of it are kept.
        by_element: the engine's aggregation of the elements at one place, where it puts arrays together by elements.
    """

    name: str
    partial: PartialForm
    parts: tuple[str, ...]
    needs: str
    result: Callable[[DataType], DataType | None]
    render: Callable[[Sequence[Argument], Sequence[float]], str]
    columns: tuple[str, ...] = ()
    fractions: tuple[str, ...] = ()
    factors: int = 1
    power: int = 1
    term: Callable[[Argument], str] | None = None
    by_element: str = ""

    @property
    def options(self) -> tuple[str, ...]:
        """The keys that a measure has to give beside what is aggregated."""
        return (*self.columns, *self.fractions)

    def expression(self, arguments: Sequence[str]) -> str:
        """Return the expression over a row that is aggregated: products are written out.

        >>> SUM_PRODUCT.expression(["price", "a + b"])
        '(price) * (a + b)'
        """
        parts = [*arguments] * self.power
        return parts[0] if len(parts) == 1 else " * ".join(f"({part})" for part in parts)


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


def _number(argument: Argument) -> str:
    return f"CAST({argument.sql} AS INTEGER)" if argument.type.family == "boolean" else argument.sql


def _sum_type(argument: DataType) -> DataType | None:
    if argument.family == "decimal":
        return DataType.parse(f"decimal(38,{argument.scale})")
    if argument.family == "float":
        return DOUBLE
    return BIGINT if _addable(argument) else None


def _same(argument: DataType) -> DataType | None:
    return None if argument.family == "other" else argument


def _ordered(argument: DataType) -> DataType | None:
    return None if argument.family == "array" else _same(argument)


def _or_array_of(result: Callable[[DataType], DataType | None]) -> Callable[[DataType], DataType | None]:
    """Return what also answers for arrays: the type of a result's elements is that of a result of elements."""

    def result_of(argument: DataType) -> DataType | None:
        if argument.family != "array":
            return result(argument)
        element = result(argument.element)
        return element and element.array

    return result_of


def _double(argument: DataType) -> DataType | None:
    return DOUBLE if _addable(argument) else None


def _int64(_: DataType) -> DataType:
    return BIGINT


def _sum_of(term: Callable[[Argument], str]) -> Callable[[Sequence[Argument], Sequence[float]], str]:
    def render(arguments: Sequence[Argument], _: Sequence[float]) -> str:
        # DuckDB adds integers in 128 bits; the cast is where an overflow of int64 becomes an error.
        total = f"sum({term(arguments[0])})"
        return total if arguments[0].type.family in ("decimal", "float") else f"CAST({total} AS BIGINT)"

    return render


def _plain(argument: Argument) -> str:
    return argument.sql


def _as_double(argument: Argument) -> str:
    return f"CAST({_number(argument)} AS DOUBLE)"


def _above(argument: Argument) -> str:
    return f"CASE WHEN {_number(argument)} < 0 THEN 0 ELSE {_number(argument)} END"


def _below(argument: Argument) -> str:
    return f"CASE WHEN {_number(argument)} > 0 THEN 0 ELSE {_number(argument)} END"


def _or_element_wise(
    function: str,
    result: Callable[[DataType], DataType | None],
    render: Callable[[Sequence[Argument], Sequence[float]], str],
) -> Callable[[Sequence[Argument], Sequence[float]], str]:
    """Render arrays element by element by a function over a list, and all else as before."""

    def rendered(arguments: Sequence[Argument], fractions: Sequence[float]) -> str:
        array = arguments[0]
        kind = result(array.type.element) if array.type.family == "array" else None
        return element_wise(function, array.sql, kind.array) if kind else render(arguments, fractions)

    return rendered


def _call(template: str) -> Callable[[Sequence[Argument], Sequence[float]], str]:
    """Render a template over the argument as it is."""
    return lambda arguments, _: template.format(arguments[0].sql)


def _over_number(template: str) -> Callable[[Sequence[Argument], Sequence[float]], str]:
    """Render a template over a number; true counts as 1."""
    return lambda arguments, fractions: template.format(_number(arguments[0]), *fractions)


def _over_values(template: str) -> Callable[[Sequence[Argument], Sequence[float]], str]:
    """Render a template over what can be compared."""
    return lambda arguments, _: template.format(_comparable(arguments[0]))


def _comparable(argument: Argument) -> str:
    # An ENUM compares by its declaration; answers order text by code point.
    enum = argument.type.sql.upper().startswith("ENUM")
    return f"CAST({argument.sql} AS VARCHAR)" if enum else argument.sql


def _at_extreme(function: str) -> Callable[[Sequence[Argument], Sequence[float]], str]:
    """Render the value of the row that comes first or last; of several such rows the least or largest value.

    Without that second key the answer would change from run to run.
    """

    def render(arguments: Sequence[Argument], _: Sequence[float]) -> str:
        value, by = (_comparable(argument) for argument in arguments)
        return f"{function}({value}, row({by}, {value})) FILTER (WHERE {value} IS NOT NULL AND {by} IS NOT NULL)"

    return render


SUM = Aggregation(
    "sum", "mergeable", ("sum",), "numbers", _or_array_of(_sum_type),
    _or_element_wise("list_sum", _sum_type, _sum_of(_number)), term=_number, by_element="sum",
)  # fmt: skip
COUNT = Aggregation("count", "mergeable", ("count",), "anything", _int64, _call("count({0})"), term=_plain)
AVG = Aggregation(
    "avg", "mergeable", ("sum", "count"), "numbers", _or_array_of(_double),
    _or_element_wise("list_avg", _double, _over_number("avg({0})")), term=_number, by_element="avg",
)  # fmt: skip
MIN = Aggregation(
    "min", "mergeable", ("min",), "values with an order", _ordered, _over_values("min({0})"), term=_comparable
)
MAX = Aggregation(
    "max", "mergeable", ("max",), "values with an order", _ordered, _over_values("max({0})"), term=_comparable
)
COUNT_DISTINCT = Aggregation("count_distinct", "detail-shipping", (), "anything", _int64, _call("count(DISTINCT {0})"))
APPROX_COUNT_DISTINCT = Aggregation(
    "approx_count_distinct", "sketch", ("hyperloglog",), "anything", _int64, _call("approx_count_distinct({0})")
)
MEDIAN = Aggregation("median", "detail-shipping", (), "numbers", _double, _over_number("median(CAST({0} AS DOUBLE))"))
QUANTILE = Aggregation(
    "quantile", "detail-shipping", (), "numbers", _double, _over_number("quantile_cont(CAST({0} AS DOUBLE), {1})"),
    fractions=("q",),
)  # fmt: skip
VARIANCE = Aggregation(
    "variance",
    "mergeable",
    ("count", "mean", "m2"),
    "numbers",
    _double,
    _over_number("var_samp(CAST({0} AS DOUBLE))"),
    term=_as_double,
)
STDDEV = Aggregation(
    "stddev",
    "mergeable",
    ("count", "mean", "m2"),
    "numbers",
    _double,
    _over_number("stddev_samp(CAST({0} AS DOUBLE))"),
    term=_as_double,
)
PRODUCT = Aggregation(
    "product",
    "mergeable",
    ("product",),
    "numbers",
    _double,
    _over_number("product(CAST({0} AS DOUBLE))"),
    term=_as_double,
)
SUM_PRODUCT = Aggregation(
    "sum_product", "mergeable", ("sum",), "numbers", _sum_type, _sum_of(_number), factors=2, term=_number
)
SQUARE_SUM = Aggregation(
    "square_sum", "mergeable", ("sum",), "numbers", _sum_type, _sum_of(_number), power=2, term=_number
)
LONG = Aggregation(
    "long",
    "mergeable",
    ("sum",),
    "numbers",
    _sum_type,
    _sum_of(_above),
    term=_above,
)
SHORT = Aggregation(
    "short",
    "mergeable",
    ("sum",),
    "numbers",
    _sum_type,
    _sum_of(_below),
    term=_below,
)
SINGLE_VALUE = Aggregation(
    "single_value", "mergeable", ("min", "max"), "values with an order", _same,
    _over_values("CASE WHEN min({0}) = max({0}) THEN min({0}) END"),
    term=_comparable,
)  # fmt: skip
FIRST = Aggregation(
    "first",
    "mergeable",
    ("value", "by"),
    "values with an order",
    _same,
    _at_extreme("arg_min"),
    columns=("by",),
    term=_comparable,
)
LAST = Aggregation(
    "last",
    "mergeable",
    ("value", "by"),
    "values with an order",
    _same,
    _at_extreme("arg_max"),
    columns=("by",),
    term=_comparable,
)

AS_IT_IS = Aggregation("as_it_is", "detail-shipping", (), "anything", _same, _call("{0}"))
"""No aggregation: the value of a row."""

AGGREGATIONS = Aggregations(
    (
        SUM, COUNT, AVG, MIN, MAX, COUNT_DISTINCT, APPROX_COUNT_DISTINCT, MEDIAN, QUANTILE, VARIANCE, STDDEV, PRODUCT,
        SUM_PRODUCT, SQUARE_SUM, LONG, SHORT, SINGLE_VALUE, FIRST, LAST,
    )
)  # fmt: skip

FORMULA = "formula"
"""The key of a measure that is computed from other measures."""
