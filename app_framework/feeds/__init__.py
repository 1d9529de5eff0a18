"""Feeds: rows that come by themselves, from files in a directory and from messages on a subject.

feed = DirectoryFeed("deliveries", database.tables["sales"], Folder(Path("incoming")), database)
await feed.start()
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

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


def __getattr__(name: str) -> object:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(importlib.import_module(f".{home}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return list(__all__)
