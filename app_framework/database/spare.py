"""Engines in memory that are used again: a program that opens hundreds of small databases waits for a few only.

An engine takes some fifteen milliseconds to begin and to end; a database attached to one that is there takes one. Each
is used by one database at a time, and forgets all of it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from types import TracebackType

from app_framework.database.duckdb import MEMORY, Cursor, Engine
from app_framework.database.errors import DatabaseError
from app_framework.database.sql import quote

SPARE: ContextVar[SpareEngines | None] = ContextVar("spare engines", default=None)
"""Where inline databases in memory take their engines from; each has one of its own without."""
SPARE_MAX = 32


class SpareEngines:
    """Keeps engines of one thread; leave it as a context manager or with `close`.

    Args:
        lender: keeps them in its place, so that they outlive it.
    """

    def __init__(self, lender: SpareEngines | None = None) -> None:
        self._idle: list[Engine] = [] if lender is None else lender._idle
        self._lent = lender is not None
        self._used: dict[RecycledEngine, None] = {}

    @contextmanager
    def used(self) -> Iterator[None]:
        """Let the databases that are opened inside take their engines from here."""
        before = SPARE.set(self)
        try:
            yield
        finally:
            SPARE.reset(before)

    def take(self) -> Engine:
        """Return an engine with an empty database."""
        engine = RecycledEngine(self, self._idle.pop() if self._idle else Engine(MEMORY, threads=1))
        self._used[engine] = None
        return engine

    def give_back(self, used: RecycledEngine, engine: Engine) -> None:
        """Keep an engine whose database is gone."""
        self._used.pop(used, None)
        if len(self._idle) >= SPARE_MAX:
            engine.close()
        else:
            self._idle.append(engine)

    def close(self) -> None:
        """Drop the databases that nobody closed, and end the engines unless they are lent."""
        for used in tuple(self._used):
            used.close()
        while self._idle and not self._lent:
            self._idle.pop().close()

    def __enter__(self) -> SpareEngines:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<SpareEngines {len(self._idle)} idle>"


class RecycledEngine(Engine):
    """One use of an engine: a database of its own in it.

    Args:
        spare: where the engine goes afterwards.
        engine: what is used.
    """

    _numbers = itertools.count(1)

    def __init__(self, spare: SpareEngines, engine: Engine) -> None:
        self.path = MEMORY
        self._spare = spare
        self._engine: Engine | None = engine
        self._cursors: list[Cursor] = []
        self._name = f"database{next(self._numbers)}"
        self._root = engine._root
        opener = engine.cursor()
        opener.execute(f"ATTACH ':memory:' AS {quote(self._name)}")
        opener.close()

    def cursor(self) -> Cursor:
        """Return a session in the database."""
        cursor = super().cursor()
        cursor.execute(f"USE {quote(self._name)}")
        self._cursors.append(cursor)
        return cursor

    def close(self) -> None:
        """Drop the database, with whatever was attached beside it."""
        engine, self._engine = self._engine, None
        if engine is None:
            return
        for cursor in self._cursors:
            with suppress(DatabaseError):
                cursor.close()
        cleaner = engine.cursor()
        attached = cleaner.rows("SELECT database_name FROM duckdb_databases() WHERE NOT internal")
        for (name,) in attached:
            if name != "memory":
                cleaner.execute(f"DETACH {quote(str(name))}")
        cleaner.close()
        self._spare.give_back(self, engine)
