"""The one writer: a commit changes tables, gives the change a version, and lets go of the oldest one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from app_framework.clock import Clock
from app_framework.database.branches import MASTER, Overlay, Trunk, is_branch_name
from app_framework.database.changes import Change, Commit, Condition, Delete, Insert, OnError
from app_framework.database.errors import (
    BranchConflictError,
    BranchExistsError,
    DatabaseError,
    InvalidRowsError,
    NoSuchBranchError,
    RowProblem,
    UnknownTableError,
    VersionGoneError,
)
from app_framework.database.history import Effect, compact, remembering
from app_framework.database.listening import CommitFeed, CommitNews
from app_framework.database.promise import Promise
from app_framework.database.receipt import Receipt, Receipts
from app_framework.database.rejects import RejectedRow, Rejects
from app_framework.database.schema import Reference, TableSchema
from app_framework.database.snapshot import Snapshots
from app_framework.database.sql import quote
from app_framework.database.staging import BATCH, Staging
from app_framework.database.version import Branch, Entries, Ledger
from app_framework.errors import near_matches

if TYPE_CHECKING:
    from app_framework.database.duckdb import Cursor

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a transaction changed.

    Args:
        news: what is told of it; none when it need not be committed.
        effects: what it did to the tables of master.
    """

    news: tuple[CommitNews, ...] = ()
    effects: Mapping[str, Effect] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Standing:
    """How the last commit left the database, so that the next one need not ask: nobody else changes it.

    Args:
        entries: what the ledger says.
        remembering: the names of the tables that were written to.
        leaving: by table, the versions in which rows may have left it that are still kept for older ones.
    """

    entries: Entries
    remembering: frozenset[str]
    leaving: Mapping[str, frozenset[int]]


