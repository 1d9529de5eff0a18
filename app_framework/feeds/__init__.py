"""Feeds: rows that come by themselves, from files in a directory and from messages on a subject.

feed = DirectoryFeed("deliveries", database.tables["sales"], Folder(Path("incoming")), database)
await feed.start()
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app_framework.menu import open_menu

if TYPE_CHECKING:
    from app_framework.feeds.directory import DirectoryFeed
    from app_framework.feeds.feed import Feed, FeedState
    from app_framework.feeds.folder import Folder
    from app_framework.feeds.subject import FeedOverloadedError, SubjectFeed

__all__ = ["DirectoryFeed", "Feed", "FeedOverloadedError", "FeedState", "Folder", "SubjectFeed"]

_HOME_OF: dict[str, str] = {
    "DirectoryFeed": "directory",
    "Feed": "feed",
    "FeedOverloadedError": "subject",
    "FeedState": "feed",
    "Folder": "folder",
    "SubjectFeed": "subject",
}
"""Where each name lives; a module is loaded when one of its names is first asked for."""

__getattr__, __dir__ = open_menu(__name__, _HOME_OF)
