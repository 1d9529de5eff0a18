"""A question to a cube, the same behind every door: what to measure, by which levels, of which rows."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Literal, TypeVar, cast, get_args

from app_framework.database.branches import MASTER
from app_framework.errors import near_matches
from app_framework.olap.errors import INVALID_QUERY, INVALID_REQUEST, QueryError, QueryProblem
from app_framework.olap.filter import AtPath, Filter, FilterShapeError, In, read_filter

T = TypeVar("T")
Totals = Literal["none", "grand", "all"]
Unavailable = Literal["fail", "partial"]
MEASURES_MAX = 1_000
LEVELS_MAX = 50
"""As many as have a bit each in a number that every JSON reader keeps exact."""
TIMEOUT_MAX_S = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Order:
    """Sort detail rows by a column of the answer; null comes last in both directions."""

    by: str
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Top:
    """Of each combination of members of some levels, keep the detail rows that come first.

    Args:
        count: how many.
        per: the levels, each of them one that the query groups by.
    """

    count: int
    per: Sequence[str]


@dataclass(frozen=True, slots=True)
class CubeQuery:
    """One question to a cube. Lists, mappings and plain values are accepted and frozen.

    Args:
        measures: what to compute, one at least.
        levels: what to group by: ``level``, ``Hierarchy.level`` or ``Dimension.Hierarchy.level``.
        where: what to keep, by level: a member, a list of members, None for rows without one, or one of
            ``{"not": …}``, ``{"from": …, "to": …}`` and ``{"prefix": …}``; by hierarchy ``{"path": [[…], …]}``.
        totals: ``grand`` adds the total of all rows, ``all`` also those of each level before the next.
        order: columns to sort detail rows by, before the levels themselves: ``{"by": …, "descending": …}``.
        limit: the most detail rows; totals are kept.
        offset: how many detail rows to leave out before.
        branch: the branch to read.
        version: the data version to read, a number or one for each node; the newest unless given.
        timeout: how long the answer may take, waiting included: ``30s``, ``500ms``, or seconds.
        unavailable: whether an answer without the nodes that do not answer is a failure or a ``partial`` one.
        top: of each combination of members of some levels, how many detail rows to keep, the first ones in the order of
            the answer: ``{"count": 3, "per": ["region"]}``; totals are kept, and are those of everything.

    >>> CubeQuery(measures=["lines"], levels=["year"], where={"year": [1993, 1994]}).where["year"]
    In(members=(1993, 1994))
    """

    measures: Sequence[str]
    levels: Sequence[str] = ()
    where: Mapping[str, object] = field(default_factory=dict)
    totals: Totals = "none"
    order: Sequence[Order | Mapping[str, object]] = ()
    limit: int | None = None
    offset: int = 0
    branch: str = MASTER
    version: int | Mapping[str, int] | None = None
    timeout: float | str = 30.0
    unavailable: Unavailable = "fail"
    top: Top | Mapping[str, object] | None = None

    def __post_init__(self) -> None:
        problems: list[QueryProblem] = []
        values = _read({part.name: getattr(self, part.name) for part in fields(self)}, problems)
        if problems:
            raise QueryError.of(problems)
        for name, value in values.items():
            object.__setattr__(self, name, value)

    @classmethod
    def parse(cls, document: object) -> CubeQuery:
        """Return the question that a decoded JSON document writes.

        Raises:
            QueryError: the document has another shape; every problem is told.
        """
        query, problems = read_query(document)
        if problems:
            raise QueryError.of(problems)
        return query

    @property
    def filters(self) -> Mapping[str, Filter]:
        """`where`, as the filters it was read to."""
        return cast("Mapping[str, Filter]", self.where)

    @property
    def orders(self) -> tuple[Order, ...]:
        """`order`, as the values it was read to."""
        return cast("tuple[Order, ...]", self.order)

    @property
    def best(self) -> Top | None:
        """`top`, as the value it was read to."""
        return cast("Top | None", self.top)

    @property
    def timeout_s(self) -> float:
        """`timeout` in seconds."""
        return cast("float", self.timeout)

    def __hash__(self) -> int:
        version = tuple(self.version.items()) if isinstance(self.version, Mapping) else self.version
        return hash((self.measures, self.levels, tuple(self.where), self.totals, self.order, self.limit, version))

    def to_dict(self) -> dict[str, object]:
        """Return the JSON document of this question, without what is left to its default."""
        document: dict[str, object] = {"measures": list(self.measures), "levels": list(self.levels)}
        if self.where:
            document["where"] = {name: filter_.to_json() for name, filter_ in self.filters.items()}
        if self.order:
            document["order"] = [{"by": order.by, "descending": order.descending} for order in self.orders]
        if self.best is not None:
            document["top"] = {"count": self.best.count, "per": list(self.best.per)}
        for name, default in (("totals", "none"), ("limit", None), ("offset", 0), ("branch", MASTER)):
            if getattr(self, name) != default:
                document[name] = getattr(self, name)
        if self.version is not None:
            document["version"] = self.version if isinstance(self.version, int) else dict(self.version)
        if self.timeout != 30.0:
            document["timeout"] = self.timeout
        if self.unavailable != "fail":
            document["unavailable"] = self.unavailable
        return document


_DEFAULTS: Mapping[str, object] = {
    part.name: part.default_factory() if callable(part.default_factory) else part.default for part in fields(CubeQuery)
} | {"measures": ()}


def read_query(document: object) -> tuple[CubeQuery, tuple[QueryProblem, ...]]:
    """Return the question that a decoded JSON document writes, as far as it can be read, and what is wrong with it.

    A question with problems is for `Cube.check` only, which finds the names in it that are wrong as well (FA2).
    """
    if not isinstance(document, Mapping):
        document, problems = {}, [QueryProblem(INVALID_REQUEST, "", "a query is a JSON object.")]
    else:
        problems = _unknown_fields(document)
    query = object.__new__(CubeQuery)
    for name, value in _read({**_DEFAULTS, **document}, problems).items():
        object.__setattr__(query, name, value)
    return query, tuple(problems)


def _unknown_fields(document: Mapping[object, object]) -> list[QueryProblem]:
    """Return what is wrong with the keys of a document; one that is probably misspelt is not missing as well."""
    unknown = [str(key) for key in document if key not in _DEFAULTS]
    problems = [
        QueryProblem(INVALID_REQUEST, key, f"a query has no field {key!r}.", near_matches(key, _DEFAULTS))
        for key in unknown
    ]
    if "measures" not in document and not any(problem.concerns("measures") for problem in problems):
        problems.append(QueryProblem(INVALID_REQUEST, "measures", "`measures` is required."))
    return problems


def _read(given: Mapping[str, object], problems: list[QueryProblem]) -> dict[str, object]:
    """Return the values of all fields, a harmless one where there is a problem, and add what is wrong."""
    read = _Reader(problems)
    values: dict[str, object] = {
        "measures": read.names("measures", given["measures"], MEASURES_MAX),
        "levels": read.names("levels", given["levels"], LEVELS_MAX),
        "where": read.where(given["where"]),
        "totals": read.choice("totals", given["totals"], get_args(Totals)),
        "order": read.order(given["order"]),
        "top": None if given["top"] is None else read.top(given["top"]),
        "limit": None if given["limit"] is None else read.count("limit", given["limit"]),
        "offset": read.count("offset", given["offset"]),
        "branch": read.text("branch", given["branch"], MASTER),
        "version": read.version(given["version"]),
        "timeout": read.duration("timeout", given["timeout"]),
        "unavailable": read.choice("unavailable", given["unavailable"], get_args(Unavailable)),
    }
    if not values["measures"] and not any(problem.concerns("measures") for problem in problems):
        problems.append(QueryProblem(INVALID_QUERY, "measures", "a query names at least one measure."))
    return values


class _Reader:
    """Turns the raw parts of a query into values; what has the wrong shape becomes a problem."""

    def __init__(self, problems: list[QueryProblem]) -> None:
        self._problems = problems

    def names(self, field_: str, value: object, most: int) -> tuple[str, ...]:
        if not isinstance(value, Sequence) or isinstance(value, str):
            return self._refuse(field_, f"`{field_}` is a list of names.", ())
        if len(value) > most:
            self._problems.append(QueryProblem(INVALID_QUERY, field_, f"`{field_}` names at most {most:,}."))
            return ()
        for position, name in enumerate(value):
            if not isinstance(name, str):
                self._refuse(f"{field_}[{position}]", "a name is a text.", None)
            elif name in value[:position]:
                self._problems.append(QueryProblem(INVALID_QUERY, f"{field_}[{position}]", f"{name!r} is named twice."))
        return tuple(name if isinstance(name, str) else "" for name in value)

    def where(self, value: object) -> Mapping[str, Filter]:
        if not isinstance(value, Mapping):
            return self._refuse("where", "`where` maps levels to filters.", {})
        filters: dict[str, Filter] = {}
        for name, body in value.items():
            try:
                filters[str(name)] = read_filter(body)
            except FilterShapeError as error:
                self._refuse(f"where.{name}{error.within}", str(error), None, error.near)
                # Only a path filters a hierarchy; what holds nothing leaves just the name to be looked up.
                filters[str(name)] = AtPath(()) if isinstance(body, Mapping) and "path" in body else In(())
        return MappingProxyType(filters)

    def order(self, value: object) -> tuple[Order, ...]:
        if not isinstance(value, Sequence) or isinstance(value, str):
            return self._refuse("order", '`order` is a list of {"by": name, "descending": true|false}.', ())
        orders = [self._one_order(f"order[{position}]", item) for position, item in enumerate(value)]
        return tuple(order for order in orders if order is not None)

    def _one_order(self, field_: str, item: object) -> Order | None:
        if isinstance(item, Order):
            return item
        if not isinstance(item, Mapping) or not isinstance(item.get("by"), str):
            return self._refuse(field_, 'an order is {"by": name, "descending": true|false}.', None)
        for key in item:
            if key not in ("by", "descending"):
                near = near_matches(str(key), ("by", "descending"))
                self._refuse(f"{field_}.{key}", f"an order has no field {str(key)!r}.", None, near)
        descending = item.get("descending", False)
        if not isinstance(descending, bool):
            return self._refuse(f"{field_}.descending", "`descending` is true or false.", None)
        return Order(str(item["by"]), descending)

    def top(self, value: object) -> Top | None:
        if isinstance(value, Top):
            value = {"count": value.count, "per": value.per}
        if not isinstance(value, Mapping) or not {"count", "per"} <= value.keys():
            return self._refuse("top", '`top` is {"count": number, "per": [level, …]}.', None)
        for key in value.keys() - {"count", "per"}:
            self._refuse(
                f"top.{key}", f"`top` has no field {str(key)!r}.", None, near_matches(str(key), ("count", "per"))
            )
        per = self.names("top.per", value["per"], LEVELS_MAX)
        if value["per"] in ([], ()):
            text = "`top.per` names at least one level; to keep the first rows of all, use `limit`."
            self._problems.append(QueryProblem(INVALID_QUERY, "top.per", text))
        return Top(self.count("top.count", value["count"]), per)

    def choice(self, field_: str, value: object, choices: Sequence[str]) -> str:
        if isinstance(value, str) and value in choices:
            return value
        near = near_matches(value, choices) if isinstance(value, str) else ()
        text = f"`{field_}` is one of {', '.join(choices)}."
        self._problems.append(QueryProblem(INVALID_QUERY, field_, text, near))
        return choices[0]

    def count(self, field_: str, value: object) -> int:
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63:
            return value
        self._problems.append(QueryProblem(INVALID_QUERY, field_, f"`{field_}` is a whole number from 0."))
        return 0

    def text(self, field_: str, value: object, instead: str) -> str:
        return value if isinstance(value, str) else self._refuse(field_, f"`{field_}` is a text.", instead)

    def version(self, value: object) -> int | Mapping[str, int] | None:
        if value is None or (isinstance(value, int) and not isinstance(value, bool)):
            return value
        if isinstance(value, Mapping) and all(
            isinstance(node, str) and isinstance(number, int) and not isinstance(number, bool)
            for node, number in value.items()
        ):
            return MappingProxyType(dict(value))
        return self._refuse("version", "`version` is a number, or maps nodes to numbers.", None)

    def duration(self, field_: str, value: object) -> float:
        seconds = _seconds(value)
        if seconds is None:
            text = f"`{field_}` is a duration such as 30s, 500ms or 2m, or a number of seconds."
            return self._refuse(field_, text, 30.0)
        if not 0 < seconds <= TIMEOUT_MAX_S:
            text = f"`{field_}` is more than nothing and at most {TIMEOUT_MAX_S / 3600:g}h."
            self._problems.append(QueryProblem(INVALID_QUERY, field_, text))
        return seconds

    def _refuse(self, field_: str, detail: str, instead: T, near: tuple[str, ...] = ()) -> T:
        self._problems.append(QueryProblem(INVALID_REQUEST, field_, detail, near))
        return instead


_DURATION = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h)\s*")
_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def _seconds(value: object) -> float | None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    found = _DURATION.fullmatch(value) if isinstance(value, str) else None
    return float(found[1]) * _UNITS_S[found[2]] if found else None
