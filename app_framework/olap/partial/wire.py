"""What of a measure travels from a node to whoever merges, and how the measure is made of what several nodes sent.

| aggregation                       | travels                        | merged by                       |
| --------------------------------- | ------------------------------ | ------------------------------- |
| what `parts_of` knows             | its parts                      | the parts' own merging          |
| count_distinct                    | values once a group, or bits   | their union (see distinct.py)   |
| median, quantile                  | a state: all values            | combine_aggr                    |
| approx_count_distinct             | a HyperLogLog state            | combine_aggr                    |
| sum, avg of arrays                | arrays of sums, and of counts  | sum, element by element         |

Nothing is declared: what travels follows from the aggregation, on both sides alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType

from app_framework.database.datatype import DataType
from app_framework.olap.aggregates.parts import Part, Parts, merging_parts
from app_framework.olap.aggregation import (
    AGGREGATIONS,
    APPROX_COUNT_DISTINCT,
    COUNT_DISTINCT,
    MEDIAN,
    MIN,
    QUANTILE,
    SUM,
    Argument,
)
from app_framework.olap.measure import AggregateMeasure
from app_framework.olap.sorting import sort_key

ROWS = "#rows"
"""The column of a frame that would have none."""

SENT_AS = MappingProxyType({"UUID": "VARCHAR", "HUGEINT": "DECIMAL(38,0)", "UHUGEINT": "DECIMAL(38,0)"})
"""Types that Arrow has no own form for, and what they travel as: they are cast back when they arrive."""


@dataclass(frozen=True, slots=True)
class WirePart:
    """A column that a node sends.

    Args:
        part: its SQL over rows, and over kept groups.
        read: what the merger makes of the column before it merges: `{0}` is the column.
        type: as which it travels, as SQL.
        by_element: how arrays are put together element by element, of one whose values are arrays.
    """

    part: Part
    read: str = "{0}"
    type: str = "DOUBLE"
    by_element: str = ""

    @property
    def is_state(self) -> bool:
        """Whether it is the state of an aggregation, which the engine takes apart when it leaves."""
        return self.read.startswith("to_aggregate_state")


@dataclass(frozen=True, slots=True)
class Wire:
    """All columns that a node sends of a measure, and the answer over them once they are merged."""

    each: tuple[WirePart, ...]
    answer: str = "{0}"

    def merged(self, columns: Sequence[str]) -> str:
        """Return the measure as SQL over the columns that arrived."""
        read = [wire.read.format(column) for wire, column in zip(self.each, columns, strict=True)]
        sent = {wire.part.sql: column for wire, column in zip(self.each, read, strict=True)}
        merged = [
            wire.part.merge.format(column, *([sent[wire.part.beside]] if wire.part.beside else []), where="")
            for wire, column in zip(self.each, read, strict=True)
        ]
        return self.answer.format(*merged)


def wire_of(measure: AggregateMeasure) -> Wire | None:
    """Return what travels of a measure, None where nobody knows how to merge it."""
    if measure.by_element:
        return _arrays(measure)
    parts = merging_parts(measure) or _shipped(measure)
    if parts is None:
        return None
    # What is kept so that rows can be taken off again need not travel; the parts that an answer reads stand first.
    beside = {part.beside for part in parts.each}
    sent = [part for i, part in enumerate(parts.each) if f"{{{i}}}" in parts.answer or part.sql in beside]
    return Wire(tuple(_wire(part, measure) for part in sent), parts.answer)


def column_name(context: int, part: int, measure: str) -> str:
    """Return what the column of a part is called in what travels."""
    return f"#{context} {part} {measure}"


def order_name(level: str) -> str:
    """Return what the column of a level's sort key is called in what travels."""
    return sort_key(level)


def came_back(kind: DataType, column: str) -> str:
    """Return a column that has travelled as SQL of the type that it had before."""
    return f"CAST({column} AS {kind.sql})" if kind.sql in SENT_AS else column


def sent_type(kind: DataType) -> str:
    """Return the type in which values travel, as SQL."""
    return "VARCHAR" if kind.family == "text" else SENT_AS.get(kind.sql, kind.sql)


