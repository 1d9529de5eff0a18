"""Tables come from files: which ones, with which types, and what a later start does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app_framework.database import Database, DatabaseLockedError, ModelError, ModelProblem, Source, Table
from app_framework.database.errors import DatabaseError


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def problems(*tables: Table, references: tuple[str, ...] = (), path: str | Path = ":memory:") -> list[ModelProblem]:
    """Open a database that must be refused and return why."""
    with pytest.raises(ModelError) as caught:
        Database.open(path, tables=tables, references=references)
    return list(caught.value.problems)


class FixedClock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.time = datetime(2026, 1, 1, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time

    def monotonic_s(self) -> float:
        return self.time.timestamp()


def test_csv_text_keeps_its_leading_zeros_when_declared_as_text(tmp_path: Path) -> None:
    """A declared type is how the file is read, not a cast of what was guessed."""
    file = write(tmp_path / "a.csv", "zip,n\n00501,1\n00502,2\n")
    with Database.open(tables=[Table("t", Source.of(csv=file), columns={"zip": "varchar"})]) as database:
        assert database.query("SELECT zip FROM t ORDER BY zip") == [("00501",), ("00502",)]
        assert database.tables["t"].columns["n"].type.name == "int64"


def test_json_decimals_keep_every_digit_when_declared(tmp_path: Path) -> None:
    """As a number to 15 digits, which is what the engine reads of one; as text to all of them."""
    file = write(tmp_path / "a.json", '{"x": "12345678901234567.89", "y": 1234567890123.45}')
    types = {"x": "decimal(19,2)", "y": "decimal(19,2)"}
    with Database.open(tables=[Table("t", Source.of(json=file), columns=types)]) as database:
        assert [str(x) for x in database.query("SELECT * FROM t")[0]] == ["12345678901234567.89", "1234567890123.45"]


def test_a_source_keeps_the_rows_that_its_condition_is_true_for(tmp_path: Path) -> None:
    """So that each of several nodes holds its part of the same files; null is not true."""
    file = write(tmp_path / "a.csv", "place,n\nEWR,1\nJFK,2\nEWR,3\n,4\n")
    source = Source.of(csv=file, where="place = 'EWR' and n > 1", reload="if-changed")
    with Database.open(tmp_path / "t.duckdb", tables=[Table("t", source, columns={"n": "bigint"})]) as database:
        assert database.query("SELECT place, n FROM t") == [("EWR", 3)]
    other = Table("t", Source.of(csv=file, where="place <> 'EWR'", reload="if-changed"), columns={"n": "bigint"})
    with Database.open(tmp_path / "t.duckdb", tables=[other]) as database:  # another condition is a change
        assert database.query("SELECT place, n FROM t") == [("JFK", 2)]


@pytest.mark.parametrize(
    ("where", "code", "text", "near"),
    [
        ("plaec = 'EWR'", "UNKNOWN_COLUMN", "the files of table 't' have no column 'plaec'", ("place",)),
        ("n + 1", "INVALID_EXPRESSION", "n + 1 is int64, a condition is true or false.", ()),
        ("n in (select 1)", "INVALID_EXPRESSION", "", ()),
        ("count(*) > 1", "INVALID_EXPRESSION", "", ()),
    ],
)
def test_a_condition_that_is_none_is_refused_with_its_place(
    tmp_path: Path, where: str, code: str, text: str, near: tuple[str, ...]
) -> None:
    file = write(tmp_path / "a.csv", "place,n\nEWR,1\n")
    (problem,) = problems(Table("t", Source.of(csv=file, where=where)))
    assert (problem.code, problem.where, problem.near) == (code, "database.tables.t.source.where", near)
    assert text in problem.message


def test_a_source_may_be_a_list_or_a_pattern(tmp_path: Path) -> None:
    """Columns are matched by name, so files may have them in another order."""
    write(tmp_path / "1.csv", "a,b\n1,x\n")
    write(tmp_path / "2.csv", "b,a\ny,2\n")
    listed = Source.of(csv=[tmp_path / "1.csv", tmp_path / "2.csv"])
    matched = Source.of(csv=str(tmp_path / "*.csv"))
    with Database.open(tables=[Table("l", listed), Table("m", matched)]) as database:
        assert database.query("SELECT * FROM l ORDER BY a") == [(1, "x"), (2, "y")]
        assert database.query("SELECT * FROM m ORDER BY a") == [(1, "x"), (2, "y")]


def test_a_folder_with_brackets_in_its_name_is_no_pattern(tmp_path: Path) -> None:
    """The configuration escapes the folder of the file that names a source."""
    folder = tmp_path / "a[1]"
    folder.mkdir()
    write(folder / "t.csv", "a\n1\n")
    escaped = str(tmp_path / "a[[]1]" / "t.csv")
    with Database.open(tables=[Table("t", Source.of(csv=escaped))]) as database:
        assert database.query("SELECT count(*) FROM t") == [(1,)]


def test_a_table_without_a_source_starts_empty_with_its_columns() -> None:
    with Database.open(tables=[Table("t", columns={"id": "bigint", "name": "text"})]) as database:
        assert database.query("SELECT count(*) FROM t") == [(0,)]
        assert [str(column.type) for column in database.tables["t"].columns.values()] == ["int64", "string"]


def test_every_problem_of_the_tables_is_told_at_once(tmp_path: Path) -> None:
    """A missing file, an unreadable one, an unknown type, unknown columns and a table without anything (FA2)."""
    good = write(tmp_path / "good.csv", "id,name\n1,x\n")
    broken = write(tmp_path / "broken.parquet", "this is not parquet")
    found = problems(
        Table("a", Source.of(csv=tmp_path / "god.csv")),
        Table("b", Source.of(parquet=broken)),
        Table("c", columns={"x": "bigintt"}),
        Table("d", Source.of(csv=good), key=["idd"], columns={"nam": "text"}),
        Table("e"),
        Table("f", Source.of(csv=good), key=["idd"]),
    )
    assert [(problem.where, problem.code, problem.near[:1]) for problem in found] == [
        ("database.tables.a.source.csv", "SOURCE_MISSING", ("good.csv",)),
        ("database.tables.b.source.parquet", "SOURCE_UNREADABLE", ()),
        ("database.tables.c.columns.x", "UNKNOWN_TYPE", ("bigint",)),
        ("database.tables.d.columns.nam", "UNKNOWN_COLUMN", ("name",)),
        ("database.tables.e", "SOURCE_REQUIRED", ()),
        ("database.tables.f.key[0]", "UNKNOWN_COLUMN", ("id",)),
    ]


def test_two_tables_that_differ_in_case_are_one_name() -> None:
    """SQL cannot tell them apart."""
    columns = {"x": "bigint"}
    assert [p.code for p in problems(Table("t", columns=columns), Table("T", columns=columns))] == ["DUPLICATE_TABLE"]


def test_a_key_that_several_rows_share_is_refused_with_the_rows(tmp_path: Path) -> None:
    """What differs between the rows is shown, so that a person can tell them apart."""
    file = write(tmp_path / "a.csv", "id,day,temperature\n1,1,20\n1,1,21\n2,1,22\n")
    (problem,) = problems(Table("weather", Source.of(csv=file), key=["id", "day"]))
    assert problem.where == "database.tables.weather.key"
    assert problem.message == (
        "(id, day) is not a key of table 'weather'; values that several rows share: 1.\n"
        "    (1, 1): temperature=20 | temperature=21"
    )


def test_a_key_that_is_null_is_refused(tmp_path: Path) -> None:
    file = write(tmp_path / "a.csv", "id,x\n1,1\n,2\n")
    (problem,) = problems(Table("t", Source.of(csv=file), key=["id"]))
    assert (problem.code, problem.where) == ("NULL_KEY", "database.tables.t.key")


@pytest.mark.parametrize(("reload", "expected"), [("never", 1), ("on-start", 2), ("if-changed", 2)])
def test_what_a_later_start_does_with_changed_files(tmp_path: Path, reload: str, expected: int) -> None:
    """`never`, the default, keeps what the database file holds."""
    file = write(tmp_path / "a.csv", "x\n1\n")
    table = Table("t", Source("csv", (str(file),), reload))  # type: ignore[arg-type]
    Database.open(tmp_path / "t.duckdb", tables=[table]).close()
    write(file, "x\n1\n2\n")
    with Database.open(tmp_path / "t.duckdb", tables=[table]) as database:
        assert database.query("SELECT count(*) FROM t") == [(expected,)]


def test_if_changed_keeps_the_table_and_its_version_while_the_files_stay(tmp_path: Path) -> None:
    file = write(tmp_path / "a.csv", "x\n1\n")
    table = Table("t", Source.of(csv=file, reload="if-changed"))
    with Database.open(tmp_path / "t.duckdb", tables=[table]) as first:
        version = first.version
    with Database.open(tmp_path / "t.duckdb", tables=[table]) as second:
        assert second.version == version


def test_a_kept_table_needs_its_files_no_more(tmp_path: Path) -> None:
    """What was loaded stays, also when the source has gone."""
    file = write(tmp_path / "a.csv", "x\n1\n")
    table = Table("t", Source.of(csv=file))
    Database.open(tmp_path / "t.duckdb", tables=[table]).close()
    file.unlink()
    with Database.open(tmp_path / "t.duckdb", tables=[table]) as database:
        assert database.query("SELECT count(*) FROM t") == [(1,)]


def test_a_kept_table_of_another_type_is_refused(tmp_path: Path) -> None:
    file = write(tmp_path / "a.csv", "x\n1\n")
    Database.open(tmp_path / "t.duckdb", tables=[Table("t", Source.of(csv=file))]).close()
    changed = Table("t", Source.of(csv=file), columns={"x": "varchar"})
    (problem,) = problems(changed, path=tmp_path / "t.duckdb")
    assert (problem.code, problem.where) == ("TABLE_DIFFERS", "database.tables.t.columns.x")


def test_a_refused_model_changes_nothing(tmp_path: Path) -> None:
    """Loading is one commit: the table that was fine is not loaded either."""
    file = write(tmp_path / "a.csv", "x\n1\n")
    fine = Table("t", Source.of(csv=file))
    problems(fine, Table("u"), path=tmp_path / "t.duckdb")
    write(file, "x\n1\n2\n")
    with Database.open(tmp_path / "t.duckdb", tables=[fine]) as database:
        assert database.query("SELECT count(*) FROM t") == [(2,)]


def test_versions_grow_and_never_come_back(tmp_path: Path) -> None:
    """Not over restarts, and not when the file was deleted: a new file counts from the clock."""
    clock, path = FixedClock(), tmp_path / "t.duckdb"
    table = Table("t", Source.of(csv=write(tmp_path / "a.csv", "x\n1\n"), reload="on-start"))
    versions = []
    for _ in range(2):
        with Database.open(path, tables=[table], clock=clock) as database:
            versions.append(database.version)
    path.unlink()
    clock.time += timedelta(seconds=1)
    with Database.open(path, tables=[table], clock=clock) as database:
        versions.append(database.version)
    assert versions == sorted(set(versions))


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match="not a valid DuckDB database file"):
        Database.open(write(tmp_path / "t.duckdb", "hello" * 1000))


def test_a_locked_file_names_the_process_that_has_it(tmp_path: Path) -> None:
    """One process at a time may open a database file."""
    import subprocess
    import sys

    path = tmp_path / "t.duckdb"
    script = "import sys, duckdb; c = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", script, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(DatabaseLockedError) as caught:
            Database.open(path)
        assert str(other.pid) in str(caught.value.owner)
        other.communicate()


def test_two_databases_of_one_process_do_not_share_a_file(tmp_path: Path) -> None:
    """The second is refused, whatever it calls the file, as it would be in a process of its own; then it is free."""
    path = tmp_path / "t.duckdb"
    (tmp_path / "link.duckdb").symlink_to(path)
    with Database.open(path, tables=[Table("t", columns={"x": "bigint"})]) as first:
        for name in (path, tmp_path / "." / "t.duckdb", tmp_path / "link.duckdb"):
            with pytest.raises(
                DatabaseLockedError, match=r"(link|t)\.duckdb: the file is in use by the other application"
            ):
                Database.open(name, tables=[Table("u", columns={"x": "bigint"})])
        assert first.query("SELECT table_name FROM duckdb_tables() WHERE schema_name = 'main'") == [("t",)]
    Database.open(path).close()


def test_a_killed_process_leaves_its_file_free(tmp_path: Path) -> None:
    """Nothing has to be cleaned up by hand."""
    import subprocess
    import sys

    path = tmp_path / "t.duckdb"
    script = (
        "import sys; from app_framework.database import Database, Table\n"
        "database = Database.open(sys.argv[1], tables=[Table('t', columns={'x': 'bigint'})])\n"
        "print('open', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(DatabaseLockedError) as caught:
            Database.open(path)
        assert f"(pid {other.pid})" in str(caught.value.owner)
        other.kill()
        other.wait()
        with Database.open(path) as database:
            assert database.query("SELECT count(*) FROM t") == [(0,)]


def test_sql_reaches_no_file_once_the_tables_are_loaded(tmp_path: Path) -> None:
    """Whatever SQL is run later, it can only read what was loaded."""
    file = write(tmp_path / "a.csv", "x\n1\n")
    with (
        Database.open(tables=[Table("t", Source.of(csv=file))]) as database,
        pytest.raises(DatabaseError, match="disabled by configuration"),
    ):
        database.query(f"SELECT * FROM read_csv('{file}')")
