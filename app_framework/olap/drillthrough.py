"""A question for rows instead of numbers: those that one cell counts.

>>> Drillthrough({"year": 1993}, columns=["price"], limit=10).to_dict()
{'coordinates': {'year': 1993}, 'columns': ['price'], 'limit': 10}
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from app_framework.database.branches import MASTER
from app_framework.errors import near_matches
from app_framework.olap.errors import INVALID_QUERY, INVALID_REQUEST, QueryError, QueryProblem
from app_framework.olap.query import CubeQuery, read_query

COLUMNS_MAX = 1_000
_SHARED = ("where", "limit", "branch", "version", "timeout")
"""What a drillthrough says as a query does."""

_FIELDS = ("coordinates", "columns", *_SHARED)


@dataclass(frozen=True, slots=True)
class Drillthrough:
    """Which rows to show.

    Args:
        coordinates: the cell: a member, or None, for each level that is not rolled up in it.
        columns: of the base table, or of another by its path: ``orders.customer.city``; the base table's when empty.
        where: as in the `CubeQuery` that the cell is from.
        limit: the most rows; without one, all of them or a `TooLargeError`.
        branch: the branch to read.
        version: the data version to read, the newest unless given.
        timeout: how long it may take, until the last row was read.
    """

    coordinates: Mapping[str, object] = field(default_factory=dict)
    columns: Sequence[str] = ()
    where: Mapping[str, object] = field(default_factory=dict)
    limit: int | None = None
    branch: str = MASTER
    version: int | Mapping[str, int] | None = None
    timeout: float | str = 30.0
    query: CubeQuery = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        problems = _fill(self, {name: getattr(self, name) for name in _FIELDS})
        if problems:
            raise QueryError.of(problems)

    @property
    def timeout_s(self) -> float:
        """`timeout` in seconds."""
        return self.query.timeout_s

    def to_dict(self) -> dict[str, object]:
        """Return the JSON document of this question, without what is left to its default."""
        document: dict[str, object] = {"coordinates": dict(self.coordinates)}
        if self.columns:
            document["columns"] = list(self.columns)
        shared = self.query.to_dict()
        return document | {name: shared[name] for name in _SHARED if name in shared}

    def __hash__(self) -> int:
        return hash((tuple(self.coordinates), self.columns, self.query))


def read_drillthrough(document: object) -> tuple[Drillthrough, tuple[QueryProblem, ...]]:
    """Return the question that a decoded JSON document writes, as far as it can be read, and what is wrong with it.

    One with problems is for `Cube.check_drillthrough` only, which finds the names in it that are wrong as well.
    """
    drillthrough = object.__new__(Drillthrough)
    if not isinstance(document, Mapping):
        _fill(drillthrough, {})
        return drillthrough, (QueryProblem(INVALID_REQUEST, "", "a drillthrough is a JSON object."),)
    unknown = [str(key) for key in document if key not in _FIELDS]
    problems = [
        QueryProblem(INVALID_REQUEST, key, f"a drillthrough has no field {key!r}.", near_matches(key, _FIELDS))
        for key in unknown
    ]
    return drillthrough, (*problems, *_fill(drillthrough, document))


def _fill(drillthrough: Drillthrough, given: Mapping[str, object]) -> list[QueryProblem]:
    """Set the fields of a drillthrough, each to something harmless where there is a problem."""
    coordinates, wrong_members = _coordinates(given.get("coordinates"))
    columns, wrong_columns = _columns(given.get("columns"))
    # A query names a measure; which one does not matter, because nothing is computed for rows.
    asked = {"measures": ["-"], **{name: given[name] for name in _SHARED if name in given}}
    query, problems = read_query(asked)
    values = {name: getattr(query, name) for name in _SHARED}
    values |= {"coordinates": coordinates, "columns": columns, "query": query}
    for name, value in values.items():
        object.__setattr__(drillthrough, name, value)
    return [*wrong_members, *wrong_columns, *problems]


def _coordinates(value: object) -> tuple[Mapping[str, object], list[QueryProblem]]:
    if value is None:
        return MappingProxyType({}), []
    if not isinstance(value, Mapping):
        problem = QueryProblem(INVALID_REQUEST, "coordinates", "`coordinates` maps levels to members.")
        return MappingProxyType({}), [problem]
    text = "a coordinate is one member, a plain value or null; `where` takes several."
    problems = [
        QueryProblem(INVALID_REQUEST, f"coordinates.{name}", text)
        for name, member in value.items()
        if isinstance(member, Mapping | list | tuple | set | frozenset)
    ]
    told = {problem.field for problem in problems}
    kept = {str(name): None if f"coordinates.{name}" in told else member for name, member in value.items()}
    return MappingProxyType(kept), problems


def _columns(value: object) -> tuple[tuple[str, ...], list[QueryProblem]]:
    if value is None:
        return (), []
    if not isinstance(value, Sequence) or isinstance(value, str):
        return (), [QueryProblem(INVALID_REQUEST, "columns", "`columns` is a list of columns.")]
    if len(value) > COLUMNS_MAX:
        return (), [QueryProblem(INVALID_QUERY, "columns", f"`columns` names at most {COLUMNS_MAX:,}.")]
    problems = []
    for position, name in enumerate(value):
        if not isinstance(name, str):
            problems.append(QueryProblem(INVALID_REQUEST, f"columns[{position}]", "a column is a text."))
        elif name in value[:position]:
            problems.append(QueryProblem(INVALID_QUERY, f"columns[{position}]", f"{name!r} is named twice."))
    return tuple(name if isinstance(name, str) else "" for name in value), problems
