"""Rows on their way into a table: read, checked and laid beside it, so that it takes all of them or none."""

# ruff: noqa: S608 - names are quoted, values are bound

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Protocol, cast

from app_framework.database.changes import ArrowStream, BadRow, IncomingRow, Insert
from app_framework.database.columns import ColumnMatch, is_arrow
from app_framework.database.errors import EngineError, InvalidRowsError, RowProblem, TooManyRejectedError
from app_framework.database.rejects import RejectedRow
from app_framework.database.schema import Reference, TableSchema
from app_framework.database.sql import names, quote
from app_framework.database.values import Bound, ValueRefusedError, column_reader, value_reader
from app_framework.errors import near_matches

if TYPE_CHECKING:
    from app_framework.database.duckdb import Cursor

BATCH = '"#batch"'
"""The rows that passed, in a table of the writer's own, with their numbers."""

INCOMING = '"#incoming"'
STREAM = "#stream"
ROW_NAME = "#row"
ROW = f'"{ROW_NAME}"'
CHUNK_ROWS = 10_000
PROBLEMS_MAX = 20
"""So many problems are told at once."""


class Place(Protocol):
    """Where rows go in the end."""

    def put_in(self, table: TableSchema, batch: str) -> int:
        """Add the rows of a batch, in their order, and return how many."""

    def append(self, table: TableSchema, rows: Sequence[tuple[Bound, ...]]) -> None:
        """Add rows, in their order."""


