"""How feeds are wired: begun when everything is there, before the node is asked, and ended before the database is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from app_framework.boot import (
    Environment,
    Lifecycle,
    Metrics,
    auto_configuration,
    bean,
    configuration_check,
    on_component,
    on_module,
    on_property,
)
from app_framework.database.database import Database
from app_framework.database.errors import ModelError, ModelProblem
from app_framework.database.properties import DatabaseProperties
from app_framework.feeds.properties import FeedProperties, FeedsProperties
from app_framework.menu import open_menu
from app_framework.messaging.messengers import Messengers

if TYPE_CHECKING:
    from app_framework.feeds.directory import DirectoryFeed
    from app_framework.feeds.feed import Feed, FeedState
    from app_framework.feeds.health import FeedsHealth
    from app_framework.feeds.subject import SubjectFeed

__getattr__, __dir__ = open_menu(__name__, {"FeedsHealth": ".health"})  # loaded where there are feeds


class Feeds(Lifecycle):
    """All feeds of a node.

    Args:
        feeds: that begin and end together.
    """

    phase = 500

    def __init__(self, feeds: Sequence[Feed]) -> None:
        self.feeds = tuple(feeds)

    async def start(self) -> None:
        """Begin all of them, or none."""
        begun: list[Feed] = []
        try:
            for feed in self.feeds:
                await feed.start()
                begun.append(feed)
        except BaseException:
            await asyncio.gather(*(feed.stop() for feed in begun))
            raise

    async def stop(self) -> None:
        """End all of them; each finishes the commit under way."""
        await asyncio.gather(*(feed.stop() for feed in self.feeds))

    def __repr__(self) -> str:
        return f"<Feeds {', '.join(feed.name for feed in self.feeds)}>"


@auto_configuration(
    on_module("duckdb"),
    on_property("feeds"),
    on_component(Database),
    properties=[FeedsProperties],
    after=["database", "messaging"],
)
class FeedsAutoConfiguration:
    """Puts rows into tables that come by themselves."""

    @bean
    def feeds(
        self,
        properties: FeedsProperties,
        database: Database,
        messengers: Messengers | None,
        metrics: Metrics | None,
    ) -> Feeds:
        """The feeds of the YAML."""
        from app_framework.feeds.checking import problems_of

        problems = problems_of(properties.feeds, database.tables, messengers)
        if messengers is None:
            problems += _without_messengers(properties.feeds)
        if problems:
            raise ModelError(problems)
        feeds = [_feed(name, each, database, messengers) for name, each in properties.feeds.items()]
        for feed in feeds:
            if metrics is not None:
                _measure(metrics, feed)
        return Feeds(feeds)

    @bean(on_component(Feeds))
    def feeds_health(self, feeds: Feeds) -> FeedsHealth:
        """What the feeds say of themselves."""
        from app_framework.feeds.health import FeedsHealth

        return FeedsHealth(feeds.feeds)

    @configuration_check
    def check_feeds(self, environment: Environment) -> None:
        """Find what is wrong with the feeds as far as no table has to be opened for it."""
        from app_framework.feeds.checking import problems_of

        # An application may bring a database of its own, whose tables no file names.
        tables = environment.bind(DatabaseProperties).tables or None
        problems = problems_of(environment.bind(FeedsProperties).feeds, tables)
        if problems:
            raise ModelError(problems)


def _without_messengers(feeds: Mapping[str, FeedProperties]) -> list[ModelProblem]:
    text = "the node has no messenger: pip install app-framework-starter-messaging."
    return [
        ModelProblem(("feeds", name, "subject"), "UNKNOWN_MESSENGER", text)
        for name, feed in feeds.items()
        if feed.subject is not None
    ]


def _feed(
    name: str, properties: FeedProperties, database: Database, messengers: Messengers | None
) -> DirectoryFeed | SubjectFeed:
    table = database.tables[properties.table]
    timeout_s = properties.commit_timeout.total_seconds()
    if properties.directory is not None:
        from app_framework.feeds.directory import DirectoryFeed, DirectoryRules
        from app_framework.feeds.folder import Folder

        folder = Folder(
            properties.directory,
            properties.pattern,
            order=properties.order,
            needs_suffix=properties.format is None,
            files_max=properties.max_files,
        )
        rules = DirectoryRules(
            properties.format,
            properties.on_error,
            properties.afterwards,
            properties.interval.total_seconds(),
            timeout_s,
        )
        return DirectoryFeed(name, table, folder, database, rules)
    from app_framework.feeds.subject import SubjectFeed, SubjectRules

    assert messengers is not None
    assert properties.subject is not None
    return SubjectFeed(
        name,
        table,
        properties.subject,
        messengers.get(properties.messenger),
        database,
        SubjectRules(
            properties.format or "json",
            properties.on_error,
            properties.queue_group,
            properties.max_rows,
            properties.max_delay.total_seconds(),
            properties.max_messages,
            properties.max_bytes,
            timeout_s,
        ),
    )


def _measure(metrics: Metrics, feed: Feed) -> None:
    """Show what a feed does; reading its numbers costs it nothing."""
    state: FeedState = feed.state
    told: dict[str, tuple[str, Callable[[], float]]] = {
        "feed.commits": ("Versions that a feed made.", lambda: state.commits),
        "feed.rows": ("Rows that a feed put in.", lambda: state.rows),
        "feed.rejected": ("Rows that a feed left out.", lambda: state.rejected),
        "feed.refused": ("Files and messages that a feed refused as a whole.", lambda: state.refused),
        "feed.dropped": ("Messages that are lost.", lambda: state.dropped),
        "feed.waiting": ("Files and messages that wait for their commit.", lambda: state.waiting),
    }
    for name, (description, value) in told.items():
        metrics.gauge(name, value, description, labels={"feed": feed.name})
    metrics.gauge(
        "feed.lag",
        lambda: state.lag_s,
        "How long the oldest of them waits.",
        labels={"feed": feed.name},
        unit="seconds",
    )
