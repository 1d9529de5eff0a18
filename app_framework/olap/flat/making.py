"""Making flat facts: members are looked up once for each key that rows refer by, and not once for each row.

What a level says of the rows of one reference is the same for equal keys. So the keys are taken once each, their
members put into dictionaries, and a map of keys to codes is what the rows are joined with.
"""

# ruff: noqa: S608 - names are quoted, values are bound

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

from app_framework.database.datatype import DataType
from app_framework.database.sql import names, quote
from app_framework.olap.aggregate_limits import AggregateLimits
from app_framework.olap.dimension import Level
from app_framework.olap.facts import BaseRows
from app_framework.olap.flat.shape import NO_MEMBER, FlatFacts, FlatShape, is_coded
from app_framework.olap.join import Path
from app_framework.olap.measure import AggregateMeasure
from app_framework.olap.model import CubeModel
from app_framework.olap.sorting import sort_key

if TYPE_CHECKING:
    from app_framework.database.duckdb import Cursor
    from app_framework.database.scratch import ScratchTable

INTEGERS = {"TINYINT": 127, "SMALLINT": 32_767, "INTEGER": 2_147_483_647}
"""The types that codes and integers are kept in, with the largest number of each."""
TEXT_BYTES = 24
"""About what a text or a value of unknown size takes."""
_DIGITS = {4: 2, 9: 4, 18: 8, 38: 16}


class FlatRefusedError(Exception):
    """Flat facts would be larger than they may be."""


@dataclass(frozen=True, slots=True)
class _Keys:
    """The different keys that the base table refers by, with the members that levels have for them."""

    path: Path
    columns: tuple[str, ...]
    levels: tuple[Level, ...]


def make_flat(
    cursor: Cursor, model: CubeModel, shape: FlatShape, table: ScratchTable, limits: AggregateLimits
) -> FlatFacts:
    """Make the flat facts of the version that a transaction sees.

    Raises:
        FlatRefusedError: they would be too large.
    """
    return _Maker(cursor, model, shape, table, limits).make()


