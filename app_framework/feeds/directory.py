"""A feed of files: each finished file of a directory is one commit, once, whatever happens meanwhile.

The name, size, time and digest of a file are remembered in the transaction that takes its rows. Whoever is killed
between a commit and the move of its file finds the file there again, and moves it without a second commit.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from app_framework.database.changes import Commit, OnError
from app_framework.database.database import Database
from app_framework.database.errors import InvalidRowsError, RowProblem, TooManyCommitsError
from app_framework.database.receipt import Receipt
from app_framework.database.schema import TableSchema
from app_framework.errors import FrameworkError, UserError
from app_framework.feeds.feed import FeedState
from app_framework.feeds.folder import Folder, Look
from app_framework.olap.row_formats import RowFormat, RowFormatError, format_of, read_rows

_logger = logging.getLogger(__name__)

Afterwards = Literal["move", "keep"]


@dataclass(frozen=True, slots=True)
class DirectoryRules:
    """How the files of a feed are taken.

    Args:
        format: of all files; None where their names say it.
        on_error: whether a bad row refuses its file, or is left out and kept with the rejected rows.
        afterwards: whether a file that is done is moved to ``done``, or stays.
        interval_s: how long between two looks.
        commit_timeout_s: how long the commit of one file may take.
    """

    format: RowFormat | None = None
    on_error: OnError = "refuse"
    afterwards: Afterwards = "move"
    interval_s: float = 1.0
    commit_timeout_s: float = 600.0


class DirectoryFeed:
    """Puts the files of a directory into a table.

    Args:
        name: under which files are remembered.
        table: where the rows go.
        folder: where the files are.
        database: that has the table.
        rules: how they are taken.
    """

    def __init__(
        self, name: str, table: TableSchema, folder: Folder, database: Database, rules: DirectoryRules | None = None
    ) -> None:
        self.name = name
        self.table = table.name
        self.state = FeedState()
        self._schema = table
        self._folder = folder
        self._database = database
        self._rules = rules or DirectoryRules()
        self._done: dict[str, tuple[int, int]] = {}
        self._refused: dict[str, tuple[int, int]] = {}
        self._first_seen: dict[str, float] = {}
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to look.

        Raises:
            DatabaseError: what was committed before cannot be read.
        """
        if (
            self._rules.afterwards == "keep"
        ):  # otherwise few files are there that were committed, and are read once more
            for receipt in await self._database.receipts(self.name).wait():
                self._done[receipt.item] = (receipt.size, receipt.changed_ns)
        self._task = asyncio.create_task(self._run(), name=f"feed {self.name}")

    async def stop(self) -> None:
        """Take no further file, and return when the commit under way is made; cancelled, it is given up."""
        self._stopping.set()
        if self._task is not None:
            await self._task

    async def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                await self._look()
                self.state.problem = None
            except TooManyCommitsError as error:
                _logger.debug("feed %s: %s", self.name, error)  # being busy is no fault
            except Exception as error:
                self._report(error)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), self._rules.interval_s)

    def _report(self, error: Exception) -> None:
        """Say what is in the way, once; the next look tries again."""
        problem = str(error) or type(error).__name__
        if problem != self.state.problem:
            unexpected = None if isinstance(error, OSError | UserError | FrameworkError) else error
            _logger.warning("feed %s: %s; it is tried again", self.name, problem, exc_info=unexpected)
        self.state.problem = problem

    async def _look(self) -> None:
        """Take what is new, in order: what cannot be committed now holds up what comes after it."""
        finished = await asyncio.to_thread(self._folder.look)
        self._forget_but(self._folder.names)
        fresh = [look for look in finished if not self._is_settled(look)]
        trouble: OSError | None = None
        for look in finished:
            self._note_waiting(fresh)
            if self._stopping.is_set():
                return
            if look in fresh:
                await self._take(look)
                fresh.remove(look)
            if self._rules.afterwards == "move" and look.name in self._done:
                try:
                    await asyncio.to_thread(self._folder.done, look.name)
                except OSError as error:
                    trouble = error
        self._note_waiting(fresh)
        if trouble is not None:
            raise trouble

    def _forget_but(self, names: Collection[str]) -> None:
        """Remember no file that is not there."""
        for known in (self._done, self._refused):
            for name in known.keys() - names:
                del known[name]

    def _is_settled(self, look: Look) -> bool:
        """Whether this very file was taken or refused before; nobody has to read it to know."""
        return (look.size, look.changed_ns) in (self._done.get(look.name), self._refused.get(look.name))

    def _note_waiting(self, fresh: Sequence[Look]) -> None:
        now = time.monotonic()
        self._first_seen = {look.name: self._first_seen.get(look.name, now) for look in fresh}
        self.state.waiting = len(fresh)
        self.state.waiting_since_s = min(self._first_seen.values(), default=None)

    async def _take(self, look: Look) -> None:
        """Commit a file, or put it with those that failed."""
        opened = await asyncio.to_thread(self._folder.open, look)
        if opened is None:  # it is being written to again, or somebody took it away
            return
        file, digest = opened
        receipt = Receipt(self.name, look.name, digest, look.size, look.changed_ns)
        row_format = self._rules.format or format_of(look.name) or "csv"
        with file:
            try:
                insert = await asyncio.to_thread(read_rows, file, row_format, self._schema)
                ticket = self._database.submit_commit(
                    [insert], on_error=self._rules.on_error, timeout_s=self._rules.commit_timeout_s, receipt=receipt
                )
                commit = await ticket.wait()
            except (InvalidRowsError, RowFormatError) as error:
                await self._refuse(look, error)
                return
        self._count(look, commit)
        self._done[look.name] = (look.size, look.changed_ns)

    def _count(self, look: Look, commit: Commit) -> None:
        if commit.repeated:
            _logger.info("feed %s: %s was committed before, as version %d", self.name, look.name, commit.version)
            return
        rows = sum(commit.rows)
        self.state.rows += rows
        self.state.rejected += commit.rejected
        self.state.commits += bool(rows)
        left_out = f", {commit.rejected:,} rejected: {commit.rejects}" if commit.rejected else ""
        _logger.info("feed %s: %s is version %d, %d rows%s", self.name, look.name, commit.version, rows, left_out)

    async def _refuse(self, look: Look, error: InvalidRowsError | RowFormatError) -> None:
        self.state.refused += 1
        self.state.last_refusal = f"{look.name}: {error}"
        self._refused[look.name] = (look.size, look.changed_ns)
        move = self._rules.afterwards == "move"
        report = await asyncio.to_thread(self._folder.failed, look.name, _problems(error), move=move)
        _logger.warning("feed %s: %s is refused, see %s", self.name, look.name, report)

    def __repr__(self) -> str:
        return f"<DirectoryFeed {self.name!r}: {self._folder.path}/{self._folder.pattern} into {self.table!r}>"


def _problems(error: InvalidRowsError | RowFormatError) -> list[Mapping[str, object]]:
    if isinstance(error, RowFormatError):
        return [{"row": None, "column": None, "reason": str(error)}]
    return [_problem(problem) for problem in error.problems]


def _problem(problem: RowProblem) -> Mapping[str, object]:
    return {"row": problem.row or None, "column": problem.column or None, "reason": problem.reason}
