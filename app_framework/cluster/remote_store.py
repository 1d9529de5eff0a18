"""The consensus store of another node, over the messenger: how the members of a small cluster use the SQLite of the one
that holds it.

What the holder refuses, its caller is told in the same words. A holder that does not answer is no quorum.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import aclosing, suppress
from typing import Any, TypeVar

from app_framework.cluster.errors import ConflictError, NoQuorumError, StoreMovedError, UnknownOutcomeError
from app_framework.cluster.patience import Patience
from app_framework.cluster.store import Change, ConsensusStore, Entry, check_key, check_value
from app_framework.cluster.store_wire import (
    TOLD,
    NoAnswerError,
    NotSentError,
    Record,
    checked,
    entry_of,
    reaching,
    record_of,
    records,
    refusal,
)
from app_framework.messaging.messenger import Messenger
from app_framework.messaging.service import Call, Service

logger = logging.getLogger(__name__)
T = TypeVar("T")

TIMEOUT_S = 5.0
"""How long a call tries before it gives up."""
ATTEMPT_S = 1.0
PATIENCE_S = 0.5
"""How long a call waits for a holder that nobody hears of."""
LISTING_S = 3.0
WATCH_S = 3600.0
"""So often at least a watch is begun anew: a stream over the messenger has an end."""
WATCHES_MAX = 256
CALLS_MAX = 64
"""How many calls the holder works on at once; more wait."""
CHANGES_AHEAD = 256
PAUSE_S = (0.05, 1.0)
"""Between two attempts to watch: the first pause, and what doubling ends at."""


class StoreService:
    """The doors of one node's store."""

    def __init__(self, store: ConsensusStore, calls: Service, watches: Service) -> None:
        self._store = store
        self._calls = calls
        self._watches = watches

    async def unsubscribe(self) -> None:
        """Finish the calls that wait, answer no more, end the watches."""
        endings = [asyncio.ensure_future(each.unsubscribe()) for each in (self._calls, self._watches)]
        while not endings[1].done():
            await self._watches.stop()
            await asyncio.wait(endings[1:], timeout=0.05)
        await asyncio.gather(*endings)

    def __repr__(self) -> str:
        return f"<StoreService of {self._store!r}>"


async def serve_store(store: ConsensusStore, messenger: Messenger, node_id: str) -> StoreService:
    """Let other nodes use a store; `RemoteConsensusStore` is their end.

    Args:
        store: what is used, by calls in the messenger's event loop.
        messenger: of this node.
        node_id: by which the others find it; a word without dots.
    """
    door = _Door(store)
    calls = await messenger.serve(_subject(node_id, "call"), door.answer, concurrency_max=CALLS_MAX)
    watches = await messenger.serve(_subject(node_id, "watch"), door.watch, concurrency_max=WATCHES_MAX, waiting_max=0)
    return StoreService(store, calls, watches)


