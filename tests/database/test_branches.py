"""A branch is another state of the data: made of a version, changed, asked, taken over or dropped."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from app_framework.database import (
    BranchConflictError,
    BranchExistsError,
    Condition,
    Database,
    DatabaseLimits,
    Delete,
    Insert,
    InvalidRowsError,
    NoSuchBranchError,
    Source,
    Table,
    VersionGoneError,
)
from app_framework.database.duckdb import Cursor
from app_framework.database.history import DataView

STOCK = Table("stock", columns={"item": "text", "n": "int"}, key="item")
LOG = Table("log", columns={"n": "int"})
Rows = list[tuple[object, ...]]


def opened(path: str | Path = ":memory:", *, keep: int = 10, branches: int = 16) -> Database:
    limits = DatabaseLimits(versions_kept=keep, branches_max=branches)
    return Database.open(path, tables=[STOCK, LOG], limits=limits)


def rows(database: Database, branch: str = "master", table: str = "stock", version: int | None = None) -> Rows:
    def job(cursor: Cursor) -> Rows:
        def read(view: DataView) -> Rows:
            return cursor.rows(f"SELECT * FROM {view.sources.get(table, table)} AS t ORDER BY ALL")

        return database.read(cursor, read, version, branch)

    return database.submit_job(job).result()


def test_what_is_written_to_a_branch_is_seen_there_only() -> None:
    """And what is written to master afterwards is not seen in the branch."""
    with opened() as database:
        database.commit([Insert("stock", [{"item": "tea", "n": 1}, {"item": "cup", "n": 2}])])
        base = database.version
        branch = database.create_branch("what-if").result()
        assert (branch.base, branch.version) == (base, base)
        done = database.commit(
            [Insert("stock", [{"item": "tea", "n": 7}, {"item": "pot", "n": 3}]), Delete("stock", Condition("n = 2"))],
            branch="what-if",
        )
        assert done.rows == (2, 1)
        assert done.version == database.branches["what-if"].version > base == database.version
        database.commit([Insert("stock", [{"item": "tea", "n": 9}]), Insert("log", [{"n": 1}])])
        assert database.version > done.version
        assert rows(database, "what-if") == [("pot", 3), ("tea", 7)]
        assert rows(database, "what-if", "log") == []
        assert rows(database) == [("cup", 2), ("tea", 9)]
        assert rows(database, version=base) == [("cup", 2), ("tea", 1)]


def test_equal_rows_without_a_key_are_left_out_one_by_one() -> None:
    with opened() as database:
        database.commit([Insert("log", [{"n": 1}, {"n": 1}, {"n": 2}])])
        database.create_branch("b").result()
        assert database.commit([Delete("log", Condition("n = 1"))], branch="b").rows == (2,)
        database.commit([Insert("log", [{"n": 1}])], branch="b")
        assert (rows(database, "b", "log"), len(rows(database, table="log"))) == ([(1,), (2,)], 3)


def test_a_fast_forward_makes_master_what_the_branch_is() -> None:
    """In one commit; the branch goes on from there."""
    with opened() as database:
        database.commit([Insert("stock", [{"item": "tea", "n": 1}, {"item": "cup", "n": 2}])])
        before = database.version
        database.create_branch("b").result()
        changed = database.commit([Insert("stock", [{"item": "tea", "n": 5}])], branch="b").version
        database.commit([Delete("stock", Condition("item = 'cup'")), Insert("log", [{"n": 1}])], branch="b")
        with pytest.raises(BranchConflictError, match=f"not at {changed}"):
            database.fast_forward("b", changed).result()
        moved = database.fast_forward("b", database.branches["b"].version).result()
        assert moved.base == moved.version == database.version > changed
        assert rows(database) == rows(database, "b") == [("tea", 5)]
        assert rows(database, table="log") == [(1,)]
        assert rows(database, version=before) == [("cup", 2), ("tea", 1)]
        database.commit([Insert("stock", [{"item": "pot", "n": 1}])], branch="b")
        assert rows(database) == [("tea", 5)]


def test_a_branch_of_an_old_master_is_not_taken_over() -> None:
    with opened() as database:
        database.create_branch("b").result()
        database.commit([Insert("log", [{"n": 1}])])
        database.commit([Insert("log", [{"n": 2}])], branch="b")
        with pytest.raises(BranchConflictError, match="master was changed since"):
            database.fast_forward("b").result()
        assert rows(database, table="log") == [(1,)]


def test_what_a_branch_is_laid_over_is_kept_as_long_as_it_is_there() -> None:
    with opened(keep=1) as database:
        database.commit([Insert("stock", [{"item": "tea", "n": 0}])])
        database.create_branch("b").result()
        for n in range(1, 4):
            database.commit([Insert("stock", [{"item": "tea", "n": n}])])
        assert rows(database, "b") == [("tea", 0)]
        assert database.query('SELECT count(*) FROM _app_framework."#stock"') == [(1,)]
        database.delete_branch("b").result()
        assert database.query('SELECT count(*) FROM _app_framework."#stock"') == [(0,)]
        with pytest.raises(NoSuchBranchError):
            rows(database, "b")


def test_keys_are_unique_in_a_branch_too() -> None:
    with opened() as database:
        database.create_branch("b").result()
        with pytest.raises(InvalidRowsError, match="is in row 1 already"):
            database.commit([Insert("stock", [{"item": "tea"}, {"item": "tea"}])], branch="b")


def test_wrong_names_and_too_many_branches_are_refused() -> None:
    with opened(branches=1) as database:
        database.create_branch("b").result()
        for name, error, told in [
            ("B", BranchExistsError, "already"),
            ("master", BranchExistsError, "already"),
            ("a b", BranchConflictError, "up to 64 letters"),
            ("c", BranchConflictError, "`database.max-branches`"),
        ]:
            with pytest.raises(error, match=told):
                database.create_branch(name).result()
        for wrong in (database.delete_branch("a"), database.fast_forward("a")):
            with pytest.raises(NoSuchBranchError, match="There is no branch 'a'"):
                wrong.result()
        with pytest.raises(NoSuchBranchError):
            database.commit([Insert("log", [{"n": 1}])], branch="a")
        with pytest.raises(VersionGoneError):
            rows(database, "b", version=1)
        database.delete_branch("b").result()
        with pytest.raises(VersionGoneError):
            database.create_branch("b", 1).result()


def test_a_table_that_is_loaded_anew_ends_branches_and_a_new_table_does_not(tmp_path: Path) -> None:
    file, csv = tmp_path / "d.duckdb", tmp_path / "t.csv"
    csv.write_text("n\n1\n")
    with opened(file) as database:
        database.create_branch("b").result()
        database.commit([Insert("log", [{"n": 1}])], branch="b")
    with Database.open(file, tables=[STOCK, LOG, Table("t", Source.of(csv=csv))]) as database:
        assert rows(database, "b", "log") == [(1,)]
    with Database.open(file, tables=[STOCK, LOG, Table("t", Source.of(csv=csv, reload="on-start"))]) as database:
        assert (dict(database.branches), len(database.versions)) == ({}, 1)


class BranchesMachine(RuleBasedStateMachine):
    """Branches of a file database beside plain dictionaries and lists, through commits, takeovers and restarts."""

    @initialize()
    def start(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.database = opened(Path(self.folder.name) / "d.duckdb", keep=2)
        self.states: dict[str, tuple[dict[str, int], list[int]]] = {"master": ({}, [])}
        self.newest = self.database.version
        self.numbers = {self.newest}
        self.bases: dict[str, int] = {}

    def number(self, version: int) -> None:
        assert version not in self.numbers
        self.numbers.add(version)

    @rule(name=st.sampled_from("ab"))
    def branch(self, name: str) -> None:
        if name not in self.states:
            self.database.create_branch(name).result()
            stock, log = self.states["master"]
            self.states[name] = (dict(stock), list(log))
            self.bases[name] = self.newest

    @rule(data=st.data(), stock=st.dictionaries(st.sampled_from("xyz"), st.integers(0, 3), min_size=1),
          log=st.lists(st.integers(0, 3), max_size=3), least=st.integers(0, 3))  # fmt: skip
    def change(self, data: st.DataObject, stock: dict[str, int], log: list[int], least: int) -> None:
        name = data.draw(st.sampled_from(sorted(self.states)))
        kept = [n for n in self.states[name][1] if n >= least]
        self.states[name] = (self.states[name][0] | stock, kept + log)
        commit = self.database.commit(
            [
                Delete("log", Condition("n < ?", [least])),
                Insert("log", [{"n": n} for n in log]),
                Insert("stock", [{"item": item, "n": n} for item, n in stock.items()]),
            ],
            branch=name,
        )
        self.number(commit.version)
        if name == "master":
            self.newest = commit.version

    @precondition(lambda self: len(self.states) > 1)
    @rule(data=st.data(), forward=st.booleans())
    def end(self, data: st.DataObject, forward: bool) -> None:
        name = data.draw(st.sampled_from(sorted(self.states.keys() - {"master"})))
        if not forward:
            self.database.delete_branch(name).result()
            del self.states[name]
        elif self.bases[name] == self.newest:
            moved = self.database.fast_forward(name).result()
            if moved.version != self.newest:  # else there was nothing to take over
                self.number(moved.version)
            self.newest = self.bases[name] = moved.version
            stock, log = self.states[name]
            self.states["master"] = (dict(stock), list(log))
        else:
            with pytest.raises(BranchConflictError):
                self.database.fast_forward(name).result()

    @rule()
    def restart(self) -> None:
        self.database.close()
        self.database = opened(Path(self.folder.name) / "d.duckdb", keep=2)

    @precondition(lambda self: hasattr(self, "states"))
    @invariant()
    def every_branch_is_what_was_made_of_it(self) -> None:
        assert self.database.version == self.newest
        for name, (stock, log) in self.states.items():
            assert rows(self.database, name) == sorted(stock.items())
            assert rows(self.database, name, "log") == [(n,) for n in sorted(log)]

    def teardown(self) -> None:
        if hasattr(self, "database"):
            self.database.close()
            self.folder.cleanup()


TestBranches = BranchesMachine.TestCase
TestBranches.settings = settings(max_examples=12, stateful_step_count=14, deadline=None)
