"""A cube for a test, made of rows: no file, no server, no thread.

>>> with CubeTester.of(rows={"sales": [{"city": "Graz", "sold": 3}, {"city": "Wien", "sold": 4}]}) as sales:
...     sales.query(["sold.sum"], ["city"]).table
{'Graz': 3, 'Wien': 4}
"""

from __future__ import annotations

from collections.abc import Coroutine, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from app_framework.clock import Clock
from app_framework.database.branches import MASTER
from app_framework.database.changes import Change, Commit, Insert
from app_framework.database.database import Database, DatabaseLimits
from app_framework.database.errors import EngineError
from app_framework.database.schema import Reference, Table, TableSchema
from app_framework.database.sql import quote
from app_framework.database.values import ValueRefusedError, column_reader
from app_framework.database.version import Branch
from app_framework.errors import near_matches
from app_framework.olap.cube import Cube
from app_framework.olap.definition import CubeDefinition
from app_framework.olap.errors import UnknownCubeError
from app_framework.olap.modeler import build_cubes
from app_framework.testing.asking import Asking
from app_framework.testing.rows import Rows, column_types, row_list
from app_framework.testing.virtual_time import run_virtually

if TYPE_CHECKING:
    from app_framework.database.duckdb import Cursor

T = TypeVar("T")


class CubeTester(Asking):
    """One cube of one node, and the data below it; leave it as a context manager or with `close`.

    Make one with `of`, `from_yaml` or `from_database`.

    Args:
        definition: of the cube.
        database: where its rows are.
        owned: whether it is closed with the tester.

    Attributes:
        definition: of the cube.
        database: where its rows are.
        closed: whether it was let go of.
    """

    def __init__(
        self, definition: CubeDefinition, database: Database, *, node: str = "local", owned: bool = True
    ) -> None:
        self.definition = definition
        self.database = database
        self._node = node
        self.closed = False
        self._owned = owned
        self._cube = build_cubes([definition], database, node=node)[0]

    @classmethod
    def of(
        cls,
        rows: Mapping[str, Rows],
        cube: str = "",
        *,
        base: str = "",
        dimensions: Mapping[str, object] | None = None,
        measures: Mapping[str, object] | None = None,
        derive: bool = True,
        columns: Mapping[str, Mapping[str, str]] | None = None,
        keys: Mapping[str, Sequence[str]] | None = None,
        references: Sequence[str | Reference] = (),
        node: str = "local",
    ) -> Self:
        """Return a cube over tables that are made of rows.

        Args:
            rows: by table; their types are found by their values, all of them.
            cube: its name; that of its base table unless given.
            base: the table whose rows it counts; the one called like the cube, or else the first.
            dimensions: as a model writes them, beside the derived ones.
            measures: as a model writes them, beside the derived ones.
            derive: whether levels and measures come from the columns of the base table.
            columns: types by table and column, where the values do not say them.
            keys: key columns by table.
            references: as a model writes them.
            node: what answers call it.

        Raises:
            ModelError: with everything that is wrong with the model.
        """
        database = database_of(rows, columns=columns, keys=keys, references=references)
        try:
            base = base or (cube if cube in rows else next(iter(rows)))
            definition = definition_of(cube or base, base, dimensions, measures, derive=derive)
            return cls(definition, database, node=node)
        except BaseException:
            database.close()
            raise

    @classmethod
    def from_yaml(cls, source: str | Path, cube: str = "", *, node: str = "local") -> Self:
        """Return a cube of an `application.yml`: of its sections `database` and `schemas`.

        Args:
            source: the folder of the file, or its text.
            cube: which; not needed where there is one.
            node: what answers call it.

        Raises:
            ConfigurationError, ModelError: with everything that is wrong.
            UnknownCubeError: there is none of that name.
        """
        from app_framework.testing.yaml_models import read_yaml

        model = read_yaml(source)
        database = model.open()
        try:
            return cls(chosen(model.cubes, cube), database, node=node)
        except BaseException:
            database.close()
            raise

    @classmethod
    def from_database(cls, database: Database, definition: CubeDefinition, *, node: str = "local") -> Self:
        """Return a cube over a database that is not closed with the tester."""
        return cls(definition, database, node=node, owned=False)

    def with_measures(self, measures: Mapping[str, object]) -> CubeTester:
        """Return the same cube over the same rows with other measures beside, or in the place of, its own.

        Args:
            measures: as a model writes them.

        Raises:
            ModelError: with everything that is wrong with them.
        """
        name, base = self.definition.name, self.definition.base
        more = CubeDefinition.derive(name, base, measures=measures)
        kept = tuple(measure for measure in self.definition.measures if measure.name not in measures)
        definition = replace(self.definition, measures=(*kept, *more.measures))
        return CubeTester(definition, self.database, node=self._node, owned=False)

    @property
    def cube(self) -> Cube:
        """The cube itself."""
        return self._cube

    @property
    def version(self) -> int:
        """The newest data version."""
        return self.database.version

    @property
    def versions(self) -> tuple[int, ...]:
        """The data versions that can be asked for, the newest last."""
        return self.database.versions

    def add(self, table: str, rows: Rows, *, branch: str = MASTER) -> Commit:
        """Put rows into a table, in one commit; where it has a key, a row takes the place of the one with the same."""
        return self.commit([Insert(table, row_list(rows))], branch=branch)

    def delete(self, table: str, where: Mapping[str, object] | None = None, *, branch: str = MASTER) -> Commit:
        """Take the rows out of a table that pass all filters, in one commit; all of them without a filter."""
        from app_framework.olap.deletion import delete_where

        return self.commit([delete_where(self.database.tables[table], where or {})], branch=branch)

    def commit(self, changes: Iterable[Change], *, branch: str = MASTER) -> Commit:
        """Make several changes in one commit."""
        return self.database.commit(tuple(changes), branch=branch)

    def create_branch(self, name: str, base: int | None = None) -> Branch:
        """Lay a branch over a version, the newest unless given."""
        return self.database.create_branch(name, base).result()

    def delete_branch(self, name: str) -> Branch:
        """Remove a branch."""
        return self.database.delete_branch(name).result()

    def fast_forward(self, name: str) -> Branch:
        """Make master what a branch is."""
        return self.database.fast_forward(name).result()

    def close(self) -> None:
        """Let go of the cube, and of the database where the tester made it."""
        if self.closed:
            return
        self.closed = True
        self._cube.close()
        if self._owned:
            self.database.close()

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        async def run() -> T:
            return await work

        return run_virtually(run)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<CubeTester of {self._cube!r}>"


