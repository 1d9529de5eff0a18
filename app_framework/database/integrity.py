"""What a model promises about its rows: keys are unique, references point at one row at most and never in a circle."""

# ruff: noqa: S608 - names are quoted, values are bound

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from app_framework.database.errors import ModelProblem
from app_framework.database.schema import Reference, ReferenceSyntaxError, Table, TableSchema
from app_framework.database.sql import names, quote
from app_framework.errors import near_matches

if TYPE_CHECKING:
    from app_framework.database.duckdb import Cursor

EXAMPLES_MAX = 3


class ReferenceCheck:
    """Reads the references of a model and finds everything wrong with them.

    Args:
        tables: the tables that are there.
        declared: the names of all declared tables; a reference to one that failed to load is not reported again.
        path: where the list of references stands in the configuration.

    Attributes:
        references: those that make sense, with the path of each.
    """

    def __init__(
        self,
        tables: Mapping[str, TableSchema],
        declared: Iterable[str],
        path: tuple[str | int, ...] = ("database", "references"),
    ) -> None:
        self.references: list[tuple[Reference, tuple[str | int, ...]]] = []
        self.problems: list[ModelProblem] = []
        self._tables = tables
        self._declared = frozenset(declared)
        self._path = path

    def read(self, texts: Sequence[str | Reference]) -> tuple[Reference, ...]:
        """Return the references that make sense; the problems of the others are kept."""
        for position, text in enumerate(texts):
            path = (*self._path, position)
            try:
                reference = text if isinstance(text, Reference) else Reference.parse(text)
            except ReferenceSyntaxError as error:
                self._add(path, "INVALID_REFERENCE", str(error))
                continue
            if self._makes_sense(reference, path):
                self.references.append((reference, path))
        self._refuse_cycle()
        return tuple(reference for reference, _ in self.references)

    def _makes_sense(self, reference: Reference, path: tuple[str | int, ...]) -> bool:
        before = len(self.problems)
        known = [
            self._knows(reference.source, reference.source_columns, path),
            self._knows(reference.target, reference.target_columns, path),
        ]
        if all(known):
            self._compare_types(reference, path)
        twin = next((r for r, _ in self.references if (r.source, r.name) == (reference.source, reference.name)), None)
        if twin is not None:
            self._add(
                path,
                "DUPLICATE_REFERENCE",
                f"table {reference.source!r} has two references called {reference.name!r}:"
                f" `{twin}` and `{reference}`. Name one with `as`.",
            )
        return all(known) and len(self.problems) == before

    def _knows(self, table: str, columns: Iterable[str], path: tuple[str | int, ...]) -> bool:
        schema = self._tables.get(table)
        if schema is None:
            if table not in self._declared:
                near = near_matches(table, self._declared)
                self._add(path, "UNKNOWN_TABLE", f"there is no table {table!r}.", near, table)
            return False
        unknown = [column for column in columns if column not in schema.columns]
        for column in unknown:
            near = near_matches(column, schema.columns)
            self._add(path, "UNKNOWN_COLUMN", f"table {table!r} has no column {column!r}.", near, column)
        return not unknown

    def _compare_types(self, reference: Reference, path: tuple[str | int, ...]) -> None:
        source, target = self._tables[reference.source], self._tables[reference.target]
        for a, b in zip(reference.source_columns, reference.target_columns, strict=True):
            left, right = source.columns[a].type, target.columns[b].type
            if not left.comparable_to(right):
                self._add(
                    path,
                    "TYPE_MISMATCH",
                    f"{source.name}.{a} is {left} and {target.name}.{b} is {right}: they can never be equal."
                    " Declare the type of one of them in its table's `columns`.",
                )

    def _refuse_cycle(self) -> None:
        targets: dict[str, list[str]] = {}
        for reference, path in self.references:
            way = _way(targets, reference.target, reference.source)
            if way:
                circle = " -> ".join([reference.source, *way])
                self._add(path, "REFERENCE_CYCLE", f"the references form a circle: {circle}.")
            else:
                targets.setdefault(reference.source, []).append(reference.target)

    def _add(
        self, path: tuple[str | int, ...], code: str, message: str, near: tuple[str, ...] = (), word: str = ""
    ) -> None:
        self.problems.append(ModelProblem(path, code, message, near, word=word))


