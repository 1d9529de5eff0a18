"""What a user may set about distributed cubes: the section ``distribution``."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import WithJsonSchema, model_validator

from app_framework.boot import ConfigProperties, DataSize, Duration, Field
from app_framework.distribution.limits import DistributionLimits
from app_framework.olap.properties import measure_schema

if TYPE_CHECKING:
    from app_framework.distribution.definition import DataCubeDefinition, QueryCubeDefinition

_LIMITS = DistributionLimits()


class DataCubeProperties(ConfigProperties):
    """A cube whose rows query cubes may ask for: one part of an application."""

    application: str = Field(
        min_length=1, max_length=200, description="The application whose rows, or some of them, the cube holds."
    )
    cluster: str = Field(
        default="",
        max_length=200,
        description="Only cubes of one cluster see each other; the node's when not set.",
    )
    messenger: str = Field(default="", description="`in-memory` or `nats`; the node's own when not set.")
    concealed_hierarchies: list[str] = Field(
        default=[], description="Hierarchies that no query cube hears of: `Hierarchy` or `Dimension.Hierarchy`."
    )
    concealed_measures: list[str] = Field(default=[], description="Measures that no query cube hears of.")
    concealed_branches: list[str] = Field(default=[], description="Branches that no query cube hears of.")
    priority: int | None = Field(
        default=None, description="With overlap, the lowest number answers first; without any, who has fewer members."
    )


class ApplicationProperties(ConfigProperties):
    """One application that a query cube answers for."""

    distributing_levels: list[str] = Field(
        default=[], description="Levels by whose members the rows are divided; without any it has one data cube."
    )


class QueryCubeProperties(ConfigProperties):
    """A cube without rows, which answers for all data cubes of its applications."""

    cluster: str = Field(
        default="",
        max_length=200,
        description="Only cubes of one cluster see each other; the node's when not set.",
    )
    messenger: str = Field(default="", description="`in-memory` or `nats`; the node's own when not set.")
    applications: dict[str, ApplicationProperties] = Field(description="Applications by name; one at least.")
    data_overlap: bool = Field(
        default=False,
        description="Whether data cubes may have the same member; then an application has one distributing level.",
    )
    replication: Literal["on-slicer", "always", "never"] = Field(
        default="on-slicer",
        description="Where the numbers of an application stand that does not know a hierarchy: at every member of "
        "slicing ones, of all, or of none.",
    )
    measures: Annotated[dict[str, object], WithJsonSchema(measure_schema(over_rows=False))] = Field(
        default={}, description="Formulas and calculations over the measures of the applications, by name."
    )


class DistributionLimitsProperties(ConfigProperties):
    """What distributed cubes may cost, and how long they wait for each other."""

    members: int = Field(
        default=_LIMITS.members_max, ge=1, description="Members of one hierarchy of a data cube; conceal larger ones."
    )
    rows: int = Field(
        default=_LIMITS.rows_max, ge=1, description="Rows of an answer, and of what one data cube sends for it."
    )
    part_size: DataSize = Field(
        default=_LIMITS.bytes_max, ge=1, description="What one data cube sends at once, an answer or its members."
    )
    heartbeat: Duration = Field(default="500ms", description="Time between two signs of life of a data cube.")
    suspect: Duration = Field(default="2s", description="Time without one after which a data cube is not asked.")
    discovery_timeout: Duration = Field(default="60s", description="Time to fetch what a data cube holds.")
    discovery_concurrency: int = Field(
        default=_LIMITS.discovery_concurrency, ge=1, description="Data cubes whose members are fetched at a time."
    )
    announcement: Duration = Field(
        default="5s", description="How long a question waits for the members of a commit that it has met."
    )
    mask: Duration = Field(default="10s", description="How long masking waits until all query cubes know.")
    deltas: int = Field(
        default=_LIMITS.deltas_kept, ge=0, description="Commits whose changes of members a data cube remembers."
    )
    attempts: int = Field(
        default=_LIMITS.failures_max, ge=1, description="How often a question is asked again before it is refused."
    )

    @model_validator(mode="after")
    def _heard_in_time(self) -> DistributionLimitsProperties:
        if not timedelta(0) < self.heartbeat < self.suspect:
            raise ValueError("must have a heartbeat that is more than nothing and less than suspect")
        return self

    @property
    def limits(self) -> DistributionLimits:
        """The bounds that these properties set."""
        return DistributionLimits(
            members_max=self.members,
            rows_max=self.rows,
            bytes_max=self.part_size,
            heartbeat_s=self.heartbeat.total_seconds(),
            suspect_s=self.suspect.total_seconds(),
            discovery_timeout_s=self.discovery_timeout.total_seconds(),
            discovery_concurrency=self.discovery_concurrency,
            announcement_s=self.announcement.total_seconds(),
            mask_s=self.mask.total_seconds(),
            deltas_kept=self.deltas,
            failures_max=self.attempts,
        )


class DistributionProperties(ConfigProperties, prefix="distribution"):
    """Cubes over several nodes."""

    data_cubes: dict[str, DataCubeProperties] = Field(
        default={}, description="Cubes of this node that query cubes may ask, by name."
    )
    query_cubes: dict[str, QueryCubeProperties] = Field(
        default={}, description="Cubes that answer for the data cubes of all nodes, by name."
    )
    join_timeout: Duration = Field(
        default="5s", description="How long a start waits for the data cubes that query cubes of this node need."
    )
    limits: DistributionLimitsProperties = Field(
        default=DistributionLimitsProperties(), description="What distributed cubes may cost."
    )

    def definitions(self) -> tuple[list[DataCubeDefinition], list[QueryCubeDefinition]]:
        """Return what is declared."""
        from app_framework.distribution.definition import DataCubeDefinition, QueryCubeDefinition

        data_cubes = [
            DataCubeDefinition(
                name,
                each.application,
                each.cluster,
                each.messenger,
                tuple(each.concealed_hierarchies),
                tuple(each.concealed_measures),
                tuple(each.concealed_branches),
                each.priority,
            )
            for name, each in self.data_cubes.items()
        ]
        query_cubes = [
            QueryCubeDefinition(
                name,
                {application: tuple(levels.distributing_levels) for application, levels in each.applications.items()},
                each.data_overlap,
                each.replication,
                each.measures,
                each.cluster,
                each.messenger,
            )
            for name, each in self.query_cubes.items()
        ]
        return data_cubes, query_cubes
