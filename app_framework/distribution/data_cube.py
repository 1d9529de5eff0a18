"""A data cube: a cube with data that also answers for its part of distributed ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from app_framework.distribution.limits import DistributionLimits
from app_framework.distribution.masks import MaskReport

if TYPE_CHECKING:
    from app_framework.clock import Clock
    from app_framework.cluster.store import ConsensusStore
    from app_framework.database import Database
    from app_framework.distribution.concealment import Concealment
    from app_framework.distribution.contribution import DataCubeId
    from app_framework.messaging import Messenger
    from app_framework.olap.cube import Cube
    from app_framework.olap.definition import CubeDefinition

DataCubeState = Literal["closed", "joined", "stopped"]


class DataCube:
    """One node's part of an application.

    Args:
        cube: answers on this node, as ever.
        database: where its rows are.
        definition: of the cube.
        node: the name of this node.
        cluster: the namespace: only query cubes with the same one see it.
        messenger: reaches them.
        store: where it stands whether it takes part.
        application: which cubes have the same hierarchies and measures.
        concealed: what query cubes do not see.
        priority: of the data cubes that hold a member, that with the lowest number is asked for it.
        limits: the bounds.
        clock: the time.
    """

    def __init__(
        self,
        cube: Cube,
        database: Database,
        definition: CubeDefinition,
        *,
        node: str,
        cluster: str,
        messenger: Messenger,
        store: ConsensusStore,
        application: str,
        concealed: Concealment | None = None,
        priority: int | None = None,
        limits: DistributionLimits | None = None,
        clock: Clock | None = None,
    ) -> None:
        raise NotImplementedError

    id: DataCubeId
    state: DataCubeState
    cube: Cube
    application: str

    async def open(self) -> None:
        """Take part, unless `stop_distribution` was called and `start_distribution` was not since.

        Raises:
            ModelError: the cube cannot be asked from elsewhere; every reason is told.
        """
        raise NotImplementedError

    async def close(self) -> None:
        """Say nothing more; that is not a leave: query cubes go on needing this data cube."""
        raise NotImplementedError

    async def start_distribution(self) -> None:
        """Take part from now on, also after restarts (A16)."""
        raise NotImplementedError

    async def stop_distribution(self) -> None:
        """Leave: query cubes answer without this data cube until `start_distribution`, also after restarts (A17)."""
        raise NotImplementedError

    async def mask(self, level: str, members: Sequence[object]) -> MaskReport:
        """Let no query cube ask this data cube for some members; returns when they have all said so, or had the time.

        Raises:
            QueryError: there is no such level, or it cannot have such members.
        """
        raise NotImplementedError

    async def unmask(self, level: str, members: Sequence[object]) -> MaskReport:
        """Let query cubes ask this data cube for some members again; see `mask`."""
        raise NotImplementedError

    async def roll_over(self, level: str, *, mask: Sequence[object], unmask: Sequence[object]) -> MaskReport:
        """Mask some members and unmask others, in one step; see `mask`."""
        raise NotImplementedError

    @property
    def masks(self) -> dict[str, tuple[object, ...]]:
        """The masked members by level."""
        raise NotImplementedError
