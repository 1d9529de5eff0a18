"""Calculations that read other cells as joins: each key is compared so that null equals null."""

# ruff: noqa: S608 - names are quoted

from __future__ import annotations

from collections.abc import Sequence

from app_framework.database.datatype import DataType
from app_framework.database.sql import literal, quote
from app_framework.olap.aggregation import Argument
from app_framework.olap.calculation import Ancestor, At, DateShift, ExtremeMember, Filtered, Lookup, Per, Shift
from app_framework.olap.cells import GROUPING
from app_framework.olap.frames import Frame, Key, target
from app_framework.olap.measure import Measure
from app_framework.olap.sorting import in_level_order
from app_framework.olap.windows import by_grouping, finite, in_order, partition

Groupings = Sequence[int]
COUNTS = ("count", "count_distinct", "approx_count_distinct")
"""The aggregations that make 0 of nothing."""


def cell_join(
    calculation: Ancestor | At | DateShift | Filtered, table: str, alias: str, frame: Frame, groupings: Groupings
) -> str:
    """Write the join with the one cell that a calculation reads, perhaps at another grouping."""
    level = calculation.level if isinstance(calculation, DateShift) else None

    def read(grouping: int) -> str:
        if level is not None and not frame.path(level, grouping):
            return "NULL"
        to = target(calculation, frame, grouping)
        return f"c.{quote(GROUPING)}" if to == grouping else str(to)

    conditions = [f"{alias}.{quote(GROUPING)} = {by_grouping(groupings, read, 'c.')}"]
    for i, key in enumerate(frame.keys):
        if level is not None and key.level.full_name == level.full_name:
            conditions.append(f"{alias}.{quote(key.name)} = {_shifted(calculation, key)}")
        elif kept := _kept(calculation, frame, groupings, i):
            conditions.append(f"{alias}.{quote(key.name)} IS NOT DISTINCT FROM {kept}")
    return _left_join(table, alias, conditions)


def _kept(calculation: Ancestor | At | DateShift | Filtered, frame: Frame, groupings: Groupings, i: int) -> str:
    """Write a key as the cell that is read has it: itself, or null where that one rolls it up."""
    shown = [grouping for grouping in groupings if not grouping >> i & 1]
    kept = [grouping for grouping in shown if not target(calculation, frame, grouping) >> i & 1]
    if not kept:
        return ""
    name = f"c.{quote(frame.keys[i].name)}"
    if kept == shown:
        return name
    return f"CASE WHEN c.{quote(GROUPING)} IN ({', '.join(map(str, kept))}) THEN {name} END"


def _shifted(calculation: Ancestor | At | DateShift | Filtered, key: Key) -> str:
    assert isinstance(calculation, DateShift)
    name = f"c.{quote(key.name)}"
    if key.level.type.family == "zoned":
        # Calendars differ from zone to zone; that of UTC is meant, as in answers.
        return f"CAST({calculation.period.before(f'CAST({name} AS TIMESTAMP)')} AS {key.level.type.sql})"
    return f"CAST({calculation.period.before(name)} AS {key.level.type.sql})"


def finer_join(
    calculation: Per | ExtremeMember,
    of: Measure,
    table: str,
    alias: str,
    frame: Frame,
    finer: Frame,
    groupings: Groupings,
) -> tuple[str, str]:
    """Write the join with finer cells, put together to cells of the frame; and the value."""
    pairs = [(grouping, target(calculation, frame, grouping)) for grouping in groupings]
    columns = [f"up.{quote('#cell')} AS {quote(GROUPING)}"]
    for i, key in enumerate(frame.keys):
        name = quote(key.name)
        hidden = any(cell >> i & 1 and not read >> i & 1 for cell, read in pairs)
        columns.append(f"CASE WHEN up.{quote('#cell')} & {1 << i} = 0 THEN {name} END AS {name}" if hidden else name)
    columns.append(f"{_put_together(calculation, of, finer)} AS {quote('#value')}")
    values = ", ".join(f"({cell}, {read})" for cell, read in pairs)
    pairing = f"(VALUES {values}) AS up({quote('#cell')}, {quote('#finer')}) ON {quote(GROUPING)} = {quote('#finer')}"
    cells = f"(\n  SELECT {', '.join(columns)}\n  FROM {table}\n  JOIN {pairing}\n  GROUP BY ALL\n)"
    names = [GROUPING, *(key.name for key in frame.keys)]
    conditions = [f"{alias}.{quote(name)} IS NOT DISTINCT FROM c.{quote(name)}" for name in names]
    empty = isinstance(calculation, Per) and calculation.aggregation.name in COUNTS
    value = f"{alias}.{quote('#value')}"
    return _left_join(cells, alias, conditions), f"coalesce({value}, 0)" if empty else value


