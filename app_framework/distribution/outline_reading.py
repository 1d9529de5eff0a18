"""An outline that came from another node, read and checked: what it declares is built, so it may only declare measures
that a query cube merges and computes itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from app_framework.database.datatype import DataType
from app_framework.database.errors import ModelProblem
from app_framework.distribution.errors import InvalidContributionError
from app_framework.distribution.outline import (
    DimensionOutline,
    HierarchyOutline,
    LevelOutline,
    MeasureOutline,
    OrderOutline,
    Outline,
)
from app_framework.distribution.reading import Reader
from app_framework.olap.aggregation import AGGREGATIONS, FORMULA, Aggregation
from app_framework.olap.language import FORMS, LOOKUP, PYTHON
from app_framework.olap.member import MemberError, parse_member
from app_framework.olap.reading_measures import MeasureReader

COMPUTED = frozenset({FORMULA, *FORMS} - {LOOKUP, PYTHON})
"""What is computed of other measures alone: neither of rows, nor of tables, nor by code."""


def read_outline(document: object) -> Outline:
    """Return the outline that a decoded JSON document writes.

    Raises:
        InvalidContributionError: it is none.
    """
    read = Reader(document, "an outline")
    concealed = read.inner("concealed-hierarchies")
    return Outline(
        read.all("dimensions", _dimension),
        read.all("hierarchies", _hierarchy),
        read.all("measures", _measure),
        {name: concealed.texts(name) for name in concealed.document},
        frozenset(read.texts("concealed-measures")),
    )


def _dimension(read: Reader) -> DimensionOutline:
    return DimensionOutline(read.text("name"), read.optional("caption"), read.optional("description"))


def _hierarchy(read: Reader) -> HierarchyOutline:
    levels, default = read.all("levels", _level), read.plain("default")
    if not levels:
        raise InvalidContributionError(f"hierarchy {read.text('name')!r} has no levels")
    _check_members([] if default is None else [default], levels[0].type)
    return HierarchyOutline(
        read.text("dimension"), read.text("name"), levels, read.flag("slicing"), default, read.optional("caption"),
        read.optional("description"), read.optional("folder"), read.flag("visible"),
    )  # fmt: skip


def _level(read: Reader) -> LevelOutline:
    kind = read.type("type")
    order = _order(read.inner("order"))
    _check_members(order.listed, kind)
    return LevelOutline(
        read.text("name"), kind, order, read.text("text", empty=True), read.optional("caption"),
        read.optional("description"), read.optional("format"), read.flag("visible"),
    )  # fmt: skip


def _order(read: Reader) -> OrderOutline:
    key = read.type("key") if read.text("key", empty=True) else ""
    return OrderOutline(read.plains("listed"), key, read.flag("descending"), read.text("text", empty=True))


def _measure(read: Reader) -> MeasureOutline:
    measure = MeasureOutline(
        read.text("name"), read.text("kind"), read.text("argument"), read.type("result"),
        read.inner("options").document, read.types("types"), read.optional("caption"), read.optional("format"),
        read.optional("description"), read.optional("folder"), read.flag("visible"),
    )  # fmt: skip
    if measure.kind in AGGREGATIONS:
        _check_aggregate(measure, AGGREGATIONS[measure.kind])
    elif measure.kind in COMPUTED:
        _check_computed(measure)
    else:
        raise InvalidContributionError(f"measure {measure.name!r} is of kind {measure.kind!r}, which does not travel")
    return measure


def _check_aggregate(measure: MeasureOutline, aggregation: Aggregation) -> None:
    rows = measure.kind == "count" and measure.argument == "*"
    if len(measure.types) != (0 if rows else 1 + len(aggregation.columns)):
        raise InvalidContributionError(f"measure {measure.name!r} has {len(measure.types)} arguments")
    if set(measure.options) != set(aggregation.options) or not all(
        isinstance(measure.options[key], int | float) for key in aggregation.fractions
    ):
        raise InvalidContributionError(f"measure {measure.name!r} is told what {measure.kind} does not know")


def _check_computed(measure: MeasureOutline) -> None:
    """Check the shape of a calculation as if a model had written it."""
    problems: list[ModelProblem] = []
    key = FORMS[measure.kind].measure if measure.kind in FORMS else measure.kind
    body: Mapping[str, object] = {**measure.options, key: measure.argument}
    if MeasureReader(problems, AGGREGATIONS).measure(measure.name, body, ("measures", measure.name)) is None:
        raise InvalidContributionError("; ".join(problem.sentence for problem in problems))


def _check_members(members: Iterable[object], kind: str) -> None:
    try:
        for member in members:
            parse_member(member, DataType.parse(kind))
    except MemberError as error:
        raise InvalidContributionError(str(error)) from error