class Staging:
    """The rows of one insert, in a temporary table of the writer's cursor.

    Where each row says for itself whether it is good, they are not laid beside the table but into it: a problem that
    shows later ends the transaction.

    Args:
        cursor: the writer's.
        table: where the rows shall go.
        references: those that point to this table.
        source: the rows that are in the table, as SQL.
        place: where they go then.
        rejected_max: how many rows with problems are left out and kept as `rejected`; None when one refuses all.

    Attributes:
        rejected: the rows that were left out.
        direct: whether the rows are where they go, and not in the batch.
    """

    def __init__(
        self,
        cursor: Cursor,
        table: TableSchema,
        references: Sequence[Reference],
        source: str,
        place: Place,
        *,
        rejected_max: int | None,
    ) -> None:
        self.rejected: list[RejectedRow] = []
        self._cursor = cursor
        self._table = table
        self._references = [each for each in references if set(each.target_columns) != set(table.key)]
        self.direct = not table.key and not self._references
        self._source = source
        self._place = place
        self._made: list[str] = []
        self._reject = rejected_max is not None
        self._rejected_max = rejected_max or 0
        self._problems: list[RowProblem] = []

    def fill(self, insert: Insert) -> int:
        """Read the rows and return how many are good.

        Raises:
            InvalidRowsError: some are not, and they refuse all.
        """
        if is_arrow(insert.rows):
            count = self._fill_columns(insert.rows)
        else:
            count = self._fill_rows(cast("Iterable[IncomingRow]", insert.rows), texts=insert.texts)
        self._refuse()
        if self.direct:
            return count
        for problems in self._checks():
            self._leave_out(problems, BATCH)
            self._refuse()
        return self._cursor.count(f"SELECT count(*) FROM {BATCH}")

    def clear(self) -> None:
        """Remove the tables."""
        for name in self._made:
            self._cursor.execute(f"DROP TABLE IF EXISTS temp.{name}")

    def _make(self, name: str, content: str) -> None:
        self._made.append(name)
        self._cursor.execute(f"CREATE TEMP TABLE {name} {content}")

    def _fill_rows(self, rows: Iterable[IncomingRow], *, texts: bool) -> int:
        columns, count = self._table.columns, 0
        if not self.direct:
            declared = ", ".join(f"{quote(name)} {column.type.sql}" for name, column in columns.items())
            self._make(BATCH, f"({ROW} BIGINT, {declared})")
        reader = _RowReader(self._table, texts=texts)
        numbered = enumerate(rows, 1)
        while chunk := list(islice(numbered, CHUNK_ROWS)):
            self._cursor.check_wanted()
            good = reader.read_all(chunk)
            if good is None:
                good = []
                for number, row in chunk:
                    values, problems = reader.read(number, row)
                    if problems:
                        self._leave_row_out(number, row, problems)
                        if not self._reject and len(self._problems) >= PROBLEMS_MAX:
                            return 0
                    else:
                        good.append((number, *values))
            if good and not self._problems:
                self._append(good)
                count += len(good)
        return count

    def _append(self, rows: Sequence[tuple[Bound, ...]]) -> None:
        try:
            if self.direct:
                self._place.append(self._table, [row[1:] for row in rows])
            else:
                self._cursor.append(f"temp.main.{BATCH}", [ROW_NAME, *self._table.columns], rows)
        except EngineError as error:
            raise self._unreadable(error) from error

    def _fill_columns(self, stream: ArrowStream) -> int:
        """Read an Arrow stream: as it is where nothing can be wrong, or first as it is and then as the table has it."""
        with self._cursor.offering(STREAM, stream):
            sent = {column.name: column for column in self._cursor.columns_of(STREAM)}
            match = ColumnMatch(self._table, sent)
            if match.problems:
                raise InvalidRowsError(self._table.name, match.problems[:PROBLEMS_MAX])
            try:
                if self.direct and not match.checks:
                    return self._place.put_in(self._table, f"(SELECT {match.cast} FROM {quote(STREAM)})")
                self._make(
                    INCOMING if match.casts else BATCH,
                    f"AS SELECT row_number() OVER () AS {ROW}, {match.taken} FROM {quote(STREAM)}",
                )
            except EngineError as error:
                raise self._unreadable(error) from error
        if match.casts:
            self._look_for_misfits(match)
            if self.direct:
                return self._place.put_in(self._table, f"(SELECT {match.cast} FROM {INCOMING})")
            self._make(BATCH, f"AS SELECT {ROW}, {match.cast} FROM {INCOMING}")
        return 0

    def _look_for_misfits(self, match: ColumnMatch) -> None:
        """Leave out the rows with values that a column of the table cannot keep."""
        if not match.checks:
            return
        # One look at all columns shows in most cases that there are none.
        counts = ", ".join(f"count(*) FILTER ({condition})" for _, condition in match.checks)
        found_any = self._cursor.rows(f"SELECT {counts} FROM {INCOMING}")[0]
        for (column, condition), some in zip(match.checks, found_any, strict=True):
            if not some:
                continue
            found = self._cursor.rows(
                f"SELECT {ROW}, CAST({quote(column.name)} AS VARCHAR) FROM {INCOMING} WHERE {condition}"
                f" ORDER BY {ROW}{self._limit}"
            )
            reason = f"cannot be kept as {column.type.name}"
            self._leave_out(
                [(row, RowProblem(_number(row), column.name, f"{value} {reason}")) for row, value in found], INCOMING
            )
        self._refuse()

    def _checks(self) -> Iterator[list[tuple[object, RowProblem]]]:
        """Yield what only all rows together show: missing keys, and keys or targets that are there more than once."""
        key = self._table.key
        if self._keys_are_sound():
            key = ()
        for column in key:
            found = self._numbers(f"SELECT {ROW} FROM {BATCH} WHERE {quote(column)} IS NULL")
            yield [(row, RowProblem(row, column, "the key is null")) for row in found]
        if key:
            yield self._doubles(key, "the key")
        for reference in self._references:
            columns = reference.target_columns
            yield self._doubles(columns, f"`{reference}` needs at most one row:")
            yield self._collisions(columns, f"`{reference}` needs at most one row:")

    def _keys_are_sound(self) -> bool:
        """Whether all rows of the batch have a key of their own: one look, and in most cases the only one."""
        key = names(self._table.key)
        if not key:
            return True
        complete = ", ".join(f"count({quote(column)})" for column in self._table.key)
        rows = self._cursor.rows(f"SELECT count(*), {complete}, count(DISTINCT ({key})) FROM {BATCH}")
        return len(set(rows[0])) == 1

    def _doubles(self, columns: Sequence[str], why: str) -> list[tuple[object, RowProblem]]:
        """Find the rows of the batch that have what an earlier one has."""
        first = f"min({ROW}) OVER (PARTITION BY {names(columns)})"
        found = self._cursor.rows(
            f"SELECT {ROW}, first, {_shown(columns)} FROM (SELECT *, {first} AS first FROM {BATCH}"
            f" WHERE {_complete(columns)}) WHERE {ROW} <> first ORDER BY {ROW}{self._limit}"
        )
        return [
            (row, RowProblem(_number(row), "", f"{why} ({', '.join(columns)}) = ({', '.join(map(str, values))})"
                             f" is in row {first} already"))
            for row, first, *values in found
        ]  # fmt: skip

    def _collisions(self, columns: Sequence[str], why: str) -> list[tuple[object, RowProblem]]:
        """Find the rows of the batch that have what another row of the table has, and that row stays."""
        key = self._table.key
        same = " AND ".join(f"here.{quote(c)} = there.{quote(c)}" for c in columns)
        stays = ""
        if key:
            replaced = " AND ".join(f"there.{quote(c)} = batch.{quote(c)}" for c in key)
            stays = f" AND NOT EXISTS (SELECT 1 FROM {BATCH} AS batch WHERE {replaced})"
        found = self._cursor.rows(
            f"SELECT {ROW}, {_shown(columns)} FROM {BATCH} AS here WHERE EXISTS"
            f" (SELECT 1 FROM {self._source} AS there WHERE {same}{stays}) ORDER BY {ROW}{self._limit}"
        )
        return [
            (row, RowProblem(_number(row), "", f"{why} ({', '.join(columns)}) = ({', '.join(map(str, values))})"
                             " is in the table already"))
            for row, *values in found
        ]  # fmt: skip

    def _numbers(self, sql: str) -> list[int]:
        return [_number(row[0]) for row in self._cursor.rows(f"{sql} ORDER BY {ROW}{self._limit}")]

    @property
    def _limit(self) -> str:
        """So many problems are looked for: where their rows are to be left out, one more than may be."""
        return f" LIMIT {self._rejected_max + 1 if self._reject else PROBLEMS_MAX}"

    def _leave_row_out(self, number: int, row: IncomingRow, problems: tuple[RowProblem, ...]) -> None:
        if self._reject:
            values = row if isinstance(row, Mapping) else {"": row.text if isinstance(row, BadRow) else repr(row)}
            self.rejected.append(RejectedRow(number, problems, values))
            self._check_room()
        else:
            self._problems += problems

    def _leave_out(self, found: Sequence[tuple[object, RowProblem]], table: str) -> None:
        """Take rows with problems out of a staged table, or note the problems where they refuse all."""
        if not self._reject:
            self._problems += [problem for _, problem in found]
            return
        if not found:
            return
        problems = {_number(row): problem for row, problem in found}
        self._check_room(len(problems))
        chosen = f"FROM {table} WHERE {ROW} IN (SELECT unnest(CAST(? AS BIGINT[])))"
        sent = [c.name for c in self._cursor.describe(f"FROM {table}") if quote(c.name) != ROW]
        for number, *values in self._cursor.rows(
            f"SELECT {ROW}, {_shown(sent)} {chosen} ORDER BY {ROW}", [[*problems]]
        ):
            row = _number(number)
            self.rejected.append(RejectedRow(row, (problems[row],), dict(zip(sent, values, strict=True))))
        self._cursor.execute(f"DELETE {chosen}", [[*problems]])

    def _check_room(self, more: int = 0) -> None:
        if len(self.rejected) + more > self._rejected_max:
            raise TooManyRejectedError(self._table.name, self._rejected_max)

    def _refuse(self) -> None:
        if self._problems:
            problems = sorted(self._problems, key=lambda problem: problem.row)
            raise InvalidRowsError(self._table.name, problems[:PROBLEMS_MAX])

    def _unreadable(self, error: EngineError) -> Exception:
        """Return what to raise when the engine could not read what was sent."""
        if error.kind == "interrupted":
            return error
        reason = error.reason.partition(" Detail: ")[0].replace(f" registered as '{STREAM}'", "")
        return InvalidRowsError(self._table.name, [RowProblem(0, "", f"the rows cannot be read: {reason.rstrip('.')}")])


