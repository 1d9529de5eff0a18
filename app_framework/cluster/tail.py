"""The copy of the store that every node keeps: it follows the truth, whoever has it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from app_framework.cluster.errors import StoreMovedError
from app_framework.cluster.store import Change, ConsensusStore, Entry
from app_framework.errors import FrameworkError, UserError

_logger = logging.getLogger(__name__)

RETRY_S = 0.2


class Tail:
    """Follows a store and keeps the newest entries.

    Args:
        heard: called with every change, in order.
        moved: called when the store says that the truth is elsewhere.

    Attributes:
        revision: of the newest change seen.
    """

    def __init__(self, heard: Callable[[Change], None], moved: Callable[[], None]) -> None:
        self.revision = 0
        self._heard = heard
        self._moved = moved
        self._entries: dict[str, Entry] = {}
        self._following: asyncio.Task[None] | None = None

    def follow(self, store: ConsensusStore) -> None:
        """Follow a store from the newest change on that was seen."""
        self.stop()
        self._following = asyncio.create_task(self._follow(store), name="cluster-tail")

    def stop(self) -> None:
        """Follow nothing any more."""
        if self._following is not None:
            self._following.cancel()
            self._following = None

    def entries(self, prefix: str = "") -> tuple[Entry, ...]:
        """Return the entries whose key is the prefix or begins with ``prefix.``."""
        chosen = (
            entry for key, entry in self._entries.items() if not prefix or key == prefix or key.startswith(f"{prefix}.")
        )
        return tuple(sorted(chosen, key=lambda entry: entry.key))

    def take(self, change: Change) -> None:
        """Note a change, unless a newer one of the entry is known."""
        known = self._entries.get(change.key)
        self.revision = max(self.revision, change.revision)
        if known is not None and known.revision >= change.revision:
            return
        if change.value is None:
            self._entries.pop(change.key, None)
        else:
            self._entries[change.key] = Entry(change.key, change.value, change.revision)
        self._heard(change)

    async def _follow(self, store: ConsensusStore) -> None:
        while True:
            try:
                async for change in store.watch(after=self.revision):
                    self.take(change)
            except StoreMovedError:
                self._moved()
            except (FrameworkError, UserError) as error:
                _logger.debug("following the store failed, it is tried again: %s", error)
            except Exception:  # a node that follows nothing any more shows yesterday's members for ever
                _logger.exception("following the store failed and is tried again")
            await asyncio.sleep(RETRY_S)