class RemoteConsensusStore:
    """The store that another node serves.

    Args:
        messenger: of this node.
        node_id: of the holder, as it gave it to `serve_store`.
        timeout_s: how long a call tries before it gives up.
    """

    def __init__(self, messenger: Messenger, node_id: str, *, timeout_s: float = TIMEOUT_S) -> None:
        self.node_id = node_id
        self.timeout_s = timeout_s
        self._messenger = messenger
        self._watching: set[asyncio.Queue[Change | Exception | None]] = set()
        self._closed = False

    async def get(self, key: str) -> Entry | None:
        """See `ConsensusStore`."""
        return entry_of(await self._asked({"do": "get", "key": check_key(key)}))

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
        """See `ConsensusStore`."""
        records = await self._listed({"do": "entries", "prefix": check_key(prefix) if prefix else ""})
        return tuple(entry for record in records if (entry := entry_of(record)))

    async def watch(self, prefix: str = "", *, after: int = 0) -> AsyncGenerator[Change, None]:
        """See `ConsensusStore`.

        Raises:
            StoreMovedError: the truth has left that node.
        """
        if prefix:
            check_key(prefix)
        self._check_open()
        told: asyncio.Queue[Change | Exception | None] = asyncio.Queue(CHANGES_AHEAD)
        self._watching.add(told)
        # In a context of its own: a watch that was begun in a handler must not end with that call's deadline.
        following = asyncio.create_task(
            self._follow(prefix, after, told), name=f"watch-{self.node_id}", context=contextvars.Context()
        )
        try:
            while not self._closed and (change := await told.get()) is not None:
                if isinstance(change, Exception):
                    raise change
                yield change
        finally:
            self._watching.discard(told)
            following.cancel()
            with suppress(asyncio.CancelledError):
                await following

    async def barrier(self) -> int:
        """See `ConsensusStore`."""
        return int((await self._asked({"do": "barrier"})).head["revision"])

    async def read(self, keys: Sequence[str]) -> tuple[Entry | None, ...]:
        """See `ConsensusStore`."""
        records = await self._listed({"do": "read", "keys": [check_key(key) for key in keys]})
        return tuple(entry_of(record) for record in records)

    async def close(self) -> None:
        """End all watches; further calls raise."""
        self._closed = True
        for told in self._watching:
            if told.full():
                told.get_nowait()
            told.put_nowait(None)

    def __repr__(self) -> str:
        return f"<RemoteConsensusStore of node {self.node_id!r}{' closed' if self._closed else ''}>"

    # -- calls -----------------------------------------------------------------------------------------------------

    async def _write(self, action: str, key: str, value: bytes | None, revision: int, op_id: str) -> int:
        """Write until it is known what became of it; the holder knows a call again by its op_id."""
        head = {"do": action, "key": check_key(key), "revision": revision, "op_id": op_id or secrets.token_hex(8)}
        question, patience, doubtful = Record(head, value).encoded(), self._patience(), False
        while True:
            try:
                return int((await self._ask(question, patience)).head["revision"])
            except NoAnswerError:
                doubtful = True
                await patience.pause(UnknownOutcomeError(key))
            except (NotSentError, ConflictError, NoQuorumError, StoreMovedError) as error:
                # What went unanswered before may still be under way, so nobody can say that it did not happen.
                failure = UnknownOutcomeError(key) if doubtful else error
                if not isinstance(error, NotSentError):
                    raise failure from error
                await patience.pause(failure, None if doubtful else PATIENCE_S)

    async def _asked(self, head: Mapping[str, object]) -> Record:
        question, patience = Record(head).encoded(), self._patience()
        return await self._repeated(lambda: self._ask(question, patience), patience)

    async def _listed(self, head: Mapping[str, object]) -> list[Record]:
        question = Record(head).encoded()
        return await self._repeated(lambda: self._collect(question), self._patience())

    async def _repeated(self, call: Callable[[], Coroutine[Any, Any, T]], patience: Patience) -> T:
        """Try again what changes nothing."""
        while True:
            try:
                return await call()
            except NotSentError as error:
                await patience.pause(error, PATIENCE_S)
            except NoAnswerError as error:
                await patience.pause(NoQuorumError(f"node {self.node_id!r}, which holds the decisions: {error}"))

    async def _ask(self, question: bytes, patience: Patience) -> Record:
        self._check_open()
        with reaching(self._messenger, self.node_id):
            reply = await self._messenger.request(
                _subject(self.node_id, "call"), question, timeout_s=patience.attempt_s
            )
        return checked(next(records(bytearray(reply.data))))

    async def _collect(self, question: bytes) -> list[Record]:
        self._check_open()
        return [record async for record in self._stream("call", question, LISTING_S)]

    async def _follow(self, prefix: str, after: int, told: asyncio.Queue[Change | Exception | None]) -> None:
        """Hand on what the holder tells, and begin again behind it whenever it falls silent."""
        pause_s = PAUSE_S[0]
        while True:
            question = Record({"do": "watch", "prefix": prefix, "after": after}).encoded()
            try:
                async with aclosing(self._stream("watch", question, WATCH_S)) as records:
                    async for record in records:
                        change = Change(record.head["key"], record.value, int(record.head["revision"]))
                        await told.put(change)
                        after, pause_s = change.revision, PAUSE_S[0]
            except StoreMovedError as error:
                await told.put(error)
                return
            except (NotSentError, NoAnswerError, NoQuorumError) as error:
                logger.debug("watching the store of node %s begins again: %s", self.node_id, error)
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, PAUSE_S[1])

    async def _stream(self, door: str, question: bytes, timeout_s: float) -> AsyncGenerator[Record, None]:
        arrived = bytearray()
        with reaching(self._messenger, self.node_id):
            chunks = self._messenger.stream(_subject(self.node_id, door), question, timeout_s=timeout_s)
            async with aclosing(chunks):
                async for chunk in chunks:
                    arrived += chunk
                    for record in records(arrived):
                        yield checked(record)

    def _patience(self) -> Patience:
        return Patience(self.timeout_s, ATTEMPT_S)

    def _check_open(self) -> None:
        if self._closed:
            raise NoQuorumError("this store is closed")


class _Door:
    """The holder's end."""

    def __init__(self, store: ConsensusStore) -> None:
        self._store = store

    def answer(self, call: Call) -> Awaitable[bytes] | AsyncIterator[bytes]:
        """Answer a question: a listing in pieces, anything else at once."""
        question = next(records(bytearray(call.data)))
        return self._list(question.head) if question.head["do"] in ("entries", "read") else self._do(question)

    async def watch(self, call: Call) -> AsyncIterator[bytes]:
        """Tell changes until the reader goes."""
        head = next(records(bytearray(call.data))).head
        changes = self._store.watch(str(head["prefix"]), after=int(head["after"]))
        try:
            async for change in changes:
                yield Record({"key": change.key, "revision": change.revision}, change.value).encoded()
        except TOLD as error:
            yield refusal(error).encoded()
        finally:
            if isinstance(changes, AsyncGenerator):
                await changes.aclose()

    async def _do(self, question: Record) -> bytes:
        head, store = question.head, self._store
        op_id = str(head.get("op_id", ""))
        try:
            match head["do"]:
                case "get":
                    return record_of(await store.get(head["key"])).encoded()
                case "create":
                    revision = await store.create(head["key"], question.value or b"", op_id=op_id)
                case "update":
                    revision = await store.update(head["key"], question.value or b"", head["revision"], op_id=op_id)
                case "delete":
                    revision = await store.delete(head["key"], head["revision"], op_id=op_id)
                case "barrier":
                    revision = await store.barrier()
                case other:
                    raise ValueError(f"a store cannot {other!r}")
        except TOLD as error:
            return refusal(error).encoded()
        return Record({"revision": revision}).encoded()

    async def _list(self, head: Mapping[str, Any]) -> AsyncIterator[bytes]:
        try:
            found: Sequence[Entry | None] = (
                await self._store.read(head["keys"])
                if head["do"] == "read"
                else await self._store.entries(head["prefix"])
            )
        except TOLD as error:
            yield refusal(error).encoded()
            return
        for entry in found:
            yield record_of(entry).encoded()


def _subject(node_id: str, door: str) -> str:
    return f"af.store.{node_id}.{door}"