def check_rows(
    cursor: Cursor,
    tables: Mapping[str, TableSchema],
    declared: Sequence[Table],
    references: Sequence[tuple[Reference, tuple[str | int, ...]]],
) -> list[ModelProblem]:
    """Return the problems that only the rows show: keys and reference targets that several rows share."""
    problems: list[ModelProblem] = []
    checked: set[tuple[str, frozenset[str]]] = set()
    for table in declared:
        if table.key and table.name in tables and set(table.key) <= tables[table.name].columns.keys():
            checked.add((table.name, frozenset(table.key)))
            path = (*table.path, "key")
            problems += _nulls(cursor, tables[table.name], table.key, path)
            problems += _collisions(cursor, tables[table.name], table.key, path, "")
    for reference, path in references:
        columns = (reference.target, frozenset(reference.target_columns))
        if columns not in checked and reference.target in tables:
            checked.add(columns)
            why = f"`{reference}` needs at most one row: "
            problems += _collisions(cursor, tables[reference.target], reference.target_columns, path, why)
    return problems


def _collisions(
    cursor: Cursor, table: TableSchema, columns: Sequence[str], path: tuple[str | int, ...], why: str
) -> Iterable[ModelProblem]:
    """Yield a problem that shows the rows, when rows without a null share their values of `columns`."""
    complete = " AND ".join(f"{quote(column)} IS NOT NULL" for column in columns)
    shared = f"SELECT {names(columns)} FROM {quote(table.name)} WHERE {complete} GROUP BY ALL HAVING count(*) > 1"
    examples = cursor.rows(f"{shared} ORDER BY ALL LIMIT {EXAMPLES_MAX}")
    if not examples:
        return
    total = cursor.rows(f"SELECT count(*) FROM ({shared})")[0][0]
    values = ", ".join(columns)
    lines = [
        f"    ({', '.join(_shown(value) for value in example)}): {_rows_with(cursor, table, columns, example)}"
        for example in examples
    ]
    yield ModelProblem(
        path,
        "NOT_UNIQUE",
        f"{why}({values}) is not a key of table {table.name!r}; values that several rows share: {total:,}.\n"
        + "\n".join(lines),
    )


def _rows_with(cursor: Cursor, table: TableSchema, columns: Sequence[str], values: Sequence[object]) -> str:
    """Describe the rows that collide by the columns in which they differ, so that a person can tell them apart."""
    same = " AND ".join(f"{quote(column)} = ?" for column in columns)
    others = [column for column in table.columns.values() if column.name not in columns]
    select = ", ".join(f"CAST({quote(column.name)} AS VARCHAR)" for column in others) or "NULL"
    rows = cursor.rows(
        f"SELECT {select} FROM {quote(table.name)} WHERE {same} ORDER BY ALL LIMIT {EXAMPLES_MAX + 1}", values
    )
    differing = [i for i, _ in enumerate(others) if len({row[i] for row in rows}) > 1][:4]
    if not differing:
        return f"{len(rows)} equal rows"
    return " | ".join(
        ", ".join(f"{others[i].name}={row[i] if row[i] is not None else 'N/A'}" for i in differing) for row in rows
    )


def _nulls(
    cursor: Cursor, table: TableSchema, columns: Sequence[str], path: tuple[str | int, ...]
) -> Iterable[ModelProblem]:
    missing = " OR ".join(f"{quote(column)} IS NULL" for column in columns)
    count = cursor.rows(f"SELECT count(*) FROM {quote(table.name)} WHERE {missing}")[0][0]
    if count:
        text = f"the key ({', '.join(columns)}) of table {table.name!r} is null in rows: {count:,}."
        yield ModelProblem(path, "NULL_KEY", text)


def _way(targets: Mapping[str, Sequence[str]], start: str, goal: str) -> list[str]:
    """Return the tables on a way from `start` to `goal` along references, empty when there is none."""
    if start == goal:
        return [start]
    for step in targets.get(start, ()):
        if way := _way(targets, step, goal):
            return [start, *way]
    return []


def _shown(value: object) -> str:
    return repr(value) if isinstance(value, str) else str(value)
