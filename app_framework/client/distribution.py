"""How a cube of one node takes part in distributed ones.

with connect("http://localhost:8080") as client:
    client.cubes["sales"].distribution.stop()
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from app_framework.client.client import Client


@dataclass(frozen=True, slots=True)
class MaskReport:
    """Who knows of a change of masked members: rows may be dropped once everybody does.

    Args:
        version: of the masks; every change makes it one larger.
        complete: whether every query cube knows.
        acknowledged: the query cubes that do, ``name@node``.
        failures: the others, and why.
        masks: the members by level that the data cube is not asked for now.
    """

    version: int
    complete: bool
    acknowledged: tuple[str, ...] = ()
    failures: Mapping[str, str] = field(default_factory=dict)
    masks: Mapping[str, Sequence[Any]] = field(default_factory=dict)


class CubeDistribution:
    """A data cube or query cube on the node that the client was given; no other node is asked in its place.

    Args:
        client: asks the node.
        path: of the cube.
    """

    def __init__(self, client: Client, path: str) -> None:
        self._client = client
        self._path = f"{path}/distribution"

    def read(self) -> dict[str, Any]:
        """Return its ``kind`` and ``state``; of a query cube what it knows of each data cube, as ``data_cubes``.

        Raises:
            ProblemError: it is neither.
        """
        found: dict[str, Any] = self._client.get_json(self._path, here=True)
        return found

    @property
    def state(self) -> str:
        """``joined`` or ``started``, or ``stopped``."""
        return str(self.read()["state"])

    def start(self) -> None:
        """Let it take part from now on, also after restarts."""
        self._client.post(f"{self._path}/start", {}, replaces=True, here=True)

    def stop(self) -> None:
        """Take it out until it is started: nobody waits for its rows any more."""
        self._client.post(f"{self._path}/stop", {}, replaces=True, here=True)

    def mask(self, level: str, members: Sequence[Any]) -> MaskReport:
        """Let no query cube ask this data cube for some members."""
        return self._change("mask", {"level": level, "members": list(members)})

    def unmask(self, level: str, members: Sequence[Any]) -> MaskReport:
        """Let query cubes ask it for them again."""
        return self._change("unmask", {"level": level, "members": list(members)})

    def roll_over(self, level: str, *, mask: Sequence[Any] = (), unmask: Sequence[Any] = ()) -> MaskReport:
        """Do both in one step."""
        return self._change("roll-over", {"level": level, "mask": list(mask), "unmask": list(unmask)})

    def _change(self, door: str, body: Mapping[str, Any]) -> MaskReport:
        told = self._client.post_json(f"{self._path}/{door}", body, replaces=True, here=True)
        return MaskReport(
            told["version"], told["complete"], tuple(told["acknowledged"]), told["failures"], told["masks"]
        )

    def __repr__(self) -> str:
        return f"<CubeDistribution {self._client.given_url}{self._path}>"
