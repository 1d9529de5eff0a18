"""Receipts: what a commit was made from is remembered with its rows, so that it is made once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from app_framework.database import Database, Insert, InvalidRowsError, Receipt, Source, Table

SALES = Table("sales", columns={"n": "int"})
MONDAY = Receipt("files", "monday.csv", "d1", size=7, changed_ns=1)


def put(database: Database, n: object, receipt: Receipt) -> tuple[int, bool]:
    commit = database.commit([Insert("sales", [{"n": n}])], receipt=receipt)
    return commit.version, commit.repeated


def count(database: Database) -> object:
    return database.query("SELECT count(*) FROM sales")[0][0]


def test_what_was_committed_is_not_committed_again_also_after_a_restart(tmp_path: Path) -> None:
    """The answer is the version that it made; another source, name or content is something else."""
    with Database.open(tmp_path / "db", tables=[SALES]) as database:
        version, repeated = put(database, 1, MONDAY)
        assert (repeated, put(database, 1, MONDAY), count(database)) == (False, (version, True), 1)
    with Database.open(tmp_path / "db", tables=[SALES]) as database:
        assert put(database, 1, replace(MONDAY, changed_ns=2)) == (version, True)
        assert not put(database, 1, replace(MONDAY, digest="d2"))[1]
        assert not put(database, 1, replace(MONDAY, item="tuesday.csv"))[1]
        assert not put(database, 1, replace(MONDAY, source="other"))[1]
        assert count(database) == 4
        assert [receipt.item for receipt in database.receipts("files").result()] == ["monday.csv"] * 2 + ["tuesday.csv"]


def test_what_was_refused_leaves_no_receipt() -> None:
    with Database.open(tables=[SALES]) as database:
        with pytest.raises(InvalidRowsError):
            put(database, "many", MONDAY)
        assert database.receipts("files").result() == []
        assert not put(database, 1, MONDAY)[1]


def test_a_table_that_is_loaded_anew_forgets_what_was_put_into_it(tmp_path: Path) -> None:
    (tmp_path / "sales.csv").write_text("n\n1\n")
    table = Table("sales", Source.of(csv=tmp_path / "sales.csv", reload="on-start"))
    with Database.open(tmp_path / "db", tables=[table]) as database:
        put(database, 2, MONDAY)
    with Database.open(tmp_path / "db", tables=[table]) as database:
        assert count(database) == 1
        assert not put(database, 2, MONDAY)[1]
