"""A query cube: holds no rows, answers for all data cubes of its applications, and is a cube like any other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from app_framework.database.branches import MASTER
from app_framework.distribution.limits import DistributionLimits

if TYPE_CHECKING:
    from app_framework.clock import Clock
    from app_framework.cluster.store import ConsensusStore
    from app_framework.database.listening import CommitListener
    from app_framework.messaging import Messenger
    from app_framework.olap.cellset import CellSet
    from app_framework.olap.cellstream import CellStream
    from app_framework.olap.drillthrough import Drillthrough
    from app_framework.olap.errors import QueryProblem
    from app_framework.olap.query import CubeQuery
    from app_framework.olap.rowset import RowSet

Replication = Literal["on-slicer", "always", "never"]
NodeState = Literal["required", "discovering", "active", "suspect", "refused"]


@dataclass(frozen=True, slots=True)
class DataNode:
    """What a query cube knows of one data cube.

    Args:
        node: where it is.
        cube: its name there.
        application: that it is a part of.
        state: ``active`` is asked; ``required`` has not been heard of since this query cube began, and is needed.
        required: whether questions that need it are refused while it is not active.
        version: of its data, as far as it is known here.
        members: how many it holds of each distributing level.
        heard_s: seconds since it was last heard; None where it was not.
        refused: why it is not let in.
    """

    node: str
    cube: str
    application: str
    state: NodeState
    required: bool = False
    version: int | None = None
    members: Mapping[str, int] | None = None
    heard_s: float | None = None
    refused: str | None = None


class QueryCube:
    """A cube over the data cubes of some applications; implements `app_framework.olap.queryable.Queryable`.

    Args:
        name: what queries and URLs call it.
        node: the name of this node.
        cluster: the namespace of the data cubes that it sees.
        messenger: reaches them.
        store: where it stands who has to answer.
        applications: those that it lists, each with its distributing levels.
        data_overlap: whether several data cubes may hold the same member of a distributing level.
        replication: at which members of a hierarchy that an application does not know its values repeat.
        measures: formulas over the measures of the applications, as a cube's YAML writes them.
        limits: the bounds.
        clock: the time.
    """

    def __init__(
        self,
        name: str,
        *,
        node: str,
        cluster: str,
        messenger: Messenger,
        store: ConsensusStore,
        applications: Mapping[str, Sequence[str]],
        data_overlap: bool = False,
        replication: Replication = "on-slicer",
        measures: Mapping[str, object] | None = None,
        limits: DistributionLimits | None = None,
        clock: Clock | None = None,
    ) -> None:
        raise NotImplementedError

    name: str
    state: Literal["closed", "started", "stopped"]
    nodes: tuple[DataNode, ...]

    async def open(self) -> None:
        """Look for data cubes and answer for them, unless `stop_distribution` was called."""
        raise NotImplementedError

    async def close(self) -> None:
        """Stop; who has to answer stays as it stands."""
        raise NotImplementedError

    async def start_distribution(self) -> None:
        """Listen and answer again, also after restarts."""
        raise NotImplementedError

    async def stop_distribution(self) -> None:
        """Neither listen nor answer until `start_distribution`, also after restarts."""
        raise NotImplementedError

    # Everything of `Queryable`: fingerprint, versions, check, listen, tables, untouched, query, query_arrow,
    # query_stream, query_sync, explain, check_drillthrough, drillthrough, drillthrough_sync, members, discovery.