def _put_together(calculation: Per | ExtremeMember, of: Measure, finer: Frame) -> str:
    if isinstance(calculation, Per):
        return calculation.aggregation.render([Argument(quote(of.name), of.type)], ())
    key = next(key for key in finer.keys if key.level.full_name == calculation.level.full_name)
    best = finite(of)
    order = ", ".join([f"{best}{' DESC' if calculation.largest else ''}", *in_level_order(key.name, key.level)])
    return f"first({quote(key.name)} ORDER BY {order}) FILTER (WHERE {best} IS NOT NULL)"


def members_before(calculation: Shift, members: Frame, cells: str) -> str:
    """Write all members of a level, each with the one that the shift leads to."""
    path = members.path(calculation.level)
    offset = calculation.offset
    columns = []
    for name in [*(key.name for key in path), ""]:
        value, step = quote(name) if name else "true", f"{abs(offset)}"
        function = "lag" if offset >= 0 else "lead"
        columns.append(f"{function}({value}, {step}) OVER steps AS {quote(_before(name))}")
    kept = () if calculation.partition is None else members.path(calculation.partition)
    window = partition(members, [key for key in path if key not in kept])
    return f"SELECT *, {', '.join(columns)}\nFROM {cells}\nWINDOW steps AS ({window} ORDER BY {in_order(path)})"


def member_joins(
    calculation: Shift, table: str, before: str, alias: str, frame: Frame, members: Frame, groupings: Groupings
) -> tuple[str, str]:
    """Write the joins with the member that a strict shift leads to, and with its cell; and the value."""

    def place(grouping: int) -> str:
        return str(frame.projected(grouping, members)) if frame.path(calculation.level, grouping) else "NULL"

    step = f"{alias}m"
    to_member = [f"{step}.{quote(GROUPING)} = {by_grouping(groupings, place, 'c.')}"]
    to_member += [f"{step}.{quote(key.name)} IS NOT DISTINCT FROM c.{quote(key.name)}" for key in members.keys]
    to_cell = [f"{alias}.{quote(GROUPING)} = CASE WHEN {step}.{quote(_before(''))} THEN c.{quote(GROUPING)} END"]
    for key in frame.keys:
        there = f"{step}.{quote(_before(key.name))}" if key in members.keys else f"c.{quote(key.name)}"
        to_cell.append(f"{alias}.{quote(key.name)} IS NOT DISTINCT FROM {there}")
    joins = [_left_join(before, step, to_member), _left_join(table, alias, to_cell)]
    return "\n".join(joins), f"{alias}.{quote(calculation.of)}"


def lookup_table(lookup: Lookup, source: str) -> str:
    """Return the query whose rows are the values of a lookup by the columns that find them."""
    keys = [quote(column) for _, column in lookup.by]
    columns = [f"{key} AS {quote(_key(i))}" for i, key in enumerate(keys)]
    columns += [f"first({quote(lookup.column)}) AS {quote('#value')}", f"count(*) AS {quote('#rows')}"]
    return f"SELECT {', '.join(columns)}\nFROM {source}\nWHERE {found_by(lookup)}\nGROUP BY {', '.join(keys)}"


def lookup_join(lookup: Lookup, kind: DataType, table: str, alias: str, frame: Frame) -> tuple[str, str]:
    """Return the join with the row that the members of a cell find, and the value; a missing member finds none."""
    keys = keys_of(lookup, frame)
    same = [f"{alias}.{quote(_key(i))} = c.{quote(key.name)}" for i, key in enumerate(keys)]
    told = ", ', ', ".join(f"c.{quote(key.name)}" for key in keys)
    columns = ", ".join(column for _, column in lookup.by)
    start = literal(f"table {lookup.table} has several rows with ({columns}) = (")
    value = (
        f"CASE WHEN {alias}.{quote('#rows')} > 1 THEN error(concat({start}, {told}, ').'))"
        f" ELSE CAST({alias}.{quote('#value')} AS {kind.sql}) END"
    )
    return _left_join(table, alias, same), value


def keys_of(lookup: Lookup, frame: Frame) -> tuple[Key, ...]:
    """Return the keys of a frame that a lookup reads; nothing where one is not among them."""
    known = {key.level.full_name: key for key in frame.keys}
    keys = [known.get(level.full_name) for level, _ in lookup.by]
    return tuple(key for key in keys if key is not None) if None not in keys else ()


def found_by(lookup: Lookup) -> str:
    """Return the condition on the rows that a lookup may find."""
    return " AND ".join([*(f"{quote(column)} IS NOT NULL" for _, column in lookup.by), *lookup.fixed])


def _key(position: int) -> str:
    return f"#key {position + 1}"


def _before(name: str) -> str:
    return f"#before {name}".strip()


def _left_join(table: str, alias: str, conditions: Sequence[str]) -> str:
    return f"LEFT JOIN {table} AS {alias} ON " + "\n  AND ".join(conditions)