class Writer:
    """Makes commits, one after the other, on a cursor that is given to it.

    Args:
        tables: all tables.
        references: all references: what they point to stays unique.
        snapshots: where a commit becomes known.
        clock: the time of commits.
        keep: how many versions can be read.
        branches_max: how many branches there may be.
        rejects: where rejected rows go; None where there is no place for them.

    Attributes:
        promises: what has to be true of the rows after each commit.
        feed: whom a commit is told when it is there to be read.
    """

    def __init__(
        self,
        tables: Mapping[str, TableSchema],
        references: Sequence[Reference],
        snapshots: Snapshots,
        clock: Clock,
        *,
        keep: int,
        branches_max: int,
        rejects: Rejects | None = None,
    ) -> None:
        self._tables = tables
        self._references = references
        self._snapshots = snapshots
        self._clock = clock
        self._keep = keep
        self._branches_max = branches_max
        self._rejects = rejects
        self._standing: Standing | None = None
        self.promises: frozenset[Promise] = frozenset()
        self.feed = CommitFeed()

    def check(self, changes: Sequence[Change], on_error: OnError) -> None:
        """Refuse what needs no row to be refused.

        Raises:
            UnknownTableError: a change names a table that is not there.
            ValueError: rows shall be rejected, and there is no place for them.
        """
        for change in changes:
            if change.table not in self._tables:
                raise UnknownTableError(change.table, near_matches(change.table, self._tables))
        if on_error == "reject" and self._rejects is None:
            raise ValueError("this database has no folder for rejected rows; open it with `rejects=FOLDER`")

    def commit(
        self,
        cursor: Cursor,
        changes: Sequence[Change],
        on_error: OnError,
        branch: str,
        receipt: Receipt | None = None,
    ) -> Commit:
        """Make all changes, in their order, in one transaction; what has the receipt of an earlier one is done already.

        Raises:
            InvalidRowsError: rows do not fit; nothing was changed.
            NoSuchBranchError: there is no such branch.
        """
        written: list[Path] = []

        def make(ledger: Ledger, remembering: set[str]) -> tuple[Commit, Outcome]:
            receipts = Receipts(cursor)
            if receipt is not None and (made := receipts.version(receipt)) is not None:
                return Commit(made, (0,) * len(changes), repeated=True), Outcome()
            old = self._snapshots.newest if branch == MASTER else _branch(ledger, branch).version
            target, version = self._target(cursor, ledger, branch, remembering)
            rejects = self._rejects if on_error == "reject" else None
            transaction = _Transaction(cursor, self._tables, self._references, target, rejects)
            rows = tuple(transaction.make(change) for change in changes)
            changed = frozenset(change.table for change, count in zip(changes, rows, strict=True) if count)
            if branch == MASTER:
                self._refuse_breaches(cursor, changed)
            if transaction.rejected:
                assert rejects is not None
                table = next(change.table for change in changes if isinstance(change, Insert))
                written.append(rejects.write(table, version, transaction.rejected))
            if receipt is not None and any(rows):
                receipts.record(receipt, {change.table for change in changes}, version)
            file = written[0] if written else None
            news = (CommitNews(branch, version, changed),) if changed else ()
            effects = transaction.effects if branch == MASTER else {}
            return Commit(version if changed else old, rows, len(transaction.rejected), file), Outcome(news, effects)

        try:
            return self._transact(cursor, make)
        except BaseException:
            for file in written:
                with suppress(OSError):
                    file.unlink()
            raise

    def create_branch(self, cursor: Cursor, name: str, base: int | None) -> Branch:
        """Lay a new branch over a version of master.

        Raises:
            BranchConflictError: it cannot be called so, or there are too many.
            VersionGoneError: the version is not kept.
        """

        def create(ledger: Ledger, _: set[str]) -> tuple[Branch, Outcome]:
            branches, kept = ledger.branches(), ledger.kept()
            if not is_branch_name(name):
                raise BranchConflictError(name, "a name has up to 64 letters, digits and signs of _.-")
            if name.casefold() in {MASTER, *(known.casefold() for known in branches)}:
                raise BranchExistsError(name)
            if len(branches) >= self._branches_max:
                reason = f"there are {len(branches)} already (`database.max-branches`); delete one first"
                raise BranchConflictError(name, reason)
            if base is not None and base not in kept:
                raise VersionGoneError(base, kept[-1])
            branch = Branch(name, base or kept[-1], base or kept[-1])
            ledger.set_branch(branch)
            return branch, Outcome((CommitNews(name, branch.version, None),))

        return self._transact(cursor, create)

    def delete_branch(self, cursor: Cursor, name: str) -> Branch:
        """Remove a branch with what it has of its own.

        Raises:
            NoSuchBranchError: there is none.
        """

        def delete(ledger: Ledger, _: set[str]) -> tuple[Branch, Outcome]:
            branch = _branch(ledger, name)
            Overlay(cursor, branch, self._tables).remove()
            ledger.remove_branch(name)
            return branch, Outcome((CommitNews(name, branch.version, None),))

        return self._transact(cursor, delete)

    def fast_forward(self, cursor: Cursor, name: str, expected: int | None) -> Branch:
        """Make master what the branch is; afterwards the branch is laid over that, with nothing of its own.

        Raises:
            BranchConflictError: master was changed since, or the branch since `expected`.
            InvalidRowsError: the model would not be true of master any more.
        """

        def forward(ledger: Ledger, _: set[str]) -> tuple[Branch, Outcome]:
            branch, newest = _branch(ledger, name), ledger.version()
            if branch.base != newest:
                reason = f"master was changed since: it is at {newest}, the branch is laid over {branch.base}"
                raise BranchConflictError(name, reason)
            if expected not in (None, branch.version):
                raise BranchConflictError(name, f"it is at version {branch.version}, not at {expected}")
            if branch.version == branch.base:
                return branch, Outcome()
            version = ledger.advance(self._keep)[-1]
            effects = Overlay(cursor, branch, self._tables).apply(version)
            self._refuse_breaches(cursor, frozenset(self._tables))
            moved = Branch(name, version, version)
            ledger.set_branch(moved)
            news = CommitNews(MASTER, version, frozenset(effects)), CommitNews(name, version)
            return moved, Outcome(news, effects)

        return self._transact(cursor, forward)

    def _target(
        self, cursor: Cursor, ledger: Ledger, branch: str, remembering: set[str]
    ) -> tuple[Trunk | Overlay, int]:
        """Begin a version of master or of a branch."""
        if branch == MASTER:
            version = ledger.advance(self._keep)[-1]
            return Trunk(cursor, version, remembering), version
        known, version = _branch(ledger, branch), ledger.advance_branch()
        ledger.set_branch(Branch(branch, known.base, version))
        return Overlay(cursor, known, self._tables, remembering), version

    def _transact(self, cursor: Cursor, work: Callable[[Ledger, set[str]], tuple[T, Outcome]]) -> T:
        """Do work in a transaction and make it known, unless it changed nothing.

        The work gets the ledger, and the names of the tables that remember, to which it adds.
        """
        # Whatever goes wrong from here on, the next one asks the database itself.
        known, self._standing = self._standing, None
        cursor.execute("BEGIN TRANSACTION")
        try:
            standing = known or self._read_standing(cursor)
            ledger, written_to = Ledger(cursor, self._clock, standing.entries), set(standing.remembering)
            result, outcome = work(ledger, written_to)
            if not outcome.news:
                cursor.rollback()
                self._standing = standing
                return result
            kept, branches = ledger.kept(), ledger.branches()
            bases = sorted({branch.base for branch in branches.values()} - {*kept})
            leaving = self._let_go(cursor, _leaving(standing, outcome, kept[-1]), kept[0], bases)
            cursor.check_wanted()
            with self._snapshots.publishing(kept, branches, outcome.effects):
                cursor.execute("COMMIT")
        except BaseException:
            cursor.rollback()
            raise
        assert ledger.entries is not None
        self._standing = Standing(ledger.entries, frozenset(written_to), leaving)
        self.feed.tell(outcome.news)
        return result

    def _read_standing(self, cursor: Cursor) -> Standing:
        """Ask the database how it was left; that rows left in each version is a guess that costs little."""
        entries, names = Ledger(cursor, self._clock).read(), remembering(cursor)
        return Standing(entries, names, dict.fromkeys(names, frozenset({0, *entries.kept})))

    def _let_go(
        self, cursor: Cursor, leaving: Mapping[str, frozenset[int]], oldest: int, bases: Sequence[int]
    ) -> Mapping[str, frozenset[int]]:
        """Remove the rows that no version shows any more, where there may be some, and return what may still leave."""
        left = dict(leaving)
        for name, versions in leaving.items():
            if name in self._tables and min(versions, default=oldest + 1) <= oldest:
                compact(cursor, self._tables[name], oldest, bases)
                later = frozenset(version for version in versions if version > oldest)
                left[name] = later | {0} if bases else later
        return left

    def _refuse_breaches(self, cursor: Cursor, changed: Set[str]) -> None:
        """Refuse changes after which the model would not be true of the rows any more."""
        for promise in [promise for promise in self.promises if promise.tables & changed]:
            breaches = [str(row[0]) for row in cursor.rows(promise.sql)]
            if breaches:
                table = min(promise.tables & changed)
                raise InvalidRowsError(table, [RowProblem(0, "", promise.sentence(breaches))])


