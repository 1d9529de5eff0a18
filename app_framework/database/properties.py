"""What a user may set about the analytic database: the section ``database``."""

from __future__ import annotations

import os
from typing import Literal

from pydantic import model_validator

from app_framework.boot import ConfigGlob, ConfigPath, ConfigProperties, DataSize, Duration, Field
from app_framework.database.database import DatabaseLimits
from app_framework.database.schema import Table
from app_framework.database.source import FORMATS, Source

Files = ConfigGlob | tuple[ConfigGlob, ...] | None


class SourceProperties(ConfigProperties):
    """The files of a table: of exactly one format, one file, a list or a pattern."""

    parquet: Files = Field(default=None, description="Parquet files, relative to the file that names them.")
    csv: Files = Field(default=None, description="CSV files, relative to the file that names them.")
    json_: Files = Field(
        default=None, alias="json", description="JSON or NDJSON files, relative to the file that names them."
    )
    reload: Literal["never", "on-start", "if-changed"] = Field(
        default="never",
        description="What a later start does: keep what the database file holds, load anew, or load if files changed.",
    )
    where: str = Field(
        default="", description="Condition over the files' columns; rows for which it is not true are left out."
    )

    @model_validator(mode="after")
    def _one_format(self) -> SourceProperties:
        if len([files for files in (self.parquet, self.csv, self.json_) if files]) != 1:
            raise ValueError(f"must name files of exactly one of: {', '.join(FORMATS)}")
        return self

    def source(self) -> Source:
        """Return the source."""
        return Source.of(parquet=self.parquet, csv=self.csv, json=self.json_, reload=self.reload, where=self.where)


class TableProperties(ConfigProperties):
    """One table."""

    source: SourceProperties | None = Field(default=None, description="Files the table is loaded from.")
    key: str | tuple[str, ...] = Field(default=(), description="Columns whose values together are unique.")
    columns: dict[str, str] = Field(
        default_factory=dict,
        description="Types by column: those the files do not say; all of them without a source.",
    )

    def table(self, name: str) -> Table:
        """Return the table under its name."""
        key = (self.key,) if isinstance(self.key, str) else self.key
        return Table(name, self.source.source() if self.source else None, key, self.columns)


class VersionsProperties(ConfigProperties):
    """How far back the data can be read."""

    keep: int = Field(default=10, ge=1, le=10_000, description="Data versions that can be read, the newest included.")


class RejectsProperties(ConfigProperties):
    """The rows that commits leave out, kept in files below `app.data-dir`."""

    max_size: DataSize = Field(
        default="1GB",
        ge=0,
        description="Size of all files of rejected rows; with more a commit is refused.",
    )
    max_rows: int = Field(default=100_000, ge=1, description="Rows one commit may reject; with more it is refused.")


class DatabaseProperties(ConfigProperties, prefix="database"):
    """The analytic database of this node: DuckDB in memory or in one file."""

    path: Literal[":memory:"] | ConfigPath = Field(
        default=":memory:", description="Database file, created when missing; `:memory:` keeps nothing."
    )
    tables: dict[str, TableProperties] = Field(default_factory=dict, description="Tables by name.")
    references: tuple[str, ...] = Field(
        default=(),
        description="Many-to-one links: `orders.customer_id -> customers.id`, `a.(x, y) -> b.(x, y)`, `… as name`.",
    )
    threads: int | None = Field(
        default=None, ge=1, description="Threads that all queries use together; one per core when not set."
    )
    memory_limit: DataSize | None = Field(
        default=None, description="Memory before queries spill to disk; four fifths of the machine's when not set."
    )
    pool_size: int | None = Field(
        default=None, ge=1, description="Queries that run at once; one per core when not set."
    )
    queue_size: int = Field(
        default=64, ge=0, description="Queries that may wait; a further one answers 429 OVERLOADED."
    )
    query_timeout: Duration = Field(
        default="30s", description="Time of a query that does not say its own, waiting included."
    )
    max_streams: int = Field(
        default=16, ge=1, description="Answers that are streamed at once; a further one answers 429 OVERLOADED."
    )
    commit_queue_size: int = Field(
        default=16, ge=0, description="Commits that may wait for the one that is made; a further one answers 429."
    )
    commit_timeout: Duration = Field(default="2m", description="Time of a commit, waiting included.")
    max_branches: int = Field(default=16, ge=0, le=1_000, description="Branches that may be there beside master.")
    versions: VersionsProperties = Field(default=VersionsProperties(), description="Data versions.")
    rejects: RejectsProperties = Field(default=RejectsProperties(), description="Rows that commits leave out.")

    def limits(self) -> DatabaseLimits:
        """Return the bounds."""
        return DatabaseLimits(
            threads=self.threads,
            memory_limit=self.memory_limit,
            pool_size=self.pool_size or os.cpu_count() or 2,
            queue_size=self.queue_size,
            query_timeout_s=self.query_timeout.total_seconds(),
            streams_max=self.max_streams,
            commit_queue_size=self.commit_queue_size,
            commit_timeout_s=self.commit_timeout.total_seconds(),
            versions_kept=self.versions.keep,
            branches_max=self.max_branches,
            rejects_bytes_max=self.rejects.max_size,
            rejected_rows_max=self.rejects.max_rows,
        )

    def declared(self) -> list[Table]:
        """Return the tables."""
        return [properties.table(name) for name, properties in self.tables.items()]
