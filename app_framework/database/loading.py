"""From declared tables to loaded ones: all of them in one commit, or none and every reason why not."""

# ruff: noqa: S608 - names are quoted, values are bound

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from app_framework.clock import Clock
from app_framework.database.branches import Overlay
from app_framework.database.datatype import DataType, UnknownTypeError
from app_framework.database.errors import DatabaseError, ModelProblem
from app_framework.database.history import HIDDEN, PREFIX, forget, remembering, tables_of
from app_framework.database.receipt import Receipts
from app_framework.database.schema import Column, Table, TableSchema
from app_framework.database.source import MissingFileError, Source, fingerprint, shown
from app_framework.database.sql import quote
from app_framework.database.version import META, NOTHING, Branch, Ledger
from app_framework.errors import near_matches

if TYPE_CHECKING:
    from app_framework.database.duckdb import Cursor


class Loader:
    """Creates and fills the tables of one model through one cursor, inside the caller's transaction.

    Args:
        cursor: through which all of it goes.
        clock: the time of versions.
        fresh: whether nothing is there yet, so that nothing need be looked up.

    Attributes:
        problems: what is wrong so far; the caller commits only when there is nothing.
        changed: whether anything was created or replaced.
        replaced: whether rows that were there are there no more.
    """

    def __init__(self, cursor: Cursor, clock: Clock, *, fresh: bool = False) -> None:
        self.problems: list[ModelProblem] = []
        self.changed = False
        self.replaced = False
        self._cursor = cursor
        self._fresh = fresh
        self._ledger = Ledger(cursor, clock, NOTHING if fresh else None)
        self._ledger.prepare()
        self._receipts = Receipts(cursor)
        self._receipts.prepare()
        self._present = frozenset() if fresh else tables_of(cursor)
        self._remembering = frozenset() if fresh else remembering(cursor)
        self._loaded: frozenset[str] = frozenset()

    def load(self, tables: Sequence[Table]) -> dict[str, TableSchema]:
        """Bring every table to what its source says and return those that are there."""
        loaded: dict[str, TableSchema] = {}
        for table in self._named(tables):
            before = len(self.problems)
            try:
                self._bring(table)
            except DatabaseError as error:
                self._refuse_load(table, error)
            if len(self.problems) == before:
                columns = _columns(self._cursor, table.name)
                self._check_columns(table, columns)
                loaded[table.name] = TableSchema(table.name, columns, tuple(table.key))
        self._loaded = frozenset(loaded)
        return loaded

    def held(self) -> frozenset[str]:
        """Return the tables that are there to be looked into; a load that failed took those before it along."""
        return self._loaded if self._fresh and not self.problems else tables_of(self._cursor)

    def versions(self, keep: int, tables: Mapping[str, TableSchema]) -> tuple[int, ...]:
        """Return the versions that can be read: a new one when anything was loaded, only that when it took a place."""
        if self.replaced or not self._ledger.version():
            for branch in self._ledger.branches().values():
                Overlay(self._cursor, branch, tables).remove()
                self._ledger.remove_branch(branch.name)
            return self._ledger.advance()
        return self._ledger.advance(keep) if self.changed else self._ledger.kept()

    def branches(self) -> dict[str, Branch]:
        """Return the branches that are left."""
        return self._ledger.branches()

    def _named(self, tables: Iterable[Table]) -> list[Table]:
        """Return the tables whose names SQL can tell apart."""
        named: dict[str, Table] = {}
        for table in tables:
            name = table.name.casefold()
            if name in named:
                text = f"{table.name!r} and {named[name].name!r} are one name."
                self._add(table.path, "DUPLICATE_TABLE", text, of_key=True)
            elif name == META or not name or name.startswith(PREFIX) or set(name) & set('."(),\n'):
                self._add(table.path, "INVALID_NAME", f"a table cannot be called {table.name!r}.", of_key=True)
            else:
                named[name] = table
        return list(named.values())

    def _bring(self, table: Table) -> None:
        types = self._types(table)
        if types is None:
            return
        if table.source is None:
            self._create_empty(table, types)
        elif table.name not in self._present or table.source.reload != "never":
            self._reload(table, table.source, types)

    def _types(self, table: Table) -> dict[str, DataType] | None:
        """Return the declared types, None when one of them does not exist."""
        types: dict[str, DataType] = {}
        for column, text in table.columns.items():
            try:
                types[column] = DataType.parse(text)
            except UnknownTypeError as error:
                self._add((*table.path, "columns", column), "UNKNOWN_TYPE", f"{error}.", error.near, word=error.text)
        return types if len(types) == len(table.columns) else None

    def _create_empty(self, table: Table, types: Mapping[str, DataType]) -> None:
        if table.name in self._present:
            return
        if not types:
            self._add(
                table.path,
                "SOURCE_REQUIRED",
                f"table {table.name!r} has neither a source nor columns."
                " Give it `source: {parquet: FILE}`, or `columns:` with their types.",
                of_key=True,
            )
            return
        columns = ", ".join(f"{quote(name)} {kind.sql}" for name, kind in types.items())
        self._cursor.execute(f"CREATE TABLE {quote(table.name)} ({columns})")
        self.changed = True

    def _reload(self, table: Table, source: Source, types: Mapping[str, DataType]) -> None:
        """Load a table that is new, or whose source says so."""
        try:
            paths = source.resolve()
        except MissingFileError as error:
            self._refuse_files(table, source, error)
            return
        kept = table.name in self._present and source.reload == "if-changed"
        if not kept or fingerprint(paths) != self._ledger.fingerprint(table.name):
            self._fill(table, source, types, paths)

    def _fill(self, table: Table, source: Source, types: Mapping[str, DataType], paths: Sequence[Path]) -> None:
        select = self._select(table, source, types, paths)
        if select is None:
            return
        self.replaced |= table.name in self._present
        self._receipts.forget(table.name)
        if table.name in self._remembering:
            forget(self._cursor, table.name)
        self._cursor.execute(f"CREATE OR REPLACE TABLE {quote(table.name)} AS {select}")
        self._ledger.record(table.name, fingerprint(paths))
        self.changed = True

    def _select(self, table: Table, source: Source, types: Mapping[str, DataType], paths: Sequence[Path]) -> str | None:
        if not types:
            return f"FROM {source.select(paths, {})}"
        inferred = {column.name: column for column in self._cursor.describe(f"FROM {source.select(paths, {})}")}
        unknown = [name for name in types if name not in inferred]
        for name in unknown:
            self._add(
                (*table.path, "columns", name),
                "UNKNOWN_COLUMN",
                f"the files of table {table.name!r} have no column {name!r}.",
                near_matches(name, inferred),
                of_key=True,
            )
        if unknown:
            return None
        if source.format == "parquet":
            casts = ", ".join(f"CAST({quote(n)} AS {kind.sql}) AS {quote(n)}" for n, kind in types.items())
            return f"SELECT * REPLACE ({casts}) FROM {source.select(paths, {})}"
        # Text is read as what it shall be: a post code that went through an integer has lost its zeros.
        forced = {name: kind.sql for name, kind in types.items()}
        if source.format == "json":
            forced = {name: forced.get(name, column.type.sql) for name, column in inferred.items()}
        return f"FROM {source.select(paths, forced)}"

    def _check_columns(self, table: Table, columns: Mapping[str, Column]) -> None:
        for name in columns:
            if name.casefold() in HIDDEN:
                self._add(table.path, "INVALID_NAME", f"a column cannot be called {name!r}.", of_key=True)
        for position, name in enumerate(table.key):
            if name not in columns:
                self._add(
                    (*table.path, "key", position),
                    "UNKNOWN_COLUMN",
                    f"table {table.name!r} has no column {name!r}.",
                    near_matches(name, columns),
                    word=name,
                )
        for name, text in table.columns.items():
            declared, held = DataType.parse(text), columns.get(name)
            if held is None or held.type != declared:
                self._add(
                    (*table.path, "columns", name),
                    "TABLE_DIFFERS",
                    f"the database holds table {table.name!r} "
                    + (f"without column {name!r}" if held is None else f"with {name!r} as {held.type}")
                    + f", the model says {declared}. Load it anew once with `reload: on-start`,"
                    " or start with a new database file.",
                )

    def _refuse_files(self, table: Table, source: Source, error: MissingFileError) -> None:
        path, word = (*table.path, "source", source.format), Path(error.name).name
        self._add(path, "SOURCE_MISSING", str(error), error.near, word=word)

    def _refuse_load(self, table: Table, error: DatabaseError) -> None:
        source = table.source
        files = ", ".join(shown(Path(name)) for name in source.files) if source else "its columns"
        path = (*table.path, "source", source.format) if source else table.path
        text = f"table {table.name!r} cannot be loaded from {files}: {error.reason}"
        self._add(path, "SOURCE_UNREADABLE", text)
        # The statement that failed ended the transaction; what follows is only tried to find more problems.
        self._cursor.execute("ROLLBACK")
        self._cursor.execute("BEGIN TRANSACTION")

    def _add(
        self,
        path: tuple[str | int, ...],
        code: str,
        message: str,
        near: tuple[str, ...] = (),
        *,
        of_key: bool = False,
        word: str = "",
    ) -> None:
        self.problems.append(ModelProblem(path, code, message, near, of_key, word))


def _columns(cursor: Cursor, table: str) -> dict[str, Column]:
    return {column.name: column for column in cursor.describe(f"FROM {quote(table)}")}
