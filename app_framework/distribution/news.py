"""What data cubes say of themselves, now and then and when something changed."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from app_framework.distribution.contribution import DataCubeId
from app_framework.distribution.errors import InvalidContributionError
from app_framework.distribution.liveness import Stamp
from app_framework.distribution.reading import Reader


@dataclass(frozen=True, slots=True)
class News:
    """One word of a data cube.

    Args:
        turn: in which it takes part; see `standing.CubeRecord`.
        takes_part: whether it does; False says once that it left.
        incarnation: of the running cube.
        version: of its data.
        state: a digest of all else that it would contribute: model, members, branches, masks; empty where it could not
            yet read what it holds.
        trouble: why it cannot tell what it holds since its last commits; empty where it can.
    """

    node: str
    cube: str
    application: str
    turn: int
    takes_part: bool
    incarnation: str
    version: int
    state: str
    trouble: str = ""

    @property
    def id(self) -> DataCubeId:
        """Which data cube it is."""
        return DataCubeId(self.node, self.cube)

    @property
    def stamp(self) -> Stamp:
        """Which contribution it has now."""
        return Stamp(self.incarnation, self.version, self.state)

    def to_bytes(self) -> bytes:
        """Return the news as they travel."""
        return json.dumps(asdict(self), separators=(",", ":")).encode()

    @staticmethod
    def parse(data: bytes) -> News:
        """Return the news that bytes hold.

        Raises:
            InvalidContributionError: they hold none.
        """
        try:
            read = Reader(json.loads(data), "news of a data cube")
        except (ValueError, RecursionError) as error:
            raise InvalidContributionError(f"news are not JSON: {error}") from error
        return News(
            read.text("node"),
            read.text("cube"),
            read.text("application"),
            read.number("turn"),
            read.flag("takes_part"),
            read.text("incarnation"),
            read.number("version"),
            read.text("state", empty=True),
            read.text("trouble", empty=True),
        )