class _RowReader:
    """Turns mappings into rows of bound values, in the order of the table's columns."""

    def __init__(self, table: TableSchema, *, texts: bool) -> None:
        self._table = table
        columns = table.columns
        self._readers = [(name, value_reader(column.type, texts=texts)) for name, column in columns.items()]
        self._all = [(name, column_reader(column.type, texts=texts)) for name, column in columns.items()]
        self._known = columns.keys()

    def read_all(self, numbered: Sequence[tuple[int, object]]) -> list[tuple[Bound, ...]] | None:
        """Return the rows behind their numbers, read a column at a time; None when `read` would find a problem."""
        numbers, rows = zip(*numbered, strict=True)
        if set(map(type, rows)) != {dict}:
            return None
        plain = cast("tuple[dict[object, object], ...]", rows)
        if not set().union(*plain) <= self._known:
            return None
        try:
            columns = [read([row.get(name) for row in plain]) for name, read in self._all]
        except ValueRefusedError:
            return None
        return list(zip(numbers, *columns, strict=True))

    def read(self, number: int, row: object) -> tuple[list[Bound], tuple[RowProblem, ...]]:
        if isinstance(row, BadRow):
            return [], (RowProblem(number, "", row.reason),)
        if not isinstance(row, Mapping):
            return [], (RowProblem(number, "", "a row is an object with the table's columns"),)
        problems: list[RowProblem] = []
        values: list[Bound] = []
        for name, read in self._readers:
            try:
                values.append(read(row.get(name)))
            except ValueRefusedError as problem:
                problems.append(RowProblem(number, name, str(problem)))
        if not row.keys() <= self._known:
            problems += [self._unknown(number, str(name)) for name in row if name not in self._known]
        return values, tuple(problems)

    def _unknown(self, number: int, name: str) -> RowProblem:
        reason = f"table {self._table.name!r} has no such column"
        return RowProblem(number, name, reason, near_matches(name, self._known))


def _shown(columns: Iterable[str]) -> str:
    return ", ".join(f"CAST({quote(column)} AS VARCHAR)" for column in columns)


def _complete(columns: Iterable[str]) -> str:
    return " AND ".join(f"{quote(column)} IS NOT NULL" for column in columns)


def _number(value: object) -> int:
    assert isinstance(value, int)
    return value
