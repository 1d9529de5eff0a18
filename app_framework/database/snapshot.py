"""Which versions there are, and reads that see exactly one of them while commits go on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeVar

from app_framework.clock import Clock
from app_framework.database.branches import MASTER, Overlay
from app_framework.database.errors import NoSuchBranchError, VersionGoneError
from app_framework.database.history import UNCHANGED, DataView, Effect, TableChanges, changes_since, view_at
from app_framework.database.schema import TableSchema
from app_framework.database.version import Branch, Ledger
from app_framework.errors import near_matches

if TYPE_CHECKING:
    from app_framework.database.duckdb import Cursor

T = TypeVar("T")
QUIET_S = 1.0
"""After a commit the next one is likely: for this long a read would rather cost a little more than be done twice."""


class Snapshots:
    """Lets readers see one version each, without ever waiting for the writer.

    In quiet times a read of the newest version runs as it is: when no commit was made meanwhile, which is known from
    two numbers, it saw the version that was the newest before. Otherwise, and for older versions, it runs in a
    transaction of its own, which keeps what it saw at its first statement.

    Args:
        kept: the versions that can be read, the newest last.
        branches: the branches by name.
        tables: all tables.
        clock: the time of commits.

    Attributes:
        changes: what commits did to the tables of master since the database was opened. A commit is in it before
            anybody can see what it did.
    """

    def __init__(
        self,
        kept: tuple[int, ...],
        branches: Mapping[str, Branch],
        tables: Mapping[str, TableSchema],
        clock: Clock,
    ) -> None:
        self.kept = kept
        self.branches = branches
        self.changes: Mapping[str, TableChanges] = MappingProxyType({})
        self._tables = tables
        self._clock = clock
        self._published_s = -QUIET_S
        self._begun = 0
        self._ended = 0

    @property
    def newest(self) -> int:
        """The newest version."""
        return self.kept[-1]

    def read(self, cursor: Cursor, job: Callable[[DataView], T], version: int | None = None, branch: str = MASTER) -> T:
        """Run a job whose statements all see one version.

        Args:
            cursor: what the job uses.
            job: reads from a view; it may run twice.
            version: the version to see; the newest unless given.
            branch: where to look; a branch has its newest version only.

        Raises:
            VersionGoneError: it is not kept.
            NoSuchBranchError: there is no such branch.
        """
        begun, newest = self._begun, self.newest
        quiet = begun == self._ended and self._clock.monotonic_s() - self._published_s >= QUIET_S
        if quiet and branch == MASTER and version in (None, newest):
            result = job(DataView(newest))
            if begun == self._begun:
                return result
        cursor.execute("BEGIN TRANSACTION")
        try:
            return job(self.view(cursor, version, branch))
        finally:
            cursor.rollback()

    def read_changes(self, cursor: Cursor, job: Callable[[DataView], T], since: int) -> T:
        """Run a job over the rows of master that came or left after a version.

        Args:
            cursor: what the job uses.
            job: reads from a view that has, for each table that was ever written to, such rows in its place.
            since: the version.

        Raises:
            VersionGoneError: it is not kept, so what left since is not known.
        """
        cursor.execute("BEGIN TRANSACTION")
        try:
            kept = Ledger(cursor, self._clock).kept()
            if since not in kept:
                raise VersionGoneError(since, kept[-1])
            return job(changes_since(cursor, self._tables, since, kept[-1]))
        finally:
            cursor.rollback()

    @contextmanager
    def pinned(self, cursor: Cursor) -> Iterator[tuple[int, ...]]:
        """See the newest of these versions inside, in a transaction that is committed."""
        with cursor.transaction():
            yield Ledger(cursor, self._clock).kept()

    @contextmanager
    def publishing(
        self, kept: tuple[int, ...], branches: Mapping[str, Branch], effects: Mapping[str, Effect]
    ) -> Iterator[None]:
        """Make it known that a commit happens inside, and afterwards that its versions and branches are there."""
        before = self.changes
        after = {name: before.get(name, UNCHANGED).plus(effect, kept[-1]) for name, effect in effects.items()}
        self.changes = MappingProxyType({**before, **after})
        self._begun += 1
        try:
            yield
            self.kept, self.branches = kept, branches
        except BaseException:
            self.changes = before
            raise
        finally:
            self._published_s = self._clock.monotonic_s()
            self._ended += 1

    def view(self, cursor: Cursor, version: int | None = None, branch: str = MASTER) -> DataView:
        """Return what is to be seen, inside a transaction whose first statement this is.

        Raises:
            VersionGoneError: the version is not kept.
            NoSuchBranchError: there is no such branch.
        """
        ledger = Ledger(cursor, self._clock)
        if branch != MASTER:
            return self._branch_view(cursor, ledger.branches(), version, branch)
        kept = ledger.kept()
        if version is None or version == kept[-1]:
            return DataView(kept[-1])
        if version not in kept:
            raise VersionGoneError(version, kept[-1])
        return view_at(cursor, self._tables, version)

    def _branch_view(self, cursor: Cursor, branches: Mapping[str, Branch], version: int | None, name: str) -> DataView:
        branch = branches.get(name)
        if branch is None:
            raise NoSuchBranchError(name, near_matches(name, [MASTER, *branches]))
        if version not in (None, branch.version):
            raise VersionGoneError(version or 0, branch.version)
        return Overlay(cursor, branch, self._tables).view()