def _shipped(measure: AggregateMeasure) -> Parts | None:
    """Return the parts of what does not merge as numbers: the values themselves, or a state of them."""
    aggregation = measure.aggregation
    if AGGREGATIONS.get(aggregation.name) is not aggregation:
        return None
    # A member of an ENUM is known by its number, and that may be another one at another node.
    term = _comparable(measure.arguments[0])
    if aggregation is COUNT_DISTINCT:
        values = f"list(DISTINCT {term}) FILTER (WHERE {term} IS NOT NULL)"
        return Parts((Part("values", values, "list({0}){where}"),), _DISTINCT)
    if aggregation in (APPROX_COUNT_DISTINCT, MEDIAN, QUANTILE):
        argument = Argument(term, measure.arguments[0].type)
        state = f"{aggregation.render([argument], measure.fractions)} EXPORT_STATE"
        return Parts((Part(aggregation.name, state, "combine_aggr({0}){where}"),), "finalize({0})")
    return None


def wire_of_numbers(*, bitmaps: bool) -> Wire:
    """Return how distinct values merge once they are numbers: as bitmaps, or as lists."""
    if bitmaps:
        part = WirePart(Part("bitmap", "", "bit_or({0}){where}"), "CAST({0} AS BIT)", "BLOB")
        return Wire((part,), "coalesce(bit_count({0}), 0)")
    return Wire((WirePart(Part("values", "", "list({0}){where}"), type="BIGINT[]"),), _DISTINCT)


def _arrays(measure: AggregateMeasure) -> Wire | None:
    """Return what travels of arrays that are put together element by element: arrays, beside how long they are."""
    if AGGREGATIONS.get(measure.aggregation.name) is not measure.aggregation:
        return None
    lengths = Part("array", measure.sql, "{0}")
    sums = WirePart(lengths, type=f"{_summed(measure.arguments[0].type.element)}[]", by_element="sum")
    counts = WirePart(lengths, type="BIGINT[]", by_element="count")
    answer = "[min(len({0})), max(len({0}))]"
    return Wire((sums,) if measure.aggregation is SUM else (sums, counts), answer)


def _comparable(argument: Argument) -> str:
    assert MIN.term is not None
    return MIN.term(argument)


def _wire(part: Part, measure: AggregateMeasure) -> WirePart:
    """Return how a part travels: as the type that Arrow has for it, and back."""
    if part.name == "variance":
        return WirePart(part, "to_aggregate_state({0}, 'var_samp', ['DOUBLE'])", _VARIANCE)
    if part.name == "approx_count_distinct":
        # Which values were seen is in the state; of what type they were makes no difference to merging it.
        return WirePart(part, "to_aggregate_state({0}, 'approx_count_distinct', ['BIGINT'])", _SKETCH)
    if part.name == "median":
        return WirePart(part, "to_aggregate_state({0}, 'median', ['DOUBLE'])", "DOUBLE[]")
    if part.name == "quantile":
        constants = f"[NULL, {measure.fractions[0]!r}]"
        return WirePart(
            part, f"to_aggregate_state({{0}}, 'quantile_cont', ['DOUBLE', 'DOUBLE'], {constants})", "DOUBLE[]"
        )
    if part.name in ("rows", "count"):
        return WirePart(part, type="BIGINT")
    if part.name == "sum":
        return WirePart(part, type=_summed(measure.arguments[0].type))
    if part.name == "product":
        return WirePart(part)
    kind = measure.arguments[-1 if part.name == "by" else 0].type
    listed = "[]" if part.name == "values" else ""
    read = f"CAST({{0}} AS {kind.sql}{listed})" if kind.sql in SENT_AS else "{0}"
    return WirePart(part, read, sent_type(kind) + listed)


def _summed(kind: DataType) -> str:
    if kind.family == "float":
        return "DOUBLE"
    return f"DECIMAL(38,{kind.scale})" if kind.family == "decimal" else "DECIMAL(38,0)"


_DISTINCT = "coalesce(list_unique(flatten({0})), 0)"
_VARIANCE = "STRUCT(count UBIGINT, mean DOUBLE, dsquared DOUBLE)"
_SKETCH = 'STRUCT("precision" UTINYINT, registers UTINYINT[])'
