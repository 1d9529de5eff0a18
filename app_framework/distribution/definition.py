"""Data cubes and query cubes as an application declares them: in YAML, or as components of its code (A4, A11)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

ConfigurationPath = tuple[str | int, ...]
Replication = Literal["on-slicer", "always", "never"]


@dataclass(frozen=True, slots=True)
class DataCubeDefinition:
    """That query cubes may ask for the rows of a cube of this node.

    Args:
        cube: its name.
        application: whose rows, or some of them, it holds.
        cluster: only cubes of the same cluster see each other; empty for the node's.
        messenger: ``in-memory`` or ``nats``; empty for the node's own.
        concealed_hierarchies: what no query cube hears of: ``Hierarchy`` or ``Dimension.Hierarchy``.
        concealed_measures: by name.
        concealed_branches: by name.
        priority: with overlap, the lowest number answers first.
        path: where it is written.

    >>> DataCubeDefinition("flights", application="airline", concealed_measures=["cost"])
    <DataCubeDefinition 'flights' of application 'airline'>
    """

    cube: str
    application: str
    cluster: str = ""
    messenger: str = ""
    concealed_hierarchies: Sequence[str] = ()
    concealed_measures: Sequence[str] = ()
    concealed_branches: Sequence[str] = ()
    priority: int | None = None
    path: ConfigurationPath = ()

    def __post_init__(self) -> None:
        if not self.path:
            object.__setattr__(self, "path", ("distribution", "data-cubes", self.cube))

    def __repr__(self) -> str:
        return f"<DataCubeDefinition {self.cube!r} of application {self.application!r}>"


@dataclass(frozen=True, slots=True)
class QueryCubeDefinition:
    """A cube without rows that answers for the data cubes of its applications, on whatever nodes they are.

    Args:
        name: what queries and URLs call it.
        applications: each with its distributing levels; none where it has one data cube.
        data_overlap: whether several data cubes may have the same member of the distributing level.
        replication: where the numbers of an application stand that does not know a hierarchy.
        measures: formulas over the measures of the applications: ``{"margin": {"formula": "revenue - cost"}}``.
        cluster: only cubes of the same cluster see each other; empty for the node's.
        messenger: ``in-memory`` or ``nats``; empty for the node's own.
        path: where it is written.

    >>> QueryCubeDefinition("world", applications={"airline": ["origin"]})
    <QueryCubeDefinition 'world' of applications airline>
    """

    name: str
    applications: Mapping[str, Sequence[str]]
    data_overlap: bool = False
    replication: Replication = "on-slicer"
    measures: Mapping[str, object] = field(default_factory=dict)
    cluster: str = ""
    messenger: str = ""
    path: ConfigurationPath = ()

    def __post_init__(self) -> None:
        if not self.path:
            object.__setattr__(self, "path", ("distribution", "query-cubes", self.name))

    def __repr__(self) -> str:
        return f"<QueryCubeDefinition {self.name!r} of applications {', '.join(self.applications)}>"
