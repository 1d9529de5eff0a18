"""Which rows to delete: filters over the columns of one table, in the shapes of a query's `where`."""

from __future__ import annotations

from collections.abc import Mapping

from app_framework.database import Condition, Delete
from app_framework.database.expression import Expression
from app_framework.database.schema import Column, TableSchema
from app_framework.database.sql import quote
from app_framework.errors import near_matches
from app_framework.olap.condition import Predicate
from app_framework.olap.dimension import Level
from app_framework.olap.errors import INVALID_QUERY, INVALID_REQUEST, QueryError, QueryProblem
from app_framework.olap.facts import BaseRows
from app_framework.olap.filter import AtPath, Between, Filter, FilterShapeError, In, NotIn, StartsWith, read_filter
from app_framework.olap.join import JoinTree
from app_framework.olap.member import MemberError, parse_member
from app_framework.olap.where import ConditionWriter


def delete_where(table: TableSchema, where: Mapping[str, object]) -> Delete:
    """Return the change that deletes the rows which pass all filters; without a filter, all rows.

    Args:
        table: `Database.tables` has it.
        where: filters by column, as `CubeQuery` has them by level.

    Raises:
        QueryError: a column is not there, or a filter does not fit it; every problem is told.
    """
    problems: list[QueryProblem] = []
    writer = ConditionWriter(BaseRows(JoinTree(table, {table.name: table}, ())))
    parts: list[str] = []
    for name, body in where.items():
        predicate = _predicate(table, str(name), body, problems)
        if predicate is not None:
            parts.append(writer.write(predicate))
    if problems:
        raise QueryError.of(problems)
    return Delete(table.name, Condition(" AND ".join(parts) or "true", tuple(writer.parameters)))


def _predicate(table: TableSchema, name: str, body: object, problems: list[QueryProblem]) -> Predicate | None:
    field, column = f"where.{name}", table.columns.get(name)
    try:
        filter_ = read_filter(body)
    except FilterShapeError as error:
        problems.append(QueryProblem(INVALID_REQUEST, field + error.within, str(error), error.near))
        return None
    if column is None:
        text = f"table {table.name!r} has no column {name!r}."
        problems.append(QueryProblem(INVALID_QUERY, field, text, near_matches(name, table.columns)))
        return None
    try:
        return Predicate(_level(table, column), _typed(filter_, column))
    except (MemberError, FilterShapeError) as error:
        problems.append(QueryProblem(INVALID_QUERY, field, f"{str(error).rstrip('.')}."))
        return None


def _typed(filter_: Filter, column: Column) -> In | NotIn | Between | StartsWith:
    """Return the filter with its members as the column's values."""
    if isinstance(filter_, AtPath):
        raise FilterShapeError("a path filters a hierarchy; a column has none")
    if isinstance(filter_, StartsWith):
        if column.type.family != "text":
            raise FilterShapeError(f"column {column.name!r} is {column.type.name}, not text")
        return filter_
    if isinstance(filter_, Between):
        return Between(_member(filter_.low, column), _member(filter_.high, column))
    return type(filter_)(tuple(_member(member, column) for member in filter_.members))


def _member(value: object, column: Column) -> object:
    return None if value is None else parse_member(value, column.type)


def _level(table: TableSchema, column: Column) -> Level:
    """Return the column in the words of a condition."""
    sql = f"{quote(table.name)}.{quote(column.name)}"
    expression = Expression(column.name, sql, sql, frozenset())
    return Level(column.name, table.name, table.name, 0, column.type, sql, frozenset(), expression)
