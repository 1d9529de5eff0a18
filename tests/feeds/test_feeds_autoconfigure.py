"""The section `feeds`: every mistake of it is told at once, at its place, by a check and by a start."""

from __future__ import annotations

from pathlib import Path

import pytest

from app_framework.boot import Metrics
from app_framework.database.autoconfigure import DatabaseAutoConfiguration
from app_framework.feeds.autoconfigure import Feeds, FeedsAutoConfiguration
from app_framework.messaging.autoconfigure import MessagingAutoConfiguration
from app_framework.testing import ContextRunner

RUNNER = ContextRunner(auto=[DatabaseAutoConfiguration, MessagingAutoConfiguration, FeedsAutoConfiguration])
TABLES = "database: {tables: {sales: {columns: {id: int}}}}\nfeeds:\n"

SUBJECT = (
    "application.yml:7:30: 'a b' is not a subject: write words joined by dots, without spaces; "
    "'*' for one word and a last '>' for the rest are for subscriptions only"
)


def told(folder: Path, feeds: str, runner: ContextRunner = RUNNER) -> str:
    (folder / "application.yml").write_text(TABLES + feeds)
    return runner.directory(folder).fails().description


def test_without_a_section_there_are_no_feeds() -> None:
    with RUNNER.run() as context:
        assert context.all(Feeds) == []


def test_every_mistake_is_told_at_once_at_its_place(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "file").write_text("")
    description = told(
        tmp_path,
        """\
  a: {table: sale, directory: in}
  b: {table: sales, directory: inn}
  c: {table: sales, directory: file}
  d: {table: sales, directory: ./in}
  e: {table: sales, subject: "a b", queue-group: "x y"}
  f: {table: sales, subject: sold, messenger: natz}
""",
    )
    assert [line.strip() for line in description.splitlines() if "application.yml" in line] == [
        "application.yml:3:14: there is no table 'sale'. Did you mean: sales",
        f"application.yml:4:32: there is no directory {tmp_path}/inn; make it first. Did you mean: in",
        f"application.yml:5:32: {tmp_path}/file is a file, not a directory",
        "application.yml:6:32: feeds 'a' and 'd' take the same files; give one of them another `pattern`",
        SUBJECT,
        "application.yml:7:50: a queue group has no spaces: 'x y'",
        "application.yml:8:47: this node has no messenger 'natz'; it has in-memory",
    ]


@pytest.mark.parametrize(
    ("feed", "sentence"),
    [
        ("{table: sales}", "must have exactly one of: directory, subject"),
        ("{table: sales, directory: in, subject: sold}", "must have exactly one of: directory, subject"),
        ("{table: sales, subject: sold, pattern: x}", "pattern: only for a feed of a directory"),
        ("{table: sales, directory: in, max-delay: 1s}", "max-delay: only for a feed of a subject"),
        ("{table: sales, directory: in, patern: x}", "patern"),
        ("{table: sales, directory: in, on-error: ignore}", "refuse"),
        ("{directory: in}", "table"),
    ],
)
def test_a_feed_of_another_shape_is_refused(tmp_path: Path, feed: str, sentence: str) -> None:
    (tmp_path / "in").mkdir()
    assert sentence in told(tmp_path, f"  a: {feed}\n")


def test_messages_need_a_messenger(tmp_path: Path) -> None:
    alone = ContextRunner(auto=[DatabaseAutoConfiguration, FeedsAutoConfiguration])
    assert "app-framework-starter-messaging" in told(tmp_path, "  a: {table: sales, subject: sold}\n", alone)


def test_what_a_feed_does_is_measured(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "application.yml").write_text(TABLES + "  a: {table: sales, directory: in}\n")
    with RUNNER.directory(tmp_path).run() as context:
        names = [name for name in context[Metrics].names if name.startswith("feed.")]
        assert names == ["feed.commits", "feed.dropped", "feed.lag", "feed.refused", "feed.rejected", "feed.rows",
                         "feed.waiting"]  # fmt: skip
