"""Who has to answer a query cube, as it stands in the store now and whenever that changes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Container, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from app_framework.cluster.errors import ConflictError
from app_framework.cluster.store import Entry
from app_framework.distribution.standing import CubeRecord, StandingRecord, cubes_of, who_must_answer
from app_framework.errors import FrameworkError, UserError

if TYPE_CHECKING:
    from app_framework.cluster.store import Change, ConsensusStore
    from app_framework.distribution.subjects import Places

_logger = logging.getLogger(__name__)
RETRY_S = 0.5

Told = Callable[[Mapping[str, StandingRecord], Mapping[str, CubeRecord]], None]


class StandingWatch:
    """See above.

    Args:
        store: where it stands.
        places: of the cluster.
        query_cube: its name.
        applications: those that it lists; what it no longer lists need not answer.
        told: is called with who has to answer, and with what data cubes say of themselves.

    Attributes:
        cubes: what data cubes wrote of themselves, by id.
    """

    def __init__(
        self, store: ConsensusStore, places: Places, query_cube: str, applications: Container[str], told: Told
    ) -> None:
        self.cubes: Mapping[str, CubeRecord] = {}
        self._store = store
        self._places = places
        self._query_cube = query_cube
        self._applications = applications
        self._told = told
        self._entries: dict[str, Entry] = {}

    async def read(self) -> None:
        """Read it all.

        Raises:
            ServiceUnavailableError: it cannot be read now.
        """
        self._entries = {entry.key: entry for entry in await self._store.entries(self._places.keys)}
        self._tell()

    async def follow(self) -> None:
        """Tell every change, until cancelled."""
        while True:
            try:
                after = max((entry.revision for entry in self._entries.values()), default=0)
                changes = self._store.watch(self._places.keys, after=after)
                try:
                    async for change in changes:
                        self._note(change)
                finally:
                    if isinstance(changes, AsyncGenerator):
                        await changes.aclose()
            except (UserError, FrameworkError) as error:
                _logger.warning("who has to answer query cube %r cannot be followed: %s", self._query_cube, error)
            await asyncio.sleep(RETRY_S)
            with suppress(FrameworkError):
                await self.read()

    async def forget(self, node: str, cube: str, turn: int) -> None:
        """Remove what stands of a data cube that left in some turn, where the store is not its own."""
        key = self._places.standing_of(self._query_cube, node, cube)
        with suppress(ConflictError, FrameworkError):
            entry = await self._store.get(key)
            if entry is not None and StandingRecord.parse(entry.value).turn <= turn:
                await self._store.delete(key, entry.revision)

    def _note(self, change: Change) -> None:
        if change.value is None:
            self._entries.pop(change.key, None)
        else:
            self._entries[change.key] = Entry(change.key, change.value, change.revision)
        self._tell()

    def _tell(self) -> None:
        self.cubes = cubes_of(self._entries.values(), self._places)
        standing = who_must_answer(self._entries.values(), self._places, self._query_cube)
        self._told({id_: each for id_, each in standing.items() if each.application in self._applications}, self.cubes)

    def __repr__(self) -> str:
        return f"<StandingWatch of {self._query_cube!r}, {len(self._entries)} entries>"
