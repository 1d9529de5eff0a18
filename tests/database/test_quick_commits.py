"""A commit asks the database nothing that is known, and what is known is true after whatever went before."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app_framework.database import (
    BadRow,
    Condition,
    Database,
    DatabaseLimits,
    Delete,
    Insert,
    InvalidRowsError,
    Source,
    Table,
)
from app_framework.database.datatype import DataType
from app_framework.database.duckdb import Cursor
from app_framework.database.errors import BranchConflictError
from app_framework.database.history import DataView
from app_framework.database.values import ValueRefusedError, column_reader, value_reader

KEYED = Table("keyed", columns={"id": "bigint", "x": "text"}, key=["id"])
PLAIN = Table("plain", columns={"n": "int", "x": "text"})
KEPT = 3

VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.integers(-130, 130), st.floats(),
    st.decimals(allow_nan=True, places=2), st.text(st.characters(), max_size=3), st.dates(), st.datetimes(), st.uuids(),
    st.sampled_from(["", "1", "1.5", "true", "2025-01-01", "10:00", "[1, 2]", "\ud800", [1, None], ["a"]]),
)  # fmt: skip
KINDS = ("tinyint", "bigint", "hugeint", "decimal(5,2)", "float", "double", "text", "boolean", "date", "time",
         "timestamp", "timestamptz", "uuid", "int[]")  # fmt: skip


def one_by_one(kind: DataType, values: Sequence[object], *, texts: bool) -> list[object] | None:
    """Return what each value becomes, None when one is refused."""
    read = value_reader(kind, texts=texts)
    try:
        return [read(value) for value in values]
    except ValueRefusedError:
        return None


@settings(max_examples=60)
@given(st.sampled_from(KINDS), st.booleans(), st.lists(VALUES, max_size=6), st.integers(1, 3))
def test_a_column_of_values_becomes_what_each_of_them_does(
    kind: str, texts: bool, values: list[object], n: int
) -> None:
    """A column that is read at once is the same, to the type of each value, or refused where one of them is."""
    column, known = values * n, DataType.parse(kind)
    for each in (column, [value for value in column if isinstance(value, type(column[-1]))] if column else []):
        try:
            read = list(column_reader(known, texts=texts)(each))
        except ValueRefusedError:
            read = None
        assert repr(read) == repr(one_by_one(known, each, texts=texts))
        assert read is None or [*map(type, read)] == [*map(type, one_by_one(known, each, texts=texts) or [])]


def rows_at(database: Database, version: int | None, table: str, branch: str = "master") -> list[tuple[object, ...]]:
    """Return the rows of a table, sorted."""

    def job(cursor: Cursor) -> list[tuple[object, ...]]:
        def read(view: DataView) -> list[tuple[object, ...]]:
            return cursor.rows(f"SELECT * FROM {view.sources.get(table, table)} AS t ORDER BY ALL")

        return database.read(cursor, read, version, branch)

    return database.submit_job(job).result()


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.lists(st.integers(0, 5), min_size=1, max_size=3, unique=True)),
        st.tuples(st.just("add"), st.lists(st.integers(0, 5), min_size=1, max_size=3)),
        st.tuples(st.just("remove"), st.integers(0, 5)),
        st.tuples(st.just("refused"), st.integers(0, 5)),
        st.tuples(st.just("branch"), st.integers(0, 5)),
        st.tuples(st.just("forward"), st.just(0)),
        st.tuples(st.just("drop"), st.just(0)),
    ),
    min_size=4,
    max_size=14,
)


class Model:
    """The database in plain Python, and beside it."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.keyed: dict[int, str] = {}
        self.plain: list[tuple[int, str]] = []
        self.versions: dict[int, tuple[list[tuple[int, str]], list[tuple[int, str]]]] = {database.version: ([], [])}
        self.branch: tuple[int, dict[int, str]] | None = None
        self.number = 0

    def step(self, what: str, value: object) -> None:
        """Do it to both."""
        database, self.number = self.database, self.number + 1
        text = str(self.number)
        if what == "put":
            assert isinstance(value, list)
            self.keyed |= dict.fromkeys(value, text)
            database.commit([Insert("keyed", [{"id": each, "x": text} for each in value])])
        elif what == "add":
            assert isinstance(value, list)
            self.plain += [(each, text) for each in value]
            database.commit([Insert("plain", pa.table({"n": pa.array(value, pa.int32()), "x": [text] * len(value)}))])
        elif what == "remove":
            before = len(self.keyed) + len(self.plain)
            self.keyed = {key: x for key, x in self.keyed.items() if key != value}
            self.plain = [row for row in self.plain if row[0] != value]
            database.commit(
                [Delete("keyed", Condition("id = ?", [value])), Delete("plain", Condition("n = ?", [value]))]
            )
            if before == len(self.keyed) + len(self.plain):
                return
        elif what == "refused":
            with pytest.raises(InvalidRowsError):
                database.commit([Insert("plain", [{"n": value}]), Delete("keyed", Condition("true")),
                                 Insert("plain", [BadRow("bad", "")])])  # fmt: skip
            return
        else:
            self.step_branch(what, value, text)
            return
        self.note()

    def step_branch(self, what: str, value: object, text: str) -> None:
        """Do it to the one branch there may be."""
        database = self.database
        if what == "branch":
            assert isinstance(value, int)
            if self.branch is None:
                database.create_branch("b").result()
                self.branch = (database.version, dict(self.keyed))
            self.branch[1][value] = text
            database.commit([Insert("keyed", [{"id": value, "x": text}])], branch="b")
        elif self.branch is not None and what == "forward":
            if self.branch[0] != database.version:
                with pytest.raises(BranchConflictError):
                    database.fast_forward("b").result()
            elif self.branch[1] != self.keyed:
                self.keyed = dict(self.branch[1])
                database.fast_forward("b").result()
                self.branch = (database.version, dict(self.keyed))
                self.note()
        elif self.branch is not None:
            database.delete_branch("b").result()
            self.branch = None

    def note(self) -> None:
        """Remember what the newest version holds."""
        assert self.database.version not in self.versions
        self.versions[self.database.version] = (sorted(self.keyed.items()), sorted(self.plain))

    def compare(self) -> None:
        """Every kept version, and the branch, is what it was."""
        assert self.database.versions == tuple(sorted(self.versions)[-KEPT:])
        for version in self.database.versions:
            keyed, plain = self.versions[version]
            assert rows_at(self.database, version, "keyed") == keyed
            assert rows_at(self.database, version, "plain") == plain
        if self.branch is not None:
            assert rows_at(self.database, None, "keyed", "b") == sorted(self.branch[1].items())