class _Transaction:
    """The changes of one commit, inside its transaction."""

    def __init__(
        self,
        cursor: Cursor,
        tables: Mapping[str, TableSchema],
        references: Sequence[Reference],
        target: Trunk | Overlay,
        rejects: Rejects | None,
    ) -> None:
        self.rejected: list[RejectedRow] = []
        self.effects: dict[str, Effect] = {}
        self._cursor = cursor
        self._tables = tables
        self._references = references
        self._target = target
        self._rejected_max = rejects.rows_max if rejects else None

    def make(self, change: Change) -> int:
        """Make one change and return how many rows it put in or took out."""
        table = self._tables[change.table]
        self._target.prepare(table)
        if isinstance(change, Delete):
            return self._take_out(table, change.condition)
        return self._insert(table, change)

    def _take_out(self, table: TableSchema, condition: Condition) -> int:
        removed = self._target.take_out(table, condition)
        self._note(table, removed=removed)
        return removed

    def _note(self, table: TableSchema, added: int = 0, removed: int = 0) -> None:
        self.effects[table.name] = self.effects.get(table.name, Effect()).plus(added, removed)

    def _insert(self, table: TableSchema, insert: Insert) -> int:
        pointing = [reference for reference in self._references if reference.target == table.name]
        source = self._target.source(table)
        staging = Staging(self._cursor, table, pointing, source, self._target, rejected_max=self._rejected_max)
        try:
            count = staging.fill(insert)
            self.rejected += sorted(staging.rejected, key=lambda rejected: rejected.row)
            if count:
                if table.key:
                    self._take_out(table, _of_batch(table))
                if not staging.direct:
                    self._target.put_in(table, BATCH)
                self._note(table, added=count)
        finally:
            with suppress(DatabaseError):
                staging.clear()
        return count


def _leaving(standing: Standing, outcome: Outcome, version: int) -> Mapping[str, frozenset[int]]:
    """Return in which versions rows left, those included that just do."""
    now = {name for name, effect in outcome.effects.items() if effect.removed}
    return {**standing.leaving, **{name: standing.leaving.get(name, frozenset()) | {version} for name in now}}


def _of_batch(table: TableSchema) -> Condition:
    """Return the condition of the rows whose keys are in the batch."""
    same = " AND ".join(f"batch.{quote(c)} = {quote(table.name)}.{quote(c)}" for c in table.key)
    return Condition(f"EXISTS (SELECT 1 FROM {BATCH} AS batch WHERE {same})")  # noqa: S608 - quoted


def _branch(ledger: Ledger, name: str) -> Branch:
    branches = ledger.branches()
    if name not in branches:
        raise NoSuchBranchError(name, near_matches(name, [MASTER, *branches]))
    return branches[name]
