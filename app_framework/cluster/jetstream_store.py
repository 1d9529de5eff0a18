"""The consensus store of several voters: one replicated stream of NATS JetStream, one message for each entry.

The Raft is the server's. What is ours is what its answers mean: which failures say that nothing happened, which leave
it open, and how a call that is repeated finds out. Reads of the stream's leader are hints (one that lost its followers
goes on answering for a while), so `read` has the majority confirm what it returns.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncGenerator, Coroutine, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, TypeVar

from app_framework.cluster.errors import (
    ConflictError,
    NoQuorumError,
    UnknownOutcomeError,
    ValueTooLargeError,
)
from app_framework.cluster.jetstream_api import (
    DELETION,
    DUPLICATE_IN_PROCESS,
    EXPECTED,
    EXPECTED_SUBJECT,
    HISTORY,
    MAYBE_WRONG_LAST_SEQUENCE,
    MESSAGE_ID,
    STREAM_EXISTS,
    TTL,
    WRONG_LAST_SEQUENCE,
    Ack,
    JetStreamApi,
    NoAnswerError,
    NotSentError,
    RefusedError,
    Stored,
)
from app_framework.cluster.jetstream_tail import StreamTail, Told
from app_framework.cluster.jetstream_write import WriteCall, operation_id
from app_framework.cluster.patience import Patience
from app_framework.cluster.store import VALUE_BYTES_MAX, Change, Entry, check_key, check_value
from app_framework.messaging.errors import PayloadTooLargeError
from app_framework.messaging.messenger import Messenger

T = TypeVar("T")

TIMEOUT_S = 5.0
"""How long a call tries before it gives up."""
ATTEMPT_S = 1.0
PATIENCE_S = 0.5
"""How long a call waits for a leader; one that stops in order hands over in 40 ms, an election takes seconds."""
DUPLICATE_WINDOW_S = 120
DELETIONS_KEPT_S = 24 * 3600
"""A watcher that was away for longer learns of deletions from its next listing."""
RELIST_S = 300.0
PROBE_S = 0.3
ADMIN_TIMEOUT_S = 5.0
READS_IN_FLIGHT = 32
KNOWN_MAX = 4096
"""Of so many entries the writes before the last are remembered; of others they are asked for before a write."""

_SECOND_NS = 1_000_000_000
_WRONG = (WRONG_LAST_SEQUENCE, MAYBE_WRONG_LAST_SEQUENCE)


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """What the leader of the stream says of it.

    Args:
        replicas: how many copies it is configured to have.
        leader: the server that leads it.
        group: name of every server that has a copy to whether that is current.
        last_revision: the newest one.
    """

    replicas: int
    leader: str
    group: Mapping[str, bool]
    last_revision: int


class JetStreamConsensusStore:
    """Decisions of a group of servers, as one node reaches them. It belongs to the messenger's event loop.

    Args:
        messenger: the node's connection.
        stream: name of the stream.
        prefix: first words of its subjects.
        timeout_s: how long a call tries before it gives up.
        deletions_kept_s: how long the stream remembers that an entry was deleted.
        relist_s: how often a watch compares what it has told with a full listing.
    """

    def __init__(
        self,
        messenger: Messenger,
        *,
        stream: str = "af_consensus",
        prefix: str = "af.consensus",
        timeout_s: float = TIMEOUT_S,
        deletions_kept_s: int = DELETIONS_KEPT_S,
        relist_s: float = RELIST_S,
    ) -> None:
        self.stream = stream
        self.prefix = prefix
        self.timeout_s = timeout_s
        self.deletions_kept_s = deletions_kept_s
        self.relist_s = relist_s
        self._api = JetStreamApi(messenger, stream)
        self._entries = f"{prefix}.entry."
        self._marks = f"{prefix}.mark"
        self._tails: set[StreamTail] = set()
        self._known: dict[str, _Known] = {}
        self._closed = False

    # -- the contract ------------------------------------------------------------------------------------------------

    async def get(self, key: str) -> Entry | None:
        """See `ConsensusStore`."""
        return self._entry(key, await self._last(self._subject(key), self._patience()))

    async def create(self, key: str, value: bytes, *, op_id: str = "") -> int:
        """See `ConsensusStore`."""
        return await self._write("create", key, check_value(key, value), 0, op_id)

    async def update(self, key: str, value: bytes, revision: int, *, op_id: str = "") -> int:
        """See `ConsensusStore`."""
        return await self._write("update", key, check_value(key, value), revision, op_id)

    async def delete(self, key: str, revision: int, *, op_id: str = "") -> int:
        """See `ConsensusStore`."""
        return await self._write("delete", key, None, revision, op_id)

    async def entries(self, prefix: str = "") -> tuple[Entry, ...]:
        """See `ConsensusStore`; as they were together at one point after the call began."""
        subjects = self._subjects(prefix)
        mark = await self.barrier()
        listing, _ = await self._listing(subjects, mark)
        return tuple(
            Entry(key, each.data, each.revision) for key, each in sorted(listing.items()) if not each.is_deletion
        )

    async def watch(self, prefix: str = "", *, after: int = 0) -> AsyncGenerator[Change, None]:
        """See `ConsensusStore`; a full listing now and then finds what the following may have missed."""
        subjects = self._subjects(prefix)
        self._check_open()
        tail, told = StreamTail(self._api, subjects, after), Told(after)
        self._tails.add(tail)
        loop = asyncio.get_running_loop()
        relist_at_s = loop.time() + self.relist_s
        try:
            async with aclosing(tail.messages()) as messages:
                async for delivered in messages:
                    if delivered is not None:
                        stored = delivered.stored
                        self._learn(stored)
                        for change in told.took(self._key(stored.subject), stored):
                            yield change
                    elif loop.time() >= relist_at_s:
                        relist_at_s = loop.time() + self.relist_s
                        missed = asyncio.create_task(self._missed(subjects, told), context=contextvars.Context())
                        for change in await missed:
                            yield change
        finally:
            self._tails.discard(tail)

    async def barrier(self) -> int:
        """See `ConsensusStore`."""
        patience = self._patience()
        while True:
            try:
                return (await self._publish(self._marks, b"", {}, patience)).revision
            except NoAnswerError as error:
                await patience.pause(NoQuorumError(f"no voting server answers ({error})"))
            except NotSentError as error:
                await patience.pause(error, PATIENCE_S)

    async def read(self, keys: Sequence[str]) -> tuple[Entry | None, ...]:
        """See `ConsensusStore`.

        What the leader says is confirmed by a mark that the majority accepts only if the entry has still the revision
        that was read. So nothing here depends on who is the leader, or thinks it is. With several keys the marks lie
        behind all that was read: just before the first of them every entry had the revision that is returned.
        """
        subjects = {key: self._subject(key) for key in keys}
        patience = self._patience()
        while True:
            found = dict(
                zip(subjects, await _gathered([self._last(each, patience) for each in subjects.values()]), strict=True)
            )
            marks = await _gathered([self._confirm(subjects[key], found[key], patience) for key in subjects])
            newest = max((each.revision for each in found.values() if each), default=0)
            if all(mark > newest for mark in marks):
                return tuple(self._entry(key, found[key]) for key in keys)
            await patience.pause(NoQuorumError("the entries change faster than they can be read"))

    async def close(self) -> None:
        """End all watches; further calls raise."""
        self._closed = True
        for tail in tuple(self._tails):
            tail.close()

    # -- the stream --------------------------------------------------------------------------------------------------

    async def create_stream(self, replicas: int, first_revision: int) -> None:
        """Make the stream, so that its first write has a revision; nothing happens when it is there.

        Raises:
            NoQuorumError: the servers have no leader yet.
            UnstableError: there are not enough servers yet, or JetStream refuses for another reason (`number`).
        """
        await self._admin("INFO", timeout_s=PROBE_S)  # without a leader the next one would wait in vain
        config = {
            "name": self.stream,
            "subjects": [f"{self.prefix}.>"],
            "storage": "file",
            "num_replicas": replicas,
            "first_seq": first_revision,
            "max_msgs_per_subject": 1,
            "retention": "limits",
            "discard": "new",
            "duplicate_window": DUPLICATE_WINDOW_S * _SECOND_NS,
            "allow_msg_ttl": True,
            "deny_delete": True,
            "deny_purge": True,
        }
        try:
            await self._admin(f"STREAM.CREATE.{self.stream}", config)
        except RefusedError as error:
            if error.number != STREAM_EXISTS:
                raise

    async def info(self) -> StreamInfo:
        """Return what the leader says.

        Raises:
            NoQuorumError: there is none, or no stream.
        """
        answer = await self._admin(f"STREAM.INFO.{self.stream}")
        cluster = answer.get("cluster") or {}
        leader = str(cluster.get("leader") or "")
        if not leader:
            raise NoQuorumError("the stream has no leader")
        group = {leader: True} | {
            str(each["name"]): bool(each.get("current")) and not each.get("offline")
            for each in cluster.get("replicas") or ()
            if each.get("name")
        }
        return StreamInfo(int(answer["config"]["num_replicas"]), leader, group, int(answer["state"]["last_seq"]))

    async def scale(self, replicas: int) -> None:
        """Give the stream another number of copies; nothing happens when it has it.

        Raises:
            NoQuorumError: the servers have no leader.
            UnstableError: there are not enough servers yet (10005), ask again.
        """
        config = dict((await self._admin(f"STREAM.INFO.{self.stream}"))["config"])
        if config["num_replicas"] != replicas:
            await self._admin(f"STREAM.UPDATE.{self.stream}", {**config, "num_replicas": replicas})

    def __repr__(self) -> str:
        return f"<JetStreamConsensusStore {self.stream!r}{' closed' if self._closed else ''}>"

    # -- writing -----------------------------------------------------------------------------------------------------

    async def _write(self, action: str, key: str, value: bytes | None, expected: int, op_id: str) -> int:
        """Write until it is known what became of it."""
        call = WriteCall(key, expected, operation_id(action, key, expected, op_id), last=expected)
        subject, patience = self._subject(key), self._patience()
        if action != "create" and expected < 1:
            raise ConflictError(key, expected)
        headers = {} if value is not None else {DELETION: "1", TTL: f"{self.deletions_kept_s}s"}
        before = await self._before(subject, expected, patience)
        if expected and before.is_deletion:
            raise ConflictError(key, expected)  # the stream would accept it, but the entry is gone
        headers |= {MESSAGE_ID: call.operation, HISTORY: before.history}
        while True:
            try:
                ack = await self._publish(subject, value or b"", {**headers, EXPECTED: str(call.last)}, patience)
                if not ack.duplicate:
                    self._learn(Stored(subject, ack.revision, headers, b""))
                return ack.revision
            except PayloadTooLargeError as error:
                raise ValueTooLargeError(key, len(value or b""), min(error.limit_bytes, VALUE_BYTES_MAX)) from error
            except NoAnswerError:
                call.is_doubtful = True
                await patience.pause(UnknownOutcomeError(key))
            except NotSentError as error:
                await patience.pause(call.failure(error), None if call.is_doubtful else PATIENCE_S)
            except RefusedError as error:
                if error.number in _WRONG:
                    written = await self._resolve(call, subject, patience)
                    if written is not None:
                        return written
                    headers[HISTORY] = (await self._before(subject, call.last, patience)).history
                elif error.number == DUPLICATE_IN_PROCESS:
                    await patience.pause(UnknownOutcomeError(key))
                else:
                    raise call.failure(NoQuorumError(error.reason)) from error

    async def _resolve(self, call: WriteCall, subject: str, patience: Patience) -> int | None:
        """Find out why the subject was at another revision than the call said.

        Returns the revision that an attempt of this call has written; None when the call may be tried again.

        Raises:
            ConflictError: it is a conflict.
        """
        try:
            found = await self._last(subject, patience)
        except NoQuorumError as error:
            raise call.failure(error) from error
        written = found.revision_of(call.operation) if found else None
        if written is not None:
            return written
        if not call.agrees_with(found):
            raise call.failure(call.conflict(found))
        now = found.revision if found else 0
        if now == call.last:  # an earlier write of the entry is still being cleared away
            await patience.pause(call.failure(NoQuorumError(f"the last write of {call.key!r} is still under way")))
        call.last = now
        return None

    async def _before(self, subject: str, revision: int, patience: Patience) -> _Known:
        """Return what is known of the message that a write is to replace."""
        if revision == 0:
            return _NOTHING
        known = self._known.get(subject)
        if known is None or known.revision != revision:
            try:
                await self._last(subject, patience)
            except NoQuorumError:
                return _NOTHING  # the write itself will tell
            known = self._known.get(subject)
        return known if known is not None and known.revision == revision else _NOTHING

    def _learn(self, stored: Stored | None) -> None:
        if stored is not None:
            self._known.pop(stored.subject, None)
            self._known[stored.subject] = _Known(stored.revision, stored.history, stored.is_deletion)
            if len(self._known) > KNOWN_MAX:
                del self._known[next(iter(self._known))]

    async def _publish(self, subject: str, data: bytes, headers: Mapping[str, str], patience: Patience) -> Ack:
        self._check_open()
        return await self._api.publish(subject, data, headers, timeout_s=patience.attempt_s)

    # -- reading -----------------------------------------------------------------------------------------------------

    async def _last(self, subject: str, patience: Patience) -> Stored | None:
        """Return the last message of a subject as the leader has it: a hint."""
        while True:
            self._check_open()
            try:
                found = await self._api.last(subject, timeout_s=patience.attempt_s)
            except NoAnswerError as error:
                await patience.pause(NoQuorumError(f"no voting server answers ({error})"))
            except NotSentError as error:
                await patience.pause(error, PATIENCE_S)
            except RefusedError as error:
                raise NoQuorumError(error.reason) from error
            else:
                self._learn(found)
                return found

    async def _confirm(self, subject: str, found: Stored | None, patience: Patience) -> int:
        """Write a mark that is accepted only if a subject is at what was found; 0 when it is not (any more)."""
        headers = {EXPECTED: str(found.revision if found else 0), EXPECTED_SUBJECT: subject}
        while True:
            try:
                return (await self._publish(self._marks, b"", headers, patience)).revision
            except NoAnswerError as error:
                await patience.pause(NoQuorumError(f"no voting server answers ({error})"))
            except NotSentError as error:
                await patience.pause(error, PATIENCE_S)
            except RefusedError as error:
                if error.number == WRONG_LAST_SEQUENCE:
                    return 0
                # Somebody else's mark for the same entry is under way.
                await patience.pause(NoQuorumError(error.reason))

    async def _listing(self, subjects: Sequence[str], mark: int) -> tuple[dict[str, Stored], int]:
        """Return the newest message of every key at one point not before a mark, and that point.

        Any replica may tell it. It is complete when nothing is pending, and new enough when the mark has come by.
        """
        found: dict[str, Stored] = {}
        tail = StreamTail(self._api, (*subjects, self._marks))
        try:
            async with asyncio.timeout(self.timeout_s), aclosing(tail.messages()) as messages:
                async for delivered in messages:
                    if delivered is None:
                        continue
                    if delivered.stored.subject != self._marks:
                        found[self._key(delivered.stored.subject)] = delivered.stored
                    if delivered.pending == 0 and tail.last >= mark:
                        break
        except TimeoutError:
            raise NoQuorumError(f"the entries could not be listed within {self.timeout_s:g} s") from None
        return found, tail.last

    async def _missed(self, subjects: Sequence[str], told: Told) -> tuple[Change, ...]:
        """Compare what a watcher was told with what there is; without a majority another time."""
        try:
            listing, position = await self._listing(subjects, await self.barrier())
        except NoQuorumError:
            return ()
        return told.missed(listing, position)

    def _entry(self, key: str, stored: Stored | None) -> Entry | None:
        return None if stored is None or stored.is_deletion else Entry(key, stored.data, stored.revision)

    # -- small things ------------------------------------------------------------------------------------------------

    def _subject(self, key: str) -> str:
        return self._entries + check_key(key)

    def _key(self, subject: str) -> str:
        return subject[len(self._entries) :]

    def _subjects(self, prefix: str) -> tuple[str, ...]:
        return (self._subject(prefix), f"{self._subject(prefix)}.>") if prefix else (f"{self._entries}>",)

    def _patience(self) -> Patience:
        return Patience(self.timeout_s, ATTEMPT_S)

    def _check_open(self) -> None:
        if self._closed:
            raise NoQuorumError("this store is closed")

    async def _admin(
        self, operation: str, body: Mapping[str, object] | None = None, *, timeout_s: float = ADMIN_TIMEOUT_S
    ) -> Mapping[str, Any]:
        self._check_open()
        try:
            return await self._api.request(operation, body, timeout_s=timeout_s)
        except NoAnswerError as error:
            raise NoQuorumError(f"no voting server answers ({error})") from error


@dataclass(frozen=True, slots=True)
class _Known:
    """What is remembered of the newest message of a subject."""

    revision: int
    history: str
    is_deletion: bool


_NOTHING = _Known(0, "", is_deletion=False)


async def _gathered(work: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """Do several things at once, a bounded number; when one fails the others are given up."""
    gate = asyncio.Semaphore(READS_IN_FLIGHT)

    async def gated(each: Coroutine[Any, Any, T]) -> T:
        async with gate:
            return await each

    tasks = [asyncio.ensure_future(gated(each)) for each in work]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
