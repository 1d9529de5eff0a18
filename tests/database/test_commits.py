"""A commit changes tables in one step that is a version of its own; rows that do not fit change nothing."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from app_framework.database import (
    BadRow,
    Condition,
    Database,
    DatabaseLimits,
    Delete,
    Insert,
    InvalidRowsError,
    ModelError,
    QueryTimeoutError,
    Source,
    Table,
    TooManyCommitsError,
    UnknownTableError,
    VersionGoneError,
)
from app_framework.database.duckdb import Cursor
from app_framework.database.history import DataView

ORDERS = Table("orders", columns={"id": "bigint", "city": "text", "price": "decimal(8,2)", "day": "date"}, key=["id"])
LINES = Table("lines", columns={"order_id": "bigint", "n": "int"})
Rows = list[tuple[object, ...]]


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """Orders with a key, and lines without one."""
    with Database.open(tables=[ORDERS, LINES], rejects=tmp_path / "rejects") as database:
        yield database


def rows_at(database: Database, version: int | None = None, table: str = "orders") -> Rows:
    """Return the rows of a table in a version, in the order of its columns."""

    def job(cursor: Cursor) -> Rows:
        def read(view: DataView) -> Rows:
            return cursor.rows(f"SELECT * FROM {view.sources.get(table, table)} AS t ORDER BY ALL")

        return database.read(cursor, read, version)

    return database.submit_job(job).result()


def refusal(database: Database, rows: Sequence[object], table: str = "orders") -> list[str]:
    """Insert rows that must be refused and return the sentences why."""
    before = database.version
    with pytest.raises(InvalidRowsError) as caught:
        database.commit([Insert(table, rows)])  # type: ignore[arg-type]
    assert database.version == before
    return [str(problem) for problem in caught.value.problems]


def test_each_commit_is_a_new_version_and_the_older_ones_stay_readable(database: Database) -> None:
    """An insert takes the place of the row with the same key; what it replaced is in the versions before."""
    empty = database.version
    first = database.commit([Insert("orders", [{"id": 1, "city": "Graz", "price": 2.5}, {"id": 2}])])
    second = database.commit([Insert("orders", [{"id": 1, "city": "Linz", "day": date(2025, 1, 2)}])])
    assert empty < first.version < second.version == database.version
    assert database.versions == (empty, first.version, second.version)
    assert rows_at(database, empty) == []
    assert rows_at(database, first.version) == [(1, "Graz", Decimal("2.50"), None), (2, None, None, None)]
    assert rows_at(database) == [(1, "Linz", None, date(2025, 1, 2)), (2, None, None, None)]


def test_changes_of_one_commit_happen_in_their_order_or_not_at_all(database: Database) -> None:
    """What the last of them is refused for undoes the others too."""
    database.commit([Insert("orders", [{"id": 1}, {"id": 2}])])
    done = database.commit(
        [Delete("orders", Condition('"id" = ?', [2])), Insert("orders", [{"id": 2, "city": "Wels"}, {"id": 3}])]
    )
    assert done.rows == (1, 2)
    with pytest.raises(InvalidRowsError):
        database.commit([Delete("orders", Condition("true")), Insert("lines", [{"n": "many"}])])
    assert [row[:2] for row in rows_at(database)] == [(1, None), (2, "Wels"), (3, None)]


def test_what_one_commit_brings_and_takes_is_in_no_version(database: Database) -> None:
    both = database.commit([Insert("orders", [{"id": 1}]), Delete("orders", Condition("true"))])
    assert [rows_at(database, version) for version in database.versions] == [[], []]
    assert both.rows == (1, 1)


def test_a_commit_that_changes_nothing_is_no_version(database: Database) -> None:
    before = database.version
    assert database.commit([Insert("orders", []), Delete("lines", Condition("true"))]).version == before
    assert database.versions == (before,)


def test_only_so_many_versions_are_kept(tmp_path: Path) -> None:
    """What no kept version needs is removed; a version that is let go of is refused by name."""
    with Database.open(tables=[ORDERS], limits=DatabaseLimits(versions_kept=3)) as database:
        made = [database.commit([Insert("orders", [{"id": 1, "price": n}])]).version for n in range(5)]
        assert database.versions == tuple(made[-3:])
        assert [rows_at(database, version)[0][2] for version in made[-3:]] == [2, 3, 4]
        assert database.query('SELECT count(*) FROM _app_framework."#orders"') == [(2,)]
        with pytest.raises(VersionGoneError, match=r"is not kept; the newest is \d+"):
            rows_at(database, made[1])


def test_a_file_keeps_rows_versions_and_never_repeats_a_number(tmp_path: Path) -> None:
    file = tmp_path / "d.duckdb"
    with Database.open(file, tables=[ORDERS]) as database:
        made = [database.commit([Insert("orders", [{"id": 1, "price": n}])]).version for n in range(3)]
    with Database.open(file, tables=[ORDERS]) as database:
        assert [rows_at(database, version)[0][2] for version in made] == [0, 1, 2]
        assert database.commit([Insert("orders", [{"id": 2}])]).version > max(made)


def test_a_source_that_is_loaded_anew_takes_the_place_of_rows_and_versions(tmp_path: Path) -> None:
    file, csv = tmp_path / "d.duckdb", tmp_path / "t.csv"
    csv.write_text("id\n1\n")
    table = Table("t", Source.of(csv=csv, reload="on-start"), key=["id"])
    with Database.open(file, tables=[table]) as database:
        database.commit([Insert("t", [{"id": 2}])])
        assert rows_at(database, table="t") == [(1,), (2,)]
    with Database.open(file, tables=[table]) as database:
        assert rows_at(database, table="t") == [(1,)]
        assert len(database.versions) == 1


def test_select_star_and_the_schema_show_no_column_of_ours(database: Database) -> None:
    database.commit([Insert("lines", [{"order_id": 1, "n": 2}])])
    assert database.query("SELECT * FROM lines") == [(1, 2)]
    assert [column.name for column in database.describe("SELECT * FROM lines")] == ["order_id", "n"]
    assert list(database.tables["lines"].columns) == ["order_id", "n"]


def test_names_of_ours_are_refused_in_a_model(tmp_path: Path) -> None:
    """The tables behind a view begin with ``#``, their versions are in ``#from`` and ``#to``."""
    for table in (Table("#t", columns={"x": "int"}), Table("t", columns={"#FROM": "int"})):
        with pytest.raises(ModelError, match="cannot be called"):
            Database.open(tables=[table])


