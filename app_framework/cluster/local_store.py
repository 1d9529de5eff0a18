"""The consensus store of a node that is alone: SQLite, in a file or in memory.

Every commit is synced, so what was acknowledged survives a power cut. Calls run at once on the caller's loop, in
microseconds (a synced write: about 0.3 ms), from as many threads as there are: no time passes between call and answer.

>>> async def agree() -> None:
...     store = LocalConsensusStore(None)
...     first = await store.create("members", b"n1")
...     second = await store.update("members", b"n1 n2", first)
...     print(first, second, await store.get("members"))
...     await store.close()
>>> asyncio.run(agree())
1 2 Entry(key='members', value=b'n1 n2', revision=2)
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import threading
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from app_framework.cluster.errors import (
    ClusterDataError,
    ConflictError,
    EntryExistsError,
    NoQuorumError,
    StoreMovedError,
    StoreWriteError,
    UnknownOutcomeError,
)
from app_framework.cluster.store import Change, Entry, check_key, check_value

DELETIONS_KEPT = 10_000
"""Watchers that resume from before the oldest of them do not hear of it."""
OPERATIONS_KEPT = 10_000
"""So many of the last writes can be repeated safely."""
SWEEP_EVERY = 1_000
WATCH_BATCH = 256
BUSY_TIMEOUT_S = 5.0

_SCHEMA = """
CREATE TABLE IF NOT EXISTS entry (
    revision INTEGER PRIMARY KEY AUTOINCREMENT,  -- never given out twice, also not after deletions
    key TEXT NOT NULL UNIQUE,
    value BLOB                                   -- NULL once it is deleted
);
CREATE TABLE IF NOT EXISTS operation (id TEXT PRIMARY KEY, revision INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS fact (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""
_WITHIN = "(:prefix = '' OR key = :prefix OR (key >= :prefix || '.' AND key < :prefix || '/'))"
"""``/`` is the character after ``.``, so this is a range of the index and no pattern."""


@dataclass(eq=False, slots=True)
class _Watcher:
    """Somebody who waits for the next write, on whatever loop."""

    loop: asyncio.AbstractEventLoop
    news: asyncio.Event = field(default_factory=asyncio.Event)
    over: bool = False

    def has_ended(self) -> bool:
        return self.over

    def wake(self) -> None:
        if _running_loop() is self.loop:
            self.news.set()
        elif not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self.news.set)


class LocalConsensusStore:
    """Decisions of one machine.

    Args:
        path: of the file; None keeps everything in memory.
        first_revision: of the first write into a new store.
        gate: called before every operation, and may refuse it by raising `NoQuorumError`; tests cut the quorum here.

    Raises:
        ClusterDataError: the file cannot be opened or is damaged.
    """

    def __init__(self, path: Path | None, *, first_revision: int = 1, gate: Callable[[], None] | None = None) -> None:
        self.path = path
        self.gate = gate
        self._lock = threading.RLock()
        self._watchers: set[_Watcher] = set()
        self._frozen = self._retired = self._closed = False
        self._db = _opened(path, first_revision)

    # -- the contract ------------------------------------------------------------------------------------------------

    async def get(self, key: str) -> Entry | None:
        """See `ConsensusStore`."""
        return (await self.read((key,)))[0]

    async def create(self, key: str, value: bytes, *, op_id: str = "") -> int:
        """See `ConsensusStore`."""
        return self._write("create", key, check_value(key, value), 0, op_id)

    async def update(self, key: str, value: bytes, revision: int, *, op_id: str = "") -> int:
        """See `ConsensusStore`."""
        return self._write("update", key, check_value(key, value), revision, op_id)

    async def delete(self, key: str, revision: int, *, op_id: str = "") -> int:
        """See `ConsensusStore`; watchers are told of the last `DELETIONS_KEPT`."""
        return self._write("delete", key, None, revision, op_id)

    async def entries(self, prefix: str = "") -> tuple[Entry, ...]:
        """See `ConsensusStore`."""
        if prefix:
            check_key(prefix)
        with self._reading() as db:
            rows = db.execute(
                f"SELECT key, value, revision FROM entry WHERE value IS NOT NULL AND {_WITHIN} ORDER BY key",  # noqa: S608
                {"prefix": prefix},
            )
            return tuple(Entry(*row) for row in rows)

    async def watch(self, prefix: str = "", *, after: int = 0) -> AsyncGenerator[Change, None]:
        """See `ConsensusStore`; ends also at `clear`.

        Raises:
            StoreMovedError: the store was retired.
        """
        if prefix:
            check_key(prefix)
        with self._reading():
            watcher = _Watcher(asyncio.get_running_loop())
            self._watchers.add(watcher)
        try:
            while not watcher.has_ended():
                watcher.news.clear()
                changes = self._changes(prefix, after)
                for change in changes:
                    yield change
                    if watcher.has_ended():
                        return
                    after = change.revision
                if not changes:
                    await watcher.news.wait()
        finally:
            self._watchers.discard(watcher)

    async def barrier(self) -> int:
        """See `ConsensusStore`; uses up one revision, which no entry has."""
        with self._writing("barrier") as db:
            db.execute("UPDATE sqlite_sequence SET seq = seq + 1 WHERE name = 'entry'")
            return _last_revision(db)

    async def read(self, keys: Sequence[str]) -> tuple[Entry | None, ...]:
        """See `ConsensusStore`; one machine needs no barrier."""
        wanted = [check_key(key) for key in keys]
        with self._reading() as db:
            return tuple(_entry(db, key) for key in wanted)

    async def close(self) -> None:
        """End all watches; further calls raise."""
        self.close_now()

    # -- the move of the truth ---------------------------------------------------------------------------------------

    @property
    def last_revision(self) -> int:
        """The newest revision that was given out; the one before the first while there is none."""
        with self._lock:
            return _last_revision(self._db)

    def rows(self) -> tuple[Change, ...]:
        """Return the newest write of every key in the order of revisions, deletions too; also when retired."""
        with self._lock:
            return tuple(
                Change(*row) for row in self._db.execute("SELECT key, value, revision FROM entry ORDER BY 1, 3")
            )

    def freeze(self) -> None:
        """Refuse writes with `StoreMovedError` until `thaw`, so that a copy can be compared; reads go on."""
        self._frozen = True

    def thaw(self) -> None:
        """Accept writes again."""
        self._frozen = False

    def retire(self) -> None:
        """Send everybody elsewhere from now on: every operation and every watch raises `StoreMovedError`.

        It lasts as long as this object; a node that comes back after the move retires its store again.
        """
        self._retired = True
        self._wake()

    @property
    def frozen(self) -> bool:
        """Whether writes are refused for now."""
        return self._frozen

    @property
    def retired(self) -> bool:
        """Whether the truth is elsewhere."""
        return self._retired

    def import_rows(self, rows: Iterable[tuple[str, bytes]]) -> int:
        """Put entries into an empty store, all or none, and return the last revision.

        Raises:
            EntryExistsError: it is not empty.
        """
        with self._writing("import") as db:
            for key, value in rows:
                _check_revision(db, check_key(key), 0)
                _put(db, key, check_value(key, value))
            revision = _last_revision(db)
        self._wake()
        return revision

    async def clear(self) -> None:
        """Drop all entries and end all watches; revisions go on. Facts stay, freezing and retirement end."""
        with self._lock:
            self._retired = self._frozen = False
            with self._writing("clear") as db:
                db.execute("DELETE FROM entry")
                db.execute("DELETE FROM operation")
            self._end_watches()

    def fact(self, name: str) -> object:
        """Return what this node noted under a name; None when it never did."""
        with self._lock:
            row = self._db.execute("SELECT value FROM fact WHERE name = ?", (name,)).fetchone()
        return json.loads(row[0]) if row else None

    def set_facts(self, **facts: object) -> None:
        """Note things about this node, durably and all at once; they are JSON, and no part of the cluster's truth."""
        with self._lock, _transaction(self._db, "facts"):
            self._db.executemany(
                "INSERT OR REPLACE INTO fact VALUES (?, ?)",
                [(name, json.dumps(value)) for name, value in facts.items()],
            )

    def close_now(self) -> None:
        """Close without a loop."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._end_watches()
                self._db.close()

    def __repr__(self) -> str:
        place = str(self.path) if self.path else "memory"
        if self._closed:
            return f"<LocalConsensusStore {place} closed>"
        state = " retired" if self._retired else " frozen" if self._frozen else ""
        return f"<LocalConsensusStore {place} at revision {self.last_revision}{state}>"

    # -- beneath -----------------------------------------------------------------------------------------------------

    def _write(self, action: str, key: str, value: bytes | None, expected: int, op_id: str) -> int:
        check_key(key)
        # A repeated call is the same call: another action, key or revision under the same op_id is another one.
        operation = f"{action} {key} {expected} {op_id}" if op_id else ""
        with self._writing(key) as db:
            if operation and (
                done := db.execute("SELECT revision FROM operation WHERE id = ?", (operation,)).fetchone()
            ):
                return int(done[0])
            if action != "create" and expected < 1:
                raise ConflictError(key, expected)
            _check_revision(db, key, expected)
            revision = _put(db, key, value)
            if operation:
                db.execute("INSERT INTO operation VALUES (?, ?)", (operation, revision))
            if revision % SWEEP_EVERY == 0:
                _sweep(db, revision)
        self._wake()
        return revision

    def _changes(self, prefix: str, after: int) -> list[Change]:
        """Not gated: without a quorum a watch is silent, it does not end."""
        with self._lock:
            if self._closed:
                return []
            if self._retired:
                raise StoreMovedError
            rows = self._db.execute(
                "SELECT key, value, revision FROM entry "  # noqa: S608
                f"WHERE revision > :after AND {_WITHIN} ORDER BY revision LIMIT {WATCH_BATCH}",
                {"after": after, "prefix": prefix},
            )
            return [Change(*row) for row in rows]

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._check_open()
            try:
                yield self._db
            except sqlite3.Error as error:
                raise NoQuorumError(f"{self.path or 'the store'} cannot be read: {error}") from error

    @contextmanager
    def _writing(self, key: str) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._check_open()
            if self._frozen:
                raise StoreMovedError
            with _transaction(self._db, key):
                yield self._db

    def _check_open(self) -> None:
        if self._closed:
            raise NoQuorumError("this store is closed")
        if self._retired:
            raise StoreMovedError
        if self.gate is not None:
            self.gate()

    def _wake(self) -> None:
        for watcher in tuple(self._watchers):
            watcher.wake()

    def _end_watches(self) -> None:
        for watcher in tuple(self._watchers):
            watcher.over = True
        self._wake()


def _opened(path: Path | None, first_revision: int) -> sqlite3.Connection:
    db: sqlite3.Connection | None = None
    try:
        db = sqlite3.connect(path or ":memory:", timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.executescript(_SCHEMA)
        # The row appears with the first insertion; here it is what makes revisions begin where they shall.
        db.execute(
            "INSERT INTO sqlite_sequence (name, seq) "
            "SELECT 'entry', ? WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'entry')",
            (first_revision - 1,),
        )
    except sqlite3.Error as error:
        if db is not None:
            db.close()
        raise ClusterDataError(
            str(path),
            f"SQLite says: {error}",
            "Check the folder's rights and free space; a damaged file is brought back with 'af cluster recover'",
        ) from error
    return db


_NOTHING_WRITTEN = frozenset({"SQLITE_FULL", "SQLITE_READONLY", "SQLITE_CANTOPEN"})
"""Failures of a commit that come before its last frame, which is the one that counts."""


@contextmanager
def _transaction(db: sqlite3.Connection, key: str) -> Iterator[None]:
    """All or nothing; only a commit that fails leaves it open which of them."""
    try:
        db.execute("BEGIN IMMEDIATE")
        yield
    except BaseException as error:
        if db.in_transaction:
            db.execute("ROLLBACK")
        if isinstance(error, sqlite3.Error):
            raise StoreWriteError("the node's own SQLite", str(error)) from error
        raise
    try:
        db.execute("COMMIT")
    except sqlite3.Error as error:
        if db.in_transaction:
            db.execute("ROLLBACK")
        if error.sqlite_errorname in _NOTHING_WRITTEN:
            raise StoreWriteError("the node's own SQLite", str(error)) from error
        raise UnknownOutcomeError(key) from error


def _check_revision(db: sqlite3.Connection, key: str, expected: int) -> None:
    """Let a write go on that knows the newest revision; 0 stands for an entry that is not there."""
    row = db.execute("SELECT revision FROM entry WHERE key = ? AND value IS NOT NULL", (key,)).fetchone()
    found = int(row[0]) if row else 0
    if found == expected:
        return
    if expected == 0:
        raise EntryExistsError(key, found)
    raise ConflictError(key, expected, found or None)


def _put(db: sqlite3.Connection, key: str, value: bytes | None) -> int:
    """A write is a new row, so that the order of rows is the order of writes."""
    db.execute("DELETE FROM entry WHERE key = ?", (key,))
    db.execute("INSERT INTO entry (key, value) VALUES (?, ?)", (key, value))
    return _last_revision(db)


def _sweep(db: sqlite3.Connection, revision: int) -> None:
    db.execute("DELETE FROM operation WHERE revision <= ?", (revision - OPERATIONS_KEPT,))
    db.execute(
        "DELETE FROM entry WHERE value IS NULL AND revision <= "
        "(SELECT revision FROM entry WHERE value IS NULL ORDER BY revision DESC LIMIT 1 OFFSET ?)",
        (DELETIONS_KEPT,),
    )


def _last_revision(db: sqlite3.Connection) -> int:
    return int(db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'entry'").fetchone()[0])


def _entry(db: sqlite3.Connection, key: str) -> Entry | None:
    row = db.execute("SELECT key, value, revision FROM entry WHERE key = ? AND value IS NOT NULL", (key,)).fetchone()
    return Entry(*row) if row else None


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
