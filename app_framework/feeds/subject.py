"""A feed of messages: what comes together on a subject is one commit, and who asks is told when it is safe.

A message without a reply subject is taken at most once: what this node cannot take now is counted and gone.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass

from app_framework.database.changes import Insert, OnError
from app_framework.database.database import Database
from app_framework.database.errors import InvalidRowsError, TooManyCommitsError
from app_framework.database.schema import TableSchema
from app_framework.errors import FrameworkError, ServiceUnavailableError, UserError
from app_framework.feeds.batch import Outcome, Taken, Waiting, decoded, inserts_of
from app_framework.feeds.feed import FeedState
from app_framework.messaging.messenger import Messenger
from app_framework.messaging.service import Call, Service
from app_framework.olap.row_formats import RowFormat

_logger = logging.getLogger(__name__)

BEYOND = 1_000
"""So many more calls than may wait are let in to be refused and counted here."""

COLUMNS: tuple[RowFormat, ...] = ("arrow", "parquet")
"""The formats whose rows are read once, while they are inserted."""

RETRY_S = 0.05


class FeedOverloadedError(UserError):
    """A feed has as many messages waiting as it may.

    Attributes:
        feed: its name.
        bound: the property that sets it.
    """

    code = "OVERLOADED"
    retryable = True

    def __init__(self, feed: str, bound: str) -> None:
        super().__init__(feed, bound)
        self.feed = feed
        self.bound = bound

    def __str__(self) -> str:
        return f"feed {self.feed!r} cannot take more messages now (`{self.bound}`). Try again later."


@dataclass(frozen=True, slots=True)
class SubjectRules:
    """How the messages of a feed are taken.

    Args:
        format: of every message.
        on_error: whether a bad row refuses its message, or is left out and kept with the rejected rows.
        queue_group: of the nodes whose feeds have the same, one gets each message; empty for all of them.
        rows_max: about how many rows one commit has; a message is never split.
        delay_max_s: how long a message waits for others to share its commit.
        messages_max: how many messages may wait.
        bytes_max: how large they may be together.
        commit_timeout_s: how long a commit may take.
    """

    format: RowFormat = "json"
    on_error: OnError = "refuse"
    queue_group: str = ""
    rows_max: int = 10_000
    delay_max_s: float = 0.05
    messages_max: int = 10_000
    bytes_max: int = 64 << 20
    commit_timeout_s: float = 120.0


class SubjectFeed:
    """Puts the messages of a subject into a table.

    Args:
        name: what it is called.
        table: where the rows go.
        subject: where the messages are sent; ``*`` and ``>`` as in subscriptions.
        messenger: that brings them.
        database: that has the table.
        rules: how they are taken.
    """

    def __init__(
        self,
        name: str,
        table: TableSchema,
        subject: str,
        messenger: Messenger,
        database: Database,
        rules: SubjectRules | None = None,
    ) -> None:
        self.name = name
        self.table = table.name
        self.subject = subject
        self.state = FeedState()
        self._schema = table
        self._messenger = messenger
        self._database = database
        self._rules = rules or SubjectRules()
        self._waiting: deque[Waiting] = deque()
        self._bytes = 0
        self._news = asyncio.Event()
        self._hurried = False
        self._ended = False
        self._service: Service | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to listen.

        Raises:
            InvalidSubjectError: nobody can send there.
            DisconnectedError: the messenger is closed.
        """
        self._service = await self._messenger.serve(
            self.subject,
            self._arrive,
            queue=self._rules.queue_group,
            concurrency_max=self._rules.messages_max + BEYOND,
            waiting_max=0,
        )
        self._task = asyncio.create_task(self._run(), name=f"feed {self.name}")

    async def stop(self) -> None:
        """Take no further message, commit those that wait, and return."""
        self._hurried = True
        self._news.set()
        try:
            if self._service is not None:
                await self._service.unsubscribe()
            self._ended = True
            self._news.set()
            if self._task is not None:
                await self._task
        finally:
            if self._task is not None:
                self._task.cancel()

    async def _arrive(self, call: Call) -> bytes:
        """Let a message wait for its commit, and tell what became of it."""
        rules = self._rules
        full = "max-messages" if len(self._waiting) >= rules.messages_max else ""
        if self._bytes + len(call.data) > rules.bytes_max:
            full = "max-bytes"
        if full:
            self.state.dropped += 1
            raise FeedOverloadedError(self.name, full)
        message = Waiting(call.data, time.monotonic())
        self._waiting.append(message)
        self._bytes += len(call.data)
        self._note_waiting()
        self._news.set()
        # Whoever asks may go away; the message stays.
        outcome = await asyncio.shield(message.outcome)
        if isinstance(outcome, Exception):
            raise outcome
        answer = {"table": self.table, "rows": outcome.rows, "version": outcome.version}
        if rules.on_error == "reject":
            answer["rejected"] = outcome.rejected
        return json.dumps(answer).encode()

    async def _run(self) -> None:
        """Commit what waits, a batch after the other, until no more can come."""
        while self._waiting or not self._ended:
            if not self._waiting:
                await self._news.wait()
                self._news.clear()
                continue
            await self._gather()
            batch = [message for message, _ in zip(self._waiting, range(self._rules.rows_max), strict=False)]
            try:
                taken = await self._commit_first(batch)
            except Exception as error:
                _logger.exception("feed %s failed", self.name)
                self._lose(batch, ServiceUnavailableError(f"{type(error).__name__} in feed {self.name!r}"))
                taken = len(batch)
            for _ in range(taken):
                self._bytes -= len(self._waiting.popleft().data)
            self._note_waiting()

    async def _gather(self) -> None:
        """Wait until there is enough for a commit, or the first message has waited long enough."""
        until_s = self._waiting[0].arrived_s + self._rules.delay_max_s
        while not self._hurried and len(self._waiting) < self._rules.rows_max:
            left_s = until_s - time.monotonic()
            if left_s <= 0:
                return
            with suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), left_s)
            self._news.clear()

    async def _commit_first(self, messages: list[Waiting]) -> int:
        """Commit as many messages as have enough rows together, and return how many those are."""
        rules = self._rules
        good, bad = await asyncio.to_thread(decoded, messages, rules.format, self._schema, rules.rows_max)
        for message, error in bad:
            self._refuse(message, error)
        if rules.on_error == "reject" and rules.format in COLUMNS:  # how many rows each rejects is known of one alone
            for message in good:
                await self._commit([message])
        else:
            await self._commit(good)
        return len(good) + len(bad)

    async def _commit(self, messages: list[Waiting]) -> None:
        """Commit messages together; where one is bad, halves of them, until it stands alone."""
        if not messages:
            return
        outcome = await self._made(messages)
        if outcome is None:
            return
        if not isinstance(outcome, InvalidRowsError):
            self._lose(messages, outcome)
        elif len(messages) == 1:
            self._refuse(messages[0], outcome)
        else:
            half = len(messages) // 2
            await self._commit(messages[:half])
            await self._commit(messages[half:])

    async def _made(self, messages: list[Waiting]) -> UserError | FrameworkError | None:
        """Make one commit of some messages; return what was in the way."""
        rules = self._rules
        inserts = await asyncio.to_thread(self._inserts, messages)
        while True:
            try:
                ticket = self._database.submit_commit(
                    inserts, on_error=rules.on_error, timeout_s=rules.commit_timeout_s
                )
                commit = await ticket.wait()
            except TooManyCommitsError:  # being busy is no fault; meanwhile messages wait, as many as may
                await asyncio.sleep(RETRY_S)
                continue
            except (UserError, FrameworkError) as error:
                return error
            break
        self.state.problem = None
        own = commit.rows if len(inserts) == len(messages) else [message.rows for message in messages]
        for message, rows in zip(messages, own, strict=True):
            rejected = commit.rejected if len(messages) == 1 else message.rows - rows
            message.settle(Taken(rows, commit.version, rejected))
        self.state.commits += any(commit.rows)
        self.state.rows += sum(commit.rows)
        self.state.rejected += commit.rejected
        return None

    def _inserts(self, messages: list[Waiting]) -> list[Insert]:
        """Return the changes of a commit; what is read once is decoded again."""
        if self._rules.format in COLUMNS:
            for message in messages:
                message.decode(self._rules.format, self._schema)
        return inserts_of(messages, self._schema, self._rules.on_error)

    def _refuse(self, message: Waiting, error: UserError) -> None:
        self.state.refused += 1
        self.state.last_refusal = str(error)
        message.settle(error)

    def _lose(self, messages: list[Waiting], error: Outcome) -> None:
        """Nothing can be committed now: who asked is told, and the rest is gone."""
        assert isinstance(error, UserError | FrameworkError)
        self.state.dropped += len(messages)
        self.state.problem = str(error)
        _logger.warning("feed %s: %d messages are lost: %s", self.name, len(messages), error)
        told = error if getattr(error, "code", "INTERNAL") != "INTERNAL" else ServiceUnavailableError(str(error))
        for message in messages:
            message.settle(told)

    def _note_waiting(self) -> None:
        self.state.waiting = len(self._waiting)
        self.state.waiting_since_s = self._waiting[0].arrived_s if self._waiting else None

    def __repr__(self) -> str:
        return f"<SubjectFeed {self.name!r}: {self.subject} into {self.table!r}>"
