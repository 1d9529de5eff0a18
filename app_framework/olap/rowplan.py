"""From a drillthrough to the two statements that answer it: how many rows the cell counts, and those rows; pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from app_framework.database.datatype import VARCHAR, DataType
from app_framework.database.expression import UnknownNameError
from app_framework.database.sql import quote
from app_framework.olap.drillthrough import Drillthrough
from app_framework.olap.errors import INVALID_QUERY, QueryProblem
from app_framework.olap.facts import BaseRows
from app_framework.olap.join import Join, JoinTree, Path
from app_framework.olap.model import CubeModel
from app_framework.olap.plan import QueryPlan, plan_cell
from app_framework.olap.sql import Statement
from app_framework.olap.where import ConditionWriter

_STEP = re.compile(r'"([^"]+)"|([^."]+)')
_STEPS = re.compile(rf"(?:{_STEP.pattern})(?:\.(?:{_STEP.pattern}))*")


@dataclass(frozen=True, slots=True)
class RowColumn:
    """A column of the rows.

    Args:
        name: as the question wrote it.
        path: the references that lead to its table.
        sql: the column there.
    """

    name: str
    path: Path
    sql: str
    type: DataType

    @property
    def output(self) -> str:
        """The SQL of what leaves: a value that JSON, Arrow and Python can all write."""
        return f"{_leaving(self.sql, self.type)} AS {quote(self.name)}"

    @property
    def answered(self) -> DataType:
        """The type in which it leaves."""
        return VARCHAR if self.type.family == "other" else self.type.answered


@dataclass(frozen=True, slots=True)
class RowPlan:
    """Rows of one cell.

    Args:
        cell: which rows it counts; its joins are those that are needed to tell.
        joins: those of the columns as well.
    """

    cell: QueryPlan
    columns: tuple[RowColumn, ...]
    joins: tuple[Join, ...]
    limit: int | None

    def at(self, sources: Mapping[str, str]) -> RowPlan:
        """Return the plan over other rows of the same tables, such as those of an older version."""
        return replace(self, cell=self.cell.at(sources))


def plan_rows(model: CubeModel, drillthrough: Drillthrough, known: Sequence[QueryProblem] = ()) -> RowPlan:
    """Return the plan of a drillthrough; what is wrong with it already is given as `known` and raised with the rest.

    Raises:
        QueryError: it names what the cube does not have; everything at once.
    """
    problems = list(known)
    columns = _columns(model.joins, drillthrough.columns, problems)
    cell = plan_cell(model, drillthrough.coordinates, drillthrough.query, problems)
    wanted = {join.path for join in cell.joins} | {column.path for column in columns}
    return RowPlan(cell, columns, model.joins.needed(wanted), drillthrough.query.limit)


def write_count(plan: RowPlan) -> Statement:
    """Return the statement that counts the cell's rows: what ``{count: "*"}`` is there."""
    return _write(plan, "count(*)", plan.cell.joins)


def write_rows(plan: RowPlan) -> Statement:
    """Return the statement that reads the cell's rows."""
    columns = "".join(f"\n  {column.output}," for column in plan.columns).removesuffix(",")
    statement = _write(plan, columns, plan.joins)
    limit = "" if plan.limit is None else f"\nLIMIT {plan.limit}"
    return Statement(statement.text + limit, statement.parameters, grouped=False)


def _write(plan: RowPlan, select: str, joins: Sequence[Join]) -> Statement:
    where = ConditionWriter(BaseRows(plan.cell.tree))
    lines = [f"SELECT {select}" if not select.startswith("\n") else f"SELECT{select}"]
    lines.append(f"FROM {plan.cell.tree.from_clause(joins)}")
    conditions = [where.write(condition) for condition in plan.cell.conditions]
    if conditions:
        lines.append("WHERE " + "\n  AND ".join(conditions))
    return Statement("\n".join(lines), tuple(where.parameters), grouped=False)


def _columns(tree: JoinTree, names: Sequence[str], problems: list[QueryProblem]) -> tuple[RowColumn, ...]:
    told = {problem.field for problem in problems}
    if not names:
        return tuple(_column(tree, name, (name,)) for name in tree.base.columns)
    found = []
    for position, name in enumerate(names):
        field = f"columns[{position}]"
        try:
            found.append(_column(tree, name, _steps(name)))
        except UnknownNameError as error:
            if field not in told:
                problems.append(QueryProblem(INVALID_QUERY, field, f"{error.reason}.", error.near))
    return tuple(found)


def _column(tree: JoinTree, name: str, steps: tuple[str, ...]) -> RowColumn:
    join, column = tree.column(steps)
    return RowColumn(name, join.path, f"{quote(join.alias)}.{quote(column.name)}", column.type)


def _steps(text: str) -> tuple[str, ...]:
    """Return the parts of a dotted path; one that holds a dot itself stands in double quotes.

    >>> _steps('orders."a.b"')
    ('orders', 'a.b')
    """
    if _STEPS.fullmatch(text) is None:
        return (text,)
    return tuple(quoted or plain for quoted, plain in _STEP.findall(text))


def _leaving(sql: str, kind: DataType) -> str:
    if kind.family == "zoned":
        return f"CAST({sql} AS TIMESTAMP)"  # UTC without a zone, which Python needs no library to receive
    if kind.family in ("other", "uuid") or kind.sql.upper().startswith("ENUM"):
        return f"CAST({sql} AS VARCHAR)"
    return sql if kind.answered == kind else f"CAST({sql} AS {kind.answered.sql})"