def test_every_bad_row_is_told_with_its_number_and_column(database: Database) -> None:
    assert refusal(
        database,
        [
            {"id": 1, "price": "12.345"},
            {"id": 2.5},
            {"id": 2**63, "price": 10**6},
            {"id": 4, "day": "2025-02-30", "ctiy": "Graz"},
            {"id": 5, "price": True, "city": 7},
            BadRow("it is not JSON", "{"),
            ["no", "mapping"],
        ],
    ) == [
        "row 1, column 'price': '12.345' has more than 2 digits after the point.",
        "row 2, column 'id': 2.5 is not an int64.",
        "row 3, column 'id': 9223372036854775808 is out of range for int64.",
        "row 3, column 'price': 1000000 is out of range for decimal(8,2).",
        "row 4, column 'day': '2025-02-30' is not a date.",
        "row 4, column 'ctiy': table 'orders' has no such column. Did you mean: city?",
        "row 5, column 'city': 7 is not a string.",
        "row 5, column 'price': True is not a decimal(8,2).",
        "row 6: it is not JSON.",
        "row 7: a row is an object with the table's columns.",
    ]


def test_of_many_bad_rows_the_first_are_told(database: Database) -> None:
    told = refusal(database, [{"id": "x"} for _ in range(50_000)])
    assert (len(told), told[0]) == (20, "row 1, column 'id': 'x' is not an int64.")


def test_a_key_is_never_null_nor_twice_in_one_batch(database: Database) -> None:
    assert refusal(database, [{"id": 1}, {"city": "Graz"}]) == ["row 2, column 'id': the key is null."]
    assert refusal(database, [{"id": 1}, {"id": 2}, {"id": 1}]) == ["row 3: the key (id) = (1) is in row 1 already."]


def test_what_a_reference_points_to_stays_unique(tmp_path: Path) -> None:
    """Also where it is no key; a row that the same batch replaces does not count."""
    city = Table("city", columns={"id": "int", "zip": "text"}, key="id")
    tables = [city, Table("home", columns={"zip": "text"})]
    with Database.open(tables=tables, references=["home.zip -> city.zip"]) as database:
        database.commit([Insert("city", [{"id": 1, "zip": "8010"}, {"id": 2}, {"id": 3}])])
        database.commit([Insert("city", [{"id": 1, "zip": "8010"}])])
        why = "`home.zip -> city.zip` needs at most one row: (zip) = (8010) is in"
        assert refusal(database, [{"id": 4, "zip": "8010"}], "city") == [f"row 1: {why} the table already."]
        assert refusal(database, [{"id": 1, "zip": "8010"}, {"id": 5, "zip": "8010"}], "city") == [
            f"row 2: {why} row 1 already."
        ]
        swapped = [{"id": 1, "zip": "4020"}, {"id": 2, "zip": "8010"}]
        assert database.commit([Insert("city", swapped)]).rows == (2,)


