"""Tables of our own, in memory beside the database: what can be made again is not written to its file."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

from app_framework.database.sql import quote

if TYPE_CHECKING:
    from app_framework.database.duckdb import Cursor

CATALOG = "#scratch"


@dataclass(frozen=True, slots=True)
class ScratchTable:
    """A table that may be made, and what it can be made of.

    Args:
        name: what it has to be called, as SQL.
        version: the newest version, which the tables of the model are read in.
        oldest: the oldest that is kept: what left since then is still there.
    """

    name: str
    version: int
    oldest: int

    def beside(self, number: int) -> str:
        """Return the name, as SQL, of a further table that is made with this one."""
        return f'{self.name[:-1]} {number}"'


class Scratch:
    """A catalog in memory that every cursor of an engine sees; it is there from its first table on.

    A transaction may read the tables of the model and write here: what it makes is of one version.
    """

    def __init__(self) -> None:
        self._numbers = count(1)
        self._lock = threading.Lock()
        self._attached = False

    def new_table(self, cursor: Cursor) -> str:
        """Return the name, as SQL, that a new table may have; not inside a transaction."""
        with self._lock:
            if not self._attached:
                cursor.execute(f"ATTACH ':memory:' AS {quote(CATALOG)}")
                self._attached = True
            return f"{quote(CATALOG)}.main.{quote(f'#{next(self._numbers)}')}"
