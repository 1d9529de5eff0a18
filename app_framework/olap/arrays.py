"""Arrays of numbers, one per row, as value-at-risk has them: added up element by element, and read in a cell.

A measure over an array is a formula whose function of expressions has the name of its key: ``{array_quantile: pnl,
q: 0.05}`` is ``array_quantile(pnl, 0.05)``.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from app_framework.database.datatype import DataType
from app_framework.database.sql import quote

ARRAY_KINDS: Mapping[str, str | None] = MappingProxyType(
    {
        "array_sum": None,
        "array_avg": None,
        "array_min": None,
        "array_max": None,
        "array_length": None,
        "array_element": "position",
        "array_quantile": "q",
        "array_scale": "by",
    }
)
"""The measures over an array, each with the option that it is told."""


def element_wise(function: str, array: str, kind: DataType) -> str:
    """Return the SQL of an aggregation of arrays element by element; arrays and elements that are null are left out.

    Args:
        function: of the engine, over the list of what stands at one place.
        array: what is aggregated, over a row.
        kind: the type of the result.
    """
    rows, row, place = quote("#rows"), quote("#row"), quote("#place")
    at_place = f"{function}(list_transform({rows}, lambda {row}: {row}[{place}]))"
    places = f"list_transform(range(1, len({rows}[1]) + 1), lambda {place}: {at_place})"
    # An aggregate cannot stand in a lambda; as the one element of a list it can be handed to it.
    sql = f"list_transform([list({array}) FILTER (WHERE {array} IS NOT NULL)], lambda {rows}: {places})[1]"
    least, most = f"min(len({array}))", f"max(len({array}))"
    told = f"concat('arrays of ', {least}, ' and ', {most}, ' elements cannot be put together.')"
    return f"CASE WHEN {least} <> {most} THEN error({told}) ELSE CAST({sql} AS {kind.sql}) END"


def array_formula(kind: str, of: str, type_: DataType, option: object) -> str:
    """Return the formula that a measure over an array is: names are quoted.

    >>> array_formula("array_quantile", "pnl", DataType.parse("double[]"), 0.05)
    'array_quantile("pnl", 0.05)'
    """
    told = quote(str(option)) if kind == "array_scale" else "" if option is None else f"{option}"
    text = f"{kind}({', '.join([quote(of), *([told] if told else [])])})"
    # Integers add up to int64, in an array as everywhere.
    whole = kind == "array_sum" and type_.element.family == "integer"
    return f"CAST({text} AS BIGINT)" if whole else text
