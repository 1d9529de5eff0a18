"""What a user may set about the Studio's pivot: the section ``studio``."""

from __future__ import annotations

from app_framework.boot import ConfigProperties, DataSize, Duration, Field


class StudioProperties(ConfigProperties, prefix="studio"):
    """The pivot in the browser."""

    max_cells: int = Field(
        default=1_000_000, ge=1, description="Most cells of one pivot, rows times columns; a larger one is refused."
    )
    max_columns: int = Field(
        default=500, ge=1, description="Most columns of one pivot, the members of its split times its measures."
    )
    max_connections: int = Field(
        default=100, ge=1, description="Most browser windows with a pivot at a time; a further one is told to wait."
    )
    max_message_size: DataSize = Field(
        default="256KB", description="Largest message of a browser; a larger one ends its connection."
    )
    query_timeout: Duration = Field(default="30s", description="Time that each query of a pivot may take.")
    workers: int = Field(
        default=8, ge=1, le=256, description="Threads that lay pivots out; each waits for its queries in the meantime."
    )