def test_bad_rows_can_be_left_out_and_kept_in_a_file(database: Database) -> None:
    sent = [{"id": 1}, {"id": "x", "city": "Graz"}, {"id": 1, "city": "Linz"}, BadRow("torn", '{"id'), {"id": 2}]
    done = database.commit([Insert("orders", sent)], on_error="reject")
    assert (done.rows, done.rejected) == ((2,), 3)
    assert done.rejects is not None
    assert done.rejects.name == f"orders-{done.version}.ndjson"
    kept = [json.loads(line) for line in done.rejects.read_text().splitlines()]
    assert [(row["row"], row["problems"][0]["column"]) for row in kept] == [(2, "id"), (3, None), (4, None)]
    assert kept[0]["values"] == {"id": "x", "city": "Graz"}
    assert [row[0] for row in rows_at(database)] == [1, 2]


def test_rows_that_were_all_rejected_stay_beside_those_of_the_next_commit(database: Database) -> None:
    """Nothing was committed, so the number is given again."""
    none = database.commit([Insert("orders", [{"id": "x"}])], on_error="reject")
    some = database.commit([Insert("orders", [{"id": 1}, {"id": "y"}])], on_error="reject")
    assert (none.rows, none.version, some.version) == ((0,), none.version, database.version)
    assert none.rejects is not None
    assert some.rejects is not None
    assert ["x" in none.rejects.read_text(), "y" in some.rejects.read_text()] == [True, True]
    assert none.rejects != some.rejects


def test_an_unknown_table_is_told_with_what_is_near(database: Database) -> None:
    with pytest.raises(UnknownTableError, match="Did you mean: orders"):
        database.commit([Insert("order", [])])


def test_commits_wait_in_a_line_of_limited_length() -> None:
    """One writer: the others wait, and one too many is refused."""
    entered, leave = threading.Event(), threading.Event()

    def slow() -> Iterator[dict[str, object]]:
        entered.set()
        leave.wait(10)
        yield {"n": 1}

    with Database.open(tables=[LINES], limits=DatabaseLimits(commit_queue_size=1)) as database:
        tickets = [database.submit_commit([Insert("lines", slow())])]
        entered.wait(10)
        assert rows_at(database, table="lines") == []  # readers do not wait
        tickets.append(database.submit_commit([Insert("lines", [{"n": 2}])]))
        with pytest.raises(TooManyCommitsError, match=r"2 commits .*`database.commit-queue-size`"):
            database.submit_commit([Insert("lines", [{"n": 3}])])
        leave.set()
        assert [ticket.result().rows for ticket in tickets] == [(1,), (1,)]
        assert rows_at(database, table="lines") == [(None, 1), (None, 2)]


def test_a_commit_whose_time_is_over_changes_nothing(database: Database) -> None:
    def endless() -> Iterator[dict[str, object]]:
        while not stop.is_set():
            yield {"n": 1}

    stop = threading.Event()
    with pytest.raises(QueryTimeoutError):
        database.commit([Insert("lines", endless())], timeout_s=0.3)
    stop.set()
    database.commit([Insert("orders", [{"id": 1}])])
    assert rows_at(database, table="lines") == []


def test_a_read_that_a_commit_overtakes_is_done_again() -> None:
    """In quiet times a read opens no transaction; what shows that this was wrong is the number of commits."""
    clock = MovedClock()
    runs: list[int] = []

    def job(cursor: Cursor) -> tuple[int, Rows]:
        def read(view: DataView) -> tuple[int, Rows]:
            runs.append(view.version)
            if len(runs) == 1:
                database.commit([Insert("lines", [{"n": 1}])])
            return view.version, cursor.rows("SELECT n FROM lines")

        return database.read(cursor, read)

    with Database.open(tables=[LINES], clock=clock) as database:
        first = database.version
        assert database.submit_job(job).result() == (first + 1, [(1,)])
        assert runs == [first, first + 1]
        clock.seconds += 10
        assert database.submit_job(job).result() == (first + 1, [(1,)])
        assert len(runs) == 3


class MovedClock:
    """A clock whose seconds pass when a test says so."""

    seconds = 1000.0

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.seconds, UTC)

    def monotonic_s(self) -> float:
        return self.seconds