class _Maker:
    def __init__(
        self, cursor: Cursor, model: CubeModel, shape: FlatShape, table: ScratchTable, limits: AggregateLimits
    ) -> None:
        self._cursor = cursor
        self._shape = shape
        self._table = table
        self._limits = limits
        self._tree = model.joins
        self._measures = [m for m in model.measures.values() if isinstance(m, AggregateMeasure)]
        self._numbers = count(1)
        self._dictionaries: dict[str, str] = {}
        self._sizes: dict[str, int] = {}
        self._types: dict[str, str] = {}

    def make(self) -> FlatFacts:
        rows = self._number(f"SELECT count(*) FROM {self._tree.source(self._tree.base.name)}")
        if rows > self._limits.flat_rows:
            raise FlatRefusedError(f"{rows:,} rows are more than {self._limits.flat_rows:,}")
        sets = self._key_sets()
        of_keys = {self._column(level) for keys in sets for level in keys.levels}
        own = [level for name, level in self._shape.levels.items() if name not in of_keys]
        maps = [self._map(keys) for keys in sets]
        for level in own:
            if is_coded(level):
                members = BaseRows(self._tree).source(level.joins | level.order.joins)
                self._make_dictionary(level, level.sql, level.order.row_key(level.sql), members)
        self._narrow(own, {self._column(level): level.sql for level in own}, BaseRows(self._tree).source(_paths(own)))
        sql = self._flat(own, sets, maps)
        size = rows * sum(_width(column.type) for column in self._cursor.describe(sql))
        if size > self._limits.flat_bytes:
            raise FlatRefusedError(f"{size:,} bytes are more than {self._limits.flat_bytes:,}")
        self._cursor.execute(f"CREATE TABLE {self._table.name} AS {sql}{self._order()}")
        for name in maps:
            self._cursor.execute(f"DROP TABLE {name}")
        return FlatFacts(
            self._shape,
            self._table.name,
            self._dictionaries,
            frozenset(name for name in self._types if name not in self._dictionaries),
            self._table.version,
            rows,
            size,
            frozenset(join.table.name for join in self._tree.needed(self._shape.joins)),
        )

    def _key_sets(self) -> list[_Keys]:
        """Return the references of the base table, each with the levels that read nothing but what it leads to."""
        found: dict[Path, list[Level]] = {}
        for level in self._shape.levels.values():
            paths = level.joins | level.order.joins
            roots = {path[:1] for path in paths}
            if len(roots) == 1 and () not in roots:
                found.setdefault(roots.pop(), []).append(level)
        sets = []
        for path, levels in found.items():
            reference = self._tree.joins[path].reference
            assert reference is not None
            sets.append(_Keys(path, reference.source_columns, tuple(levels)))
        return sets

    def _map(self, keys: _Keys) -> str:
        """Make the dictionaries of the levels of a reference, and the table that leads from its keys to codes."""
        base = self._tree.base
        different = f"(SELECT DISTINCT {names(keys.columns)} FROM {self._tree.source(base.name)})"
        source = BaseRows(self._tree.at({base.name: different})).source(_paths(keys.levels))
        columns = [f"{quote(base.name)}.{quote(column)} AS {_key(i)}" for i, column in enumerate(keys.columns)]
        for level in keys.levels:
            columns.append(f"{level.sql} AS {quote(self._column(level))}")
            if level.order.key:
                columns.append(f"{level.order.row_key(level.sql)} AS {quote(sort_key(self._column(level)))}")
        members = self._new(f"SELECT {', '.join(columns)} FROM {source}")
        own = {self._column(level): f"keys.{quote(self._column(level))}" for level in keys.levels}
        for level in keys.levels:
            if is_coded(level):
                order = f"keys.{quote(sort_key(self._column(level)))}" if level.order.key else "NULL"
                self._make_dictionary(level, own[self._column(level)], order, f"{members} AS keys")
        self._narrow(keys.levels, own, f"{members} AS keys")
        joins, coded = self._coded(keys.levels, own)
        kept = ", ".join([*(f"keys.{_key(i)}" for i in range(len(keys.columns))), *coded])
        made = self._new(f"SELECT {kept} FROM {members} AS keys{joins}")
        self._cursor.execute(f"DROP TABLE {members}")
        return made

    def _make_dictionary(self, level: Level, member: str, key: str, source: str) -> None:
        """Make the table of the members of a level: in their own order, after the row for no member."""
        key = f"min({key})" if level.order.key else "NULL"
        found = f"SELECT {member} AS member, {key} AS key FROM {source} GROUP BY {member}"
        numbered = f"SELECT row_number() OVER (ORDER BY member) AS code, * FROM ({found}) WHERE member IS NOT NULL"
        table = self._new(f"FROM ({numbered}) UNION ALL SELECT {NO_MEMBER}, NULL, NULL")
        size = self._number(f"SELECT max(code) FROM {table}")
        kind = next(kind for kind, largest in INTEGERS.items() if size <= largest)
        self._cursor.execute(f"ALTER TABLE {table} ALTER code TYPE {kind}")
        self._dictionaries[self._column(level)] = table
        self._sizes[self._column(level)] = size
        self._types[self._column(level)] = kind

    def _narrow(self, levels: Iterable[Level], own: Mapping[str, str], source: str) -> None:
        """Find the integers of levels that fit into fewer bytes."""
        wide = [self._column(lv) for lv in levels if lv.type.family == "integer" and not is_coded(lv)]
        if not wide:
            return
        bounds = ", ".join(f"{function}({own[name]})" for name in wide for function in ("min", "max"))
        found = self._cursor.rows(f"SELECT {bounds} FROM {source}")[0]
        for i, name in enumerate(wide):
            low, high = found[2 * i : 2 * i + 2]
            largest = max(abs(int(str(bound))) for bound in (low, high)) if low is not None else 0
            kind = next((kind for kind, limit in INTEGERS.items() if largest <= limit), "")
            if kind and INTEGERS[kind] < self._shape.levels[name].type.integer_range[1]:
                self._types[name] = kind

    def _coded(self, levels: Sequence[Level], own: Mapping[str, str]) -> tuple[str, list[str]]:
        """Return the joins with dictionaries, and the columns that stand for members."""
        joins, columns = "", []
        for i, level in enumerate(levels):
            name, sql = self._column(level), own[self._column(level)]
            if name in self._dictionaries:
                members = quote(f"#members {i}")
                joins += f" LEFT JOIN {self._dictionaries[name]} AS {members} ON {members}.member = {sql}"
                sql = f"coalesce({members}.code, {NO_MEMBER})"
            kind = self._types.get(name)
            columns.append(f"{f'CAST({sql} AS {kind})' if kind else sql} AS {quote(name)}")
        return joins, columns

    def _flat(self, own: Sequence[Level], sets: Sequence[_Keys], maps: Sequence[str]) -> str:
        """Write the query of all columns of all rows."""
        base = quote(self._tree.base.name)
        paths = _paths(own).union(*(m.joins for m in self._measures if m.name in self._shape.answers))
        if (date := self._date()) is not None:
            paths |= {date[0]}
        joins, columns = self._coded(own, {self._column(level): level.sql for level in own})
        source = BaseRows(self._tree).source(paths).replace("\n", " ") + joins
        for number, (keys, table) in enumerate(zip(sets, maps, strict=True)):
            alias = quote(f"#keys {number}")
            same = (
                f"{alias}.{_key(i)} IS NOT DISTINCT FROM {base}.{quote(name)}" for i, name in enumerate(keys.columns)
            )
            source += f" LEFT JOIN {table} AS {alias} ON {' AND '.join(same)}"
            columns += [f"{alias}.{quote(self._column(level))}" for level in keys.levels]
        columns += [f"{sql} AS {quote(name)}" for sql, name in self._shape.arguments.items()]
        return f"SELECT {', '.join(columns) or '1 AS one'} FROM {source}"

    def _date(self) -> tuple[Path, str] | None:
        """Return the first column with dates that a level reads: rows of one time stand together."""
        for level in self._shape.levels.values():
            for path, join in self._tree.joins.items():
                for name, column in join.table.columns.items():
                    if (path, name) in level.expression.names and column.type.family in ("date", "timestamp", "zoned"):
                        return path, f"{quote(join.alias)}.{quote(name)}"
        return None

    def _order(self) -> str:
        """Write in which order rows are kept: by time, then by the level with the fewest members."""
        date = self._date()
        several = {name: size for name, size in self._sizes.items() if size > 1}
        terms = [date[1]] if date else []
        terms += [quote(min(several, key=lambda name: several[name]))] if several else []
        return f" ORDER BY {', '.join(terms)}" if terms else ""

    def _column(self, level: Level) -> str:
        return self._shape.column_of(level)

    def _new(self, sql: str) -> str:
        name = self._table.beside(next(self._numbers))
        self._cursor.execute(f"CREATE TABLE {name} AS {sql}")
        return name

    def _number(self, sql: str) -> int:
        return int(str(self._cursor.rows(sql)[0][0]))


def _paths(levels: Iterable[Level]) -> frozenset[Path]:
    return frozenset(path for level in levels for path in level.joins | level.order.joins)


def _key(number: int) -> str:
    return quote(f"#key {number}")


def _width(kind: DataType) -> int:
    """Return about how many bytes a value takes."""
    if kind.family == "integer":
        return (kind.integer_range[1].bit_length() + 7) // 8
    if kind.family == "decimal":
        return next(size for digits, size in _DIGITS.items() if kind.width <= digits)
    if kind.family in ("date", "boolean"):
        return 4
    return 8 if kind.family in ("float", "time", "timestamp", "zoned") else TEXT_BYTES