@settings(max_examples=25, deadline=None)
@given(STEPS)
def test_whatever_went_before_every_version_and_branch_is_what_it_was(steps: list[tuple[str, object]]) -> None:
    """Commits, refusals, branches, fast forwards and deletions in any order, against the same in plain Python."""
    with Database.open(tables=[KEYED, PLAIN], limits=DatabaseLimits(versions_kept=KEPT)) as database:
        model = Model(database)
        for what, value in steps:
            model.step(what, value)
        model.compare()
        if model.branch is not None:
            database.delete_branch("b").result()
        # After so many commits no version shows what left before them.
        for _ in range(KEPT + 1):
            database.commit([Insert("plain", [{"n": 9}])])
        assert database.query('SELECT (SELECT count(*) FROM _app_framework."#plain")')[0][0] == 0
        if model.keyed or any(keyed for keyed, _ in model.versions.values()):
            assert database.query('SELECT count(*) FROM _app_framework."#keyed"') == [(0,)]


def test_versions_and_rows_are_there_again_with_the_next_life_of_a_file(tmp_path: Path) -> None:
    """What the writer knew it reads again: numbers go on, and old rows are let go of."""
    file, limits = tmp_path / "a.duckdb", DatabaseLimits(versions_kept=2)
    with Database.open(file, tables=[KEYED], limits=limits) as database:
        for text in "abc":
            database.commit([Insert("keyed", [{"id": 1, "x": text}])])
        before = database.versions
    with Database.open(file, tables=[KEYED], limits=limits) as database:
        assert database.versions == before
        assert rows_at(database, before[0], "keyed") == [(1, "b")]
        after = [database.commit([Insert("keyed", [{"id": 2, "x": text}])]).version for text in "xy"]
        assert before[-1] < after[0] < after[1]
        assert database.versions == tuple(after)
        assert database.query('SELECT * EXCLUDE ("#from", "#to", "#id") FROM _app_framework."#keyed"') == [(2, "x")]


