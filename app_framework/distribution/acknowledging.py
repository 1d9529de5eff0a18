"""What query cubes said to a data cube: that they know of its masks, or why it is not let in."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app_framework.distribution.errors import InvalidContributionError
from app_framework.distribution.masks import MaskReport
from app_framework.distribution.reading import Reader

if TYPE_CHECKING:
    from app_framework.cluster.store import Entry


@dataclass(frozen=True, slots=True)
class QueryCubeRecord:
    """Whether a query cube takes part on a node, written by itself.

    Args:
        state: ``started``, ``stopped`` by `stop_distribution`, or ``left`` with its node.
        applications: those that it lists.
    """

    node: str
    name: str
    state: str
    applications: tuple[str, ...]

    @property
    def id(self) -> str:
        """Name and node."""
        return f"{self.name}@{self.node}"

    def to_bytes(self) -> bytes:
        """Return the record as it is stored."""
        return json.dumps(
            {"node": self.node, "name": self.name, "state": self.state, "applications": list(self.applications)}
        ).encode()

    @staticmethod
    def parse(data: bytes) -> QueryCubeRecord:
        """Return the record that was stored."""
        try:
            read = Reader(json.loads(data), "a record of a query cube")
        except ValueError as error:
            raise InvalidContributionError(f"a record of a query cube is not JSON: {error}") from error
        return QueryCubeRecord(read.text("node"), read.text("name"), read.text("state"), read.texts("applications"))


class Acknowledgements:
    """What query cubes said to one data cube.

    Attributes:
        refusals: of the query cubes that did not let it in, ``name@node``, why.
    """

    def __init__(self) -> None:
        self.refusals: dict[str, str] = {}
        self._known: dict[str, int] = {}
        self._not_masked: dict[str, str] = {}
        self._news = asyncio.Event()

    def note(self, query_cube: str, version: int, not_masked: str | None = None) -> None:
        """Take note that a query cube routes by masks of a version, and has for some time; or why not by all."""
        self.refusals.pop(query_cube, None)
        self._not_masked.pop(query_cube, None)
        if not_masked is not None:
            self._not_masked[query_cube] = not_masked
        self._known[query_cube] = max(version, self._known.get(query_cube, 0))
        self._news.set()

    def refuse(self, query_cube: str, reason: str) -> None:
        """Take note that a query cube does not let the data cube in."""
        self.refusals[query_cube] = reason

    def forget(self) -> None:
        """Forget what was said: whoever is there says it again."""
        self.refusals.clear()
        self._known.clear()
        self._not_masked.clear()

    async def gathered(self, expected: Iterable[str], version: int, timeout_s: float) -> MaskReport:
        """Wait until everybody knows, or for some time, and return who does."""
        wanted = sorted(set(expected))
        try:
            async with asyncio.timeout(timeout_s):
                while self._unknown(wanted, version):
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            pass
        text = f"it did not say within {timeout_s:g} s that it knows"
        failures = {each: self._not_masked[each] for each in wanted if each in self._not_masked}
        failures |= dict.fromkeys(self._unknown(wanted, version), text)
        return MaskReport(version, tuple(each for each in wanted if each not in failures), failures)

    def _unknown(self, wanted: Iterable[str], version: int) -> list[str]:
        return [each for each in wanted if self._known.get(each, 0) < version]


def expected_of(entries: Iterable[Entry], application: str) -> list[str]:
    """Return the query cubes that have to know of the masks of a data cube of an application; pure."""
    records = (QueryCubeRecord.parse(entry.value) for entry in entries)
    return [each.id for each in records if each.state == "started" and application in each.applications]
