"""Where a cluster's decisions live: entries with revisions, written by compare-and-set.

`LocalConsensusStore` keeps them in SQLite while a node is alone, `JetStreamConsensusStore` in a replicated stream;
one suite of tests holds for both. A revision is one number for the whole store: it grows with every write, it never
goes back, and it survives the move from the first to the second.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from app_framework.cluster.errors import InvalidKeyError, ValueTooLargeError

KEY_CHARS_MAX = 512
VALUE_BYTES_MAX = 768 * 1024
"""Room for headers and for base64 in the answers of a server whose messages end at 1 MiB: 768 KiB become 1 MiB."""

_KEY = re.compile(r"[A-Za-z0-9_=/-]+(\.[A-Za-z0-9_=/-]+)*\Z")


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry as it stands.

    Args:
        key: words joined by dots.
        value: its bytes.
        revision: of its last write.
    """

    key: str
    value: bytes
    revision: int


@dataclass(frozen=True, slots=True)
class Change:
    """One write as a watcher sees it.

    Args:
        key: of the entry.
        value: its new bytes; None when it was deleted.
        revision: of the write.
    """

    key: str
    value: bytes | None
    revision: int


class ConsensusStore(Protocol):
    """A small, durable map on which everybody agrees.

    A write that returned is durable as the implementation says. One that raised `ConflictError`, `NoQuorumError` or
    `StoreMovedError` did not happen; after `UnknownOutcomeError` it may have, and the same call with the same `op_id`
    (within two minutes) is safe and tells.
    """

    async def get(self, key: str) -> Entry | None:
        """Return an entry from where decisions are made; a hint until a write confirms it."""

    async def create(self, key: str, value: bytes, *, op_id: str = "") -> int:
        """Write an entry that must not exist yet, and return its revision.

        Raises:
            EntryExistsError: it is there.
        """

    async def update(self, key: str, value: bytes, revision: int, *, op_id: str = "") -> int:
        """Write an entry that must still have a revision, and return its new one.

        Raises:
            ConflictError: it has another revision, or is gone.
        """

    async def delete(self, key: str, revision: int, *, op_id: str = "") -> int:
        """Remove an entry that must still have a revision, and return the revision of the removal.

        Raises:
            ConflictError: it has another revision, or is gone.
        """

    async def entries(self, prefix: str = "") -> tuple[Entry, ...]:
        """Return all entries whose key is the prefix or begins with ``prefix.``, in the order of their keys."""

    def watch(self, prefix: str = "", *, after: int = 0) -> AsyncIterator[Change]:
        """Tell the newest write of every key that is newer than `after`, then every write as it happens.

        It resumes by itself over disconnections and elections, may leave out writes that later ones of the same key
        replaced, never goes back in revisions, and ends when the store is closed or the iterator is.
        """

    async def barrier(self) -> int:
        """Write a mark through the majority and return its revision; what is read after it is not older (2.6 ms)."""

    async def read(self, keys: Sequence[str]) -> tuple[Entry | None, ...]:
        """Return entries as they were at one point after the call began (linearizable): a barrier, then a read."""

    async def close(self) -> None:
        """End all watches; further calls raise."""


def check_key(key: str) -> str:
    """Return a key as it is, or refuse it.

    >>> check_key("cmd.4f")
    'cmd.4f'

    Raises:
        InvalidKeyError: it cannot be one.
    """
    if len(key) > KEY_CHARS_MAX or not _KEY.match(key):
        raise InvalidKeyError(key)
    return key


def check_value(key: str, value: bytes) -> bytes:
    """Return a value as it is, or refuse it.

    Raises:
        ValueTooLargeError: it has too many bytes.
    """
    if len(value) > VALUE_BYTES_MAX:
        raise ValueTooLargeError(key, len(value), VALUE_BYTES_MAX)
    return value
