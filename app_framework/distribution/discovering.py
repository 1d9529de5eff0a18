"""Fetching what data cubes bring, and telling them what became of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from app_framework.distribution.contribution import Contribution, DataCubeId
from app_framework.distribution.data_doors import INCARNATION
from app_framework.distribution.delivery import unpack
from app_framework.distribution.errors import InvalidContributionError
from app_framework.messaging.errors import DeadlineExceededError
from app_framework.olap.partial.answer import PartialAnswer
from app_framework.olap.partial.paths import Paths, WrongPathsError
from app_framework.olap.partial.question import PartialFrame, PartialQuestion

if TYPE_CHECKING:
    from app_framework.distribution.limits import DistributionLimits
    from app_framework.distribution.publishing import Published
    from app_framework.distribution.subjects import Places
    from app_framework.messaging import Messenger

TELL_ATTEMPTS = 3
LARGE_BYTES = 1 << 20
"""What is larger is read in a thread, so that questions are served meanwhile (AA14)."""


class Discoverer:
    """See above.

    Args:
        query_cube: who fetches, ``name@node``.
        places: of the cluster.
        messenger: reaches data cubes.
        limits: the bounds.
    """

    def __init__(self, query_cube: str, places: Places, messenger: Messenger, limits: DistributionLimits) -> None:
        self._query_cube = query_cube
        self._places = places
        self._messenger = messenger
        self._limits = limits

    async def contribution(self, data_cube: DataCubeId, known: Contribution | None) -> Published:
        """Fetch what a data cube brings; what changed since is enough where something of it is known.

        Raises:
            InvalidContributionError: what came is no contribution.
            StaleDeltaError: it builds on something else than is known.
            TooManyMembersError, PartTooLargeError: it is more than is taken.
            MessengerError, RemoteError: it did not come.
        """
        from app_framework.distribution.publishing import read_published

        since = None if known is None else {"incarnation": known.incarnation, "version": known.version}
        pieces = await self._ask(data_cube, "contribution", json.dumps({"since": since}).encode())
        if sum(map(len, pieces)) > LARGE_BYTES:
            return await asyncio.to_thread(read_published, pieces, known, self._limits.members_max)
        return read_published(pieces, known, self._limits.members_max)

    async def distributing(
        self, contribution: Contribution, levels: Sequence[str], branch: str, version: int
    ) -> dict[str, frozenset[object]]:
        """Fetch the members of distributing levels that a data cube holds on a branch, in a version.

        Raises:
            InvalidContributionError: what came are no members.
            MessengerError, RemoteError: nothing came, or the version is not there any more.
        """
        from app_framework.distribution.publishing import path_levels

        frames = tuple(PartialFrame((level,)) for level in levels)
        question = PartialQuestion(
            frames, branch, version, self._limits.discovery_timeout_s, rows_max=self._limits.members_max
        )
        headers = {INCARNATION: contribution.incarnation}
        answer = PartialAnswer.read(await self._ask(contribution.id, "partial", question.to_bytes(), headers))
        held = {}
        try:
            for level, table in zip(levels, answer.tables, strict=True):
                known = path_levels(contribution.outline.hierarchy_of(level))
                own = [each for each in known if each.name == level]
                held[level] = Paths.read(own, [table]).held(level)
        except (ValueError, WrongPathsError) as error:
            raise InvalidContributionError(str(error)) from error
        return held

    async def tell(self, data_cube: DataCubeId, what: Mapping[str, object]) -> None:
        """Tell a data cube that its masks are known, or why it is not let in.

        Raises:
            MessengerError: it did not hear it.
        """
        body = json.dumps({"query_cube": self._query_cube, **what}).encode()
        for attempt in range(1, TELL_ATTEMPTS + 1):
            try:
                await self._request(data_cube, "told", body, self._limits.suspect_s)
                return
            except DeadlineExceededError:
                if attempt == TELL_ATTEMPTS:
                    raise

    async def _ask(
        self, data_cube: DataCubeId, door: str, data: bytes, headers: Mapping[str, str] | None = None
    ) -> list[bytes]:
        timeout_s = self._limits.discovery_timeout_s
        # What is not begun to be answered soon was lost: it is asked for again with the next word of the data cube.
        reply = await self._request(data_cube, door, data, min(timeout_s, self._limits.announcement_s), headers)
        return await unpack(
            self._messenger,
            reply,
            node=data_cube.node,
            timeout_s=timeout_s,
            bytes_max=self._limits.bytes_max,
        )

    async def _request(
        self, data_cube: DataCubeId, door: str, data: bytes, timeout_s: float, headers: Mapping[str, str] | None = None
    ) -> bytes:
        subject = self._places.of_data(data_cube.node, data_cube.cube, door)
        return (await self._messenger.request(subject, data, timeout_s=timeout_s, headers=headers or {})).data

    def __repr__(self) -> str:
        return f"<Discoverer for {self._query_cube}>"