def database_of(
    rows: Mapping[str, Rows],
    *,
    columns: Mapping[str, Mapping[str, str]] | None = None,
    keys: Mapping[str, Sequence[str]] | None = None,
    references: Sequence[str | Reference] = (),
    known: Mapping[str, Mapping[str, str]] | None = None,
    clock: Clock | None = None,
) -> Database:
    """Return a database in memory, of one thread, that holds rows."""
    listed = {name: row_list(table) for name, table in rows.items()}
    tables = [
        Table(
            name,
            columns=column_types(table, (columns or {}).get(name), (known or {}).get(name)),
            key=(keys or {}).get(name, ()),
        )
        for name, table in listed.items()
    ]
    database = open_inline(tables, references, clock)
    try:
        fill(database, listed)
    except BaseException:
        database.close()
        raise
    return database


def fill(database: Database, rows: Mapping[str, Sequence[Mapping[str, object]]]) -> None:
    """Put rows into the tables of a database that nobody has read yet.

    As rows of a file they belong to its first version; what is wrong with them is told by a commit.
    """
    wanted = {name: table for name, table in rows.items() if table}

    def load(cursor: Cursor) -> None:
        with cursor.transaction():
            for name, table in wanted.items():
                schema = database.tables[name]
                columns = [
                    column_reader(column.type)([row.get(column.name) for row in table])
                    for column in schema.columns.values()
                ]
                cursor.append(quote(name), list(schema.columns), list(zip(*columns, strict=True)))

    if all(_is_plain(database.tables[name], table) for name, table in wanted.items()):
        with suppress(ValueRefusedError, EngineError):
            database.submit_job(load).result()
            return
    database.commit([Insert(name, table) for name, table in wanted.items()])


def _is_plain(table: TableSchema, rows: Sequence[Mapping[str, object]]) -> bool:
    """Whether there is nothing to look at but the values: no key, no column that is not there."""
    return not table.key and {name for row in rows for name in row} <= table.columns.keys()


def open_inline(tables: Sequence[Table], references: Sequence[str | Reference], clock: Clock | None) -> Database:
    """Return a database whose jobs run in the thread of the test."""
    limits = DatabaseLimits(threads=1, pool_size=1)
    return Database.open(tables=tables, references=references, limits=limits, clock=clock, inline=True)


def definition_of(
    cube: str,
    base: str,
    dimensions: Mapping[str, object] | None,
    measures: Mapping[str, object] | None,
    *,
    derive: bool,
) -> CubeDefinition:
    """Return the definition of a cube in the words of a model."""
    if derive:
        return CubeDefinition.derive(cube, base, dimensions=dimensions, measures=measures)
    return CubeDefinition.of(cube, base=base, dimensions=dimensions or {}, measures=measures or {})


def chosen(cubes: Sequence[CubeDefinition], name: str) -> CubeDefinition:
    """Return the cube of a name, or the only one.

    Raises:
        UnknownCubeError: there is none.
    """
    known = [cube.name for cube in cubes]
    if not name and len(cubes) == 1:
        return cubes[0]
    if name not in known:
        raise UnknownCubeError(name, near_matches(name, known) or tuple(known))
    return cubes[known.index(name)]
