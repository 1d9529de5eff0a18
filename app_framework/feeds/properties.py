"""What a user may set about feeds: the section ``feeds``."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from app_framework.boot import ConfigPath, ConfigProperties, DataSize, Duration, Field

_OF_DIRECTORIES = ("pattern", "order", "afterwards", "interval", "max_files")
_OF_SUBJECTS = ("messenger", "queue_group", "max_rows", "max_delay", "max_messages", "max_bytes")


class FeedProperties(ConfigProperties):
    """Rows that come by themselves: from the files of a directory, or from the messages on a subject."""

    table: str = Field(description="The table that takes the rows.")
    directory: ConfigPath | None = Field(default=None, description="Whose files are committed, each in one commit.")
    subject: str | None = Field(
        default=None, min_length=1, description="Whose messages are committed; `*` is one word, a last `>` the rest."
    )
    format: Literal["json", "ndjson", "csv", "arrow", "parquet"] | None = Field(
        default=None, description="Of files: by their suffix when not set. Of messages: json when not set."
    )
    on_error: Literal["refuse", "reject"] = Field(
        default="refuse",
        description="Whether a bad row refuses its file or message, or is left out and kept with the rejected rows.",
    )
    commit_timeout: Duration = Field(default="10m", description="Time of one commit, waiting included.")
    pattern: str = Field(
        default="*", pattern=r"^[^/]+$", description="Which names of files; `*`, `?` and `[…]` as in a shell."
    )
    order: Literal["name", "time"] = Field(default="name", description="Files by name, or the oldest first.")
    afterwards: Literal["move", "keep"] = Field(
        default="move", description="Whether files that are done are moved to `done` and `failed`, or stay."
    )
    interval: Duration = Field(
        default="1s", description="Time between two looks; a file is finished that two see alike."
    )
    max_files: int = Field(default=100_000, ge=1, description="Files of the directory; with more nothing is taken.")
    messenger: str = Field(default="", description="`in-memory` or `nats`; the node's own when not set.")
    queue_group: str = Field(default="", description="Of the feeds with the same group, one gets each message.")
    max_rows: int = Field(default=10_000, ge=1, description="About how many rows one commit has.")
    max_delay: Duration = Field(default="50ms", description="How long a message waits for others to share its commit.")
    max_messages: int = Field(default=10_000, ge=1, description="Messages that may wait; more are refused or dropped.")
    max_bytes: DataSize = Field(default="64MB", description="Size of the messages that may wait.")

    @model_validator(mode="after")
    def _one_origin(self) -> FeedProperties:
        if (self.directory is None) == (self.subject is None):
            raise ValueError("must have exactly one of: directory, subject")
        foreign = _OF_SUBJECTS if self.directory is not None else _OF_DIRECTORIES
        if misplaced := [name.replace("_", "-") for name in foreign if name in self.model_fields_set]:
            kind = "subject" if self.directory is not None else "directory"
            raise ValueError(f"{', '.join(misplaced)}: only for a feed of a {kind}")
        return self


class FeedsProperties(ConfigProperties, prefix=""):
    """Feeds by name; a feed of files remembers under its name what it has committed."""

    feeds: dict[str, FeedProperties] = Field(default_factory=dict, description="Feeds by name.")