def test_rows_keep_the_order_that_they_came_in() -> None:
    """Also where several threads put them in, of columns as of dicts, with a key and without."""
    numbers = list(range(300_000))
    with Database.open(tables=[KEYED, PLAIN], limits=DatabaseLimits(threads=4)) as database:
        database.commit([
            Insert("plain", pa.table({"n": pa.array(numbers, pa.int32())})),
            Insert("plain", [{"n": number} for number in numbers[:25_000]]),
            Insert("keyed", pa.table({"id": numbers[::-1]})),
        ])  # fmt: skip
        for table, column, wanted in (("plain", "n", numbers + numbers[:25_000]), ("keyed", "id", numbers[::-1])):
            found = database.query(f'SELECT list({column} ORDER BY rowid) FROM "#{table}"')[0][0]
            assert found == wanted


def test_a_commit_of_columns_takes_four_statements(monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin, the version, the rows, commit: nothing is asked."""
    seen: list[str] = []
    execute, rows = Cursor.execute, Cursor.rows

    def executed(cursor: Cursor, sql: str, parameters: Sequence[object] = ()) -> None:
        seen.append(sql.split()[0])
        execute(cursor, sql, parameters)

    def read(cursor: Cursor, sql: str, parameters: Sequence[object] = (), rows_max: int | None = None) -> object:
        seen.append(sql.split()[0])
        return rows(cursor, sql, parameters, rows_max)

    with Database.open(tables=[PLAIN], limits=DatabaseLimits(versions_kept=2)) as database:
        batch = pa.table({"n": pa.array([1], pa.int32()), "x": ["a"]})
        for _ in range(2):
            database.commit([Insert("plain", batch)])
        monkeypatch.setattr(Cursor, "execute", executed)
        monkeypatch.setattr(Cursor, "rows", read)
        database.commit([Insert("plain", batch)])
        assert seen == ["BEGIN", "UPDATE", "INSERT", "COMMIT"]


def test_a_problem_of_a_later_row_leaves_nothing_of_those_before_it(tmp_path: Path) -> None:
    """Rows go into a table without a key as they come, and out again when one of the last is refused."""
    rows: list[dict[str, object]] = [{"n": number} for number in range(10_001)]
    with Database.open(tables=[PLAIN], rejects=tmp_path) as database:
        with pytest.raises(InvalidRowsError, match="column 'n': 'x' is not an int32"):
            database.commit([Insert("plain", [*rows, {"n": "x"}])])
        assert database.query("SELECT count(*) FROM plain") == [(0,)]
        commit = database.commit([Insert("plain", [*rows, {"n": "x"}])], on_error="reject")
        assert (commit.rows, commit.rejected) == ((10_001,), 1)
        assert database.query("SELECT count(*), sum(n) FROM plain") == [(10_001, sum(range(10_001)))]


def test_equal_rows_of_a_source_are_told_apart_once_a_branch_changes_their_table(tmp_path: Path) -> None:
    """They have no numbers before that; those that left master meanwhile get theirs too."""
    (tmp_path / "plain.csv").write_text("n,x\n1,a\n1,a\n2,b\n2,b\n")
    plain = Table("plain", columns=PLAIN.columns, source=Source.of(csv=tmp_path / "plain.csv"))
    with Database.open(tables=[plain]) as database:
        base = database.commit([Insert("plain", [{"n": 1, "x": "a"}])]).version
        database.create_branch("b").result()
        database.commit([Delete("plain", Condition("n = 2"))])
        database.commit([Delete("plain", Condition("n = 1")), Insert("plain", [{"n": 3}])], branch="b")
        assert rows_at(database, None, "plain", "b") == [(2, "b"), (2, "b"), (3, None)]
        assert rows_at(database, base, "plain") == [(1, "a")] * 3 + [(2, "b")] * 2
        numbers = database.query('SELECT "#id" FROM "#plain" UNION ALL SELECT "#id" FROM _app_framework."#plain"')
        assert len(set(numbers)) == 5
        assert (None,) not in numbers
