"""How long a large `application.yml` takes from its text to bound properties."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel

from app_framework.boot import ConfigProperties, DataSize, Duration, Environment, Field
from benchmarks.comparison import Case

LINES = 2000
LINES_EACH = 10
READER: type[yaml.CSafeLoader] | type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class FeedProperties(ConfigProperties):
    """One of many like it."""

    topic: str
    enabled: bool = True
    batch: Annotated[int, Field(ge=1)] = 100
    share: float = 1.0
    timeout: Duration = Field(default="10s")
    buffer: DataSize = Field(default="1MB")
    labels: dict[str, str] = Field(default_factory=dict)
    hosts: tuple[str, ...] = ()


class FeedsProperties(ConfigProperties, prefix="feeds"):
    """A section with many entries, as tables and cubes are."""

    by_name: dict[str, FeedProperties] = Field(default_factory=dict)


class PlainFeed(BaseModel):
    """The same, without origins, units, placeholders and kebab-case."""

    topic: str
    enabled: bool
    batch: int
    share: float
    timeout: str
    buffer: str
    labels: dict[str, str]
    hosts: tuple[str, ...]


class PlainFeeds(BaseModel):
    """The section for a reader that does nothing else."""

    feeds: dict[str, dict[str, PlainFeed]]


@contextlib.contextmanager
def large_configuration(lines: int = LINES) -> Iterator[Sequence[Case]]:
    """Load, claim, check and bind; against PyYAML's fastest reader and pydantic alone."""
    text = large_yaml(lines)
    yield [
        Case(
            "configuration",
            f"Configuration of {lines:,} lines: load, claim, check, bind",
            lambda: _ours_ms(text),
            {f"PyYAML {READER.__name__} + pydantic, no origins": lambda: _plain_ms(text)},
        )
    ]


def large_yaml(lines: int) -> str:
    """Return an `application.yml` of about so many lines."""
    return "feeds:\n  by-name:\n" + "".join(_feed(number) for number in range(lines // LINES_EACH))


def _feed(number: int) -> str:
    return f"""\
    feed-{number}:
      topic: "orders.{number}"
      enabled: true
      batch: {number + 1}
      share: 0.{number + 1}
      timeout: {number + 1}s
      buffer: 64KiB
      labels:
        region: eu-{number % 7}
      hosts: [a{number}.example, b{number}.example]
"""


def _ours_ms(text: str) -> float:
    started = time.perf_counter()
    environment = Environment.load(directory=Path(os.devnull), inline=text)
    environment.claim([FeedsProperties])
    environment.check()
    environment.bind(FeedsProperties)
    return (time.perf_counter() - started) * 1000


def _plain_ms(text: str) -> float:
    started = time.perf_counter()
    PlainFeeds.model_validate(yaml.load(text, READER))
    return (time.perf_counter() - started) * 1000
