"""What is kept of a measure for each group of rows, how that of several groups merges, and how an answer is made of it.

| aggregation                       | parts         | merged by    | answer               |
| --------------------------------- | ------------- | ------------ | -------------------- |
| sum, sum_product, square_sum, …   | sum, count    | sum, sum     | the sum              |
| count                             | count         | sum          | the sum, 0 of none   |
| avg                               | sum, count    | sum, sum     | sum / count          |
| min, max, single_value            | min, max      | min, max     | min, max, both       |
| variance, stddev                  | Welford state | combine_aggr | finalize             |
| product                           | product       | product      | the product          |
| first, last                       | value, by     | the extreme  | the value            |

Sums of integers are kept in 128 bits, as the engine makes them: a part never overflows where the answer would not.
Exact sums and counts can also be taken off again, when rows leave; the count tells a sum of nothing from a sum of 0.
What is kept of the others, distinct counts and medians, would be the values themselves: they are answered from rows.
"""

from __future__ import annotations

from dataclasses import dataclass

from app_framework.database.datatype import BIGINT
from app_framework.olap.aggregation import AGGREGATIONS
from app_framework.olap.measure import AggregateMeasure


@dataclass(frozen=True, slots=True)
class Part:
    """A number that is kept for a group of rows.

    Args:
        name: what it is, for a column.
        sql: its SQL over rows; parts of several measures with the same SQL are one.
        merge: its SQL over groups: `{0}` is the column of the part, `{1}` that of `beside`, `{where}` a filter.
        beside: the SQL of another part that merging reads.
        counted: the SQL of the part that counts what is added up, of a sum that rows can be taken off from.
    """

    name: str
    sql: str
    merge: str
    beside: str = ""
    counted: str = ""


@dataclass(frozen=True, slots=True)
class Parts:
    """What is kept of a measure.

    Args:
        each: the parts.
        answer: the SQL of the measure over its merged parts `{0}`, `{1}`.
    """

    each: tuple[Part, ...]
    answer: str = "{0}"


ROWS = Part("rows", "count(*)", "sum({0}){where}", counted="count(*)")
"""The part of every aggregate: how many rows a group has."""

_COUNTED = "coalesce(CAST({0} AS BIGINT), 0)"


def parts_of(measure: AggregateMeasure) -> Parts | None:
    """Return what is kept of a measure, None where that would be the values themselves, or is not known."""
    if any(argument.type.family == "array" for argument in measure.arguments):
        return None  # arrays are put together element by element, of all rows at once
    return merging_parts(measure)


def merging_parts(measure: AggregateMeasure) -> Parts | None:
    """Return the parts of a measure that merge, those of arrays that are taken as they are included."""
    if not measure.arguments:
        return Parts((ROWS,), _COUNTED)
    aggregation = measure.aggregation
    if measure.by_element or aggregation.term is None or AGGREGATIONS.get(aggregation.name) is not aggregation:
        return None
    terms = [aggregation.term(argument) for argument in measure.arguments]
    exact = measure.arguments[0].type.family != "float"
    return _parts(aggregation.name, aggregation.parts, terms, exact=exact, whole=measure.type == BIGINT)


def _parts(name: str, parts: tuple[str, ...], terms: list[str], *, exact: bool, whole: bool) -> Parts:
    term, count = terms[0], f"count({terms[0]})"
    counted = Part("count", count, "sum({0}){where}", counted=count)
    total = Part("sum", f"sum({term})", "sum({0}){where}", counted=count if exact else "")
    if parts == ("sum",):
        return Parts((total, counted) if exact else (total,), "CAST({0} AS BIGINT)" if whole else "{0}")
    if parts == ("count",):
        return Parts((counted,), _COUNTED)
    if parts == ("sum", "count"):
        return Parts((total, counted), "CAST({0} AS DOUBLE) / nullif({1}, 0)")
    if parts == ("count", "mean", "m2"):
        state = Part("variance", f"var_samp({term}) EXPORT_STATE", "combine_aggr({0}){where}")
        return Parts((state,), "sqrt(finalize({0}))" if name == "stddev" else "finalize({0})")
    if parts == ("value", "by"):
        return _at_extreme("min" if name == "first" else "max", *terms)
    answer = "CASE WHEN {0} = {1} THEN {0} END" if len(parts) == 2 else "{0}"
    return Parts(tuple(_plain(part, term) for part in parts), answer)


def _plain(function: str, term: str) -> Part:
    return Part(function, f"{function}({term})", f"{function}({{0}}){{where}}")


def _at_extreme(extreme: str, value: str, by: str) -> Parts:
    known = f"FILTER (WHERE {value} IS NOT NULL AND {by} IS NOT NULL)"
    key = Part("by", f"{extreme}({by}) {known}", f"{extreme}({{0}}){{where}}")
    # Of several rows, and then of several groups, with the same key the extreme value counts: the answer stays one.
    of_rows = f"arg_{extreme}({value}, row({by}, {value})) {known}"
    return Parts((Part("value", of_rows, f"arg_{extreme}({{0}}, row({{1}}, {{0}})){{where}}", key.sql), key))
