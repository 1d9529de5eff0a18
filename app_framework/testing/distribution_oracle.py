"""One cube over the rows of several data nodes: what a distributed cube answers must be the same."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from app_framework.database.branches import MASTER
from app_framework.database.schema import Table, TableSchema
from app_framework.database.sql import quote
from app_framework.olap.definition import CubeDefinition
from app_framework.testing.cube_tester import CubeTester, fill, open_inline

if TYPE_CHECKING:
    from app_framework.database.database import Database
    from app_framework.database.duckdb import Cursor
    from app_framework.database.history import DataView
    from app_framework.testing.distribution_nodes import DataNode

Row = dict[str, object]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def parts_of(nodes: Iterable[DataNode], application: str) -> list[DataNode]:
    """Return the nodes of an application that run and take part; the application may be left out where there is one.

    Raises:
        ValueError: there is none, or it is not clear which.
    """
    running = [node for node in nodes if node.alive and node.state == "joined"]
    known = sorted({node.application for node in running})
    if not application and len(known) == 1:
        return running
    if application not in known:
        raise ValueError(f"name one of the applications that run: {', '.join(known) or 'there is none'}")
    return [node for node in running if node.application == application]


def state_of(nodes: Sequence[DataNode], branch: str) -> object:
    """Return what stands for the rows of nodes: the same as long as they are."""
    masks = [(node.name, level, members) for node in nodes for level, members in sorted(node.masks.items())]
    return tuple((node.name, node.version, node.database.branches.get(branch)) for node in nodes), branch, tuple(masks)


def union_of(nodes: Sequence[DataNode], overlapping: Iterable[str] = (), branch: str = MASTER) -> CubeTester:
    """Return one cube over the rows of data nodes with the same model.

    Args:
        nodes: whose rows.
        overlapping: levels whose members several nodes may hold: the rows of each are taken from one of them.
        branch: of the nodes that have it; of the others master.
    """
    first = nodes[0]
    definition, base = _whole(first), first.setting.definition.base
    # Rows of different nodes may have the same key: the tables of the union have none, and what is looked up is there
    # once because equal rows are.
    tables = [_table(table) for table in first.database.tables.values()]
    rows: dict[str, list[Row]] = {table.name: [] for table in tables}
    seen: set[object] = set()
    for node in nodes:
        counted = _held(node, base, branch, overlapping, seen)
        for table in tables:
            more = counted if table.name == base else list(_rows(node.database, table.name, branch))
            rows[table.name] += more if table.name == base else [row for row in more if row not in rows[table.name]]
    database = open_inline(tables, first.database.references, None)
    fill(database, rows)
    return CubeTester(definition, database, node="oracle")


def _whole(node: DataNode) -> CubeDefinition:
    """Return the definition with what is derived from the keys that the union does not have."""
    definition, database = node.setting.definition, node.database
    if not definition.auto:
        return definition
    from app_framework.olap.deriving import derive_cube

    return derive_cube(definition, database.tables[definition.base], database.references)


def _table(table: TableSchema) -> Table:
    return Table(table.name, columns={column.name: column.type.sql for column in table.columns.values()})


def _held(node: DataNode, base: str, branch: str, overlapping: Iterable[str], seen: set[object]) -> list[Row]:
    """Return the counted rows of a node without those that an earlier node has, and without those that are masked."""
    rows = list(_rows(node.database, base, branch))
    for level in overlapping:
        column = _column_of(node, level)
        masked = {
            member for name, members in node.masks.items() if _column_of(node, name) == column for member in members
        }
        kept = {row[column] for row in rows} - seen - masked
        seen |= kept
        rows = [row for row in rows if row[column] in kept]
    return rows


def _column_of(node: DataNode, level: str) -> str:
    """Return the column of the base table that a distributing level reads."""
    wanted = level.rsplit(".", 1)[-1]
    for dimension in _whole(node).dimensions:
        for hierarchy in dimension.hierarchies:
            for each in hierarchy.levels:
                if each.name == wanted:
                    return each.text.strip('"')
    raise KeyError(level)


def _rows(database: Database, table: str, branch: str) -> Iterator[Row]:
    columns = database.tables[table].columns.values()
    zoned = {column.name for column in columns if column.type.family == "zoned"}
    # The engine gives moments to Python only where another package knows their zones; counted from 1970 it needs none.
    read_as = [f"epoch_us({quote(each.name)})" if each.name in zoned else quote(each.name) for each in columns]
    where = branch if branch in database.branches else MASTER

    def read(cursor: Cursor) -> list[tuple[object, ...]]:
        def select(view: DataView) -> list[tuple[object, ...]]:
            source = view.sources.get(table, quote(table))
            return cursor.rows(f"SELECT {', '.join(read_as)} FROM {source}")  # noqa: S608 - names are quoted

        return database.read(cursor, select, branch=where)

    for row in database.submit_job(read).result():
        named = zip((each.name for each in columns), row, strict=True)
        yield {name: _moment(value) if name in zoned else value for name, value in named}


def _moment(since_1970_us: object) -> datetime | None:
    return EPOCH + timedelta(microseconds=since_1970_us) if isinstance(since_1970_us, int) else None
