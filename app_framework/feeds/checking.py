"""What is wrong with feeds before they begin."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING

from app_framework.database.errors import ModelProblem
from app_framework.database.source import shown
from app_framework.errors import near_matches
from app_framework.messaging.errors import InvalidSubjectError
from app_framework.messaging.messengers import Messengers, UnknownMessengerError
from app_framework.messaging.subject import check_pattern, check_queue

if TYPE_CHECKING:
    from app_framework.feeds.properties import FeedProperties


def problems_of(
    feeds: Mapping[str, FeedProperties], tables: Collection[str] | None, messengers: Messengers | None = None
) -> list[ModelProblem]:
    """Return every mistake of all feeds.

    Args:
        feeds: by name.
        tables: the tables that there are; None where that is not known.
        messengers: of the node; None where they are not there yet, or not at all.
    """
    problems: list[ModelProblem] = []
    taken: dict[tuple[str, str], str] = {}
    for name, feed in feeds.items():
        path = ("feeds", name)
        if tables is not None and feed.table not in tables:
            near = near_matches(feed.table, tables)
            text = f"there is no table {feed.table!r}."
            problems.append(ModelProblem((*path, "table"), "UNKNOWN_TABLE", text, near, word=feed.table))
        if feed.directory is not None:
            problems += _directory_problems(path, feed)
            place = (str(feed.directory.resolve()), feed.pattern)
            if (other := taken.setdefault(place, name)) != name:
                text = f"feeds {other!r} and {name!r} take the same files; give one of them another `pattern`."
                problems.append(ModelProblem((*path, "directory"), "DUPLICATE_FEED", text))
        else:
            problems += _subject_problems(path, feed, messengers)
    return problems


def _directory_problems(path: tuple[str, ...], feed: FeedProperties) -> Iterator[ModelProblem]:
    directory = feed.directory
    assert directory is not None
    if directory.is_dir():
        return
    if directory.exists():
        yield ModelProblem((*path, "directory"), "NO_DIRECTORY", f"{shown(directory)} is a file, not a directory.")
        return
    beside = [entry.name for entry in directory.parent.iterdir()] if directory.parent.is_dir() else []
    text, near = f"there is no directory {shown(directory)}; make it first.", near_matches(directory.name, beside)
    yield ModelProblem((*path, "directory"), "NO_DIRECTORY", text, near, word=directory.name)


def _subject_problems(
    path: tuple[str, ...], feed: FeedProperties, messengers: Messengers | None
) -> Iterator[ModelProblem]:
    try:
        check_pattern(feed.subject or "")
    except InvalidSubjectError as error:
        yield ModelProblem((*path, "subject"), "INVALID_SUBJECT", str(error))
    try:
        check_queue(feed.queue_group)
    except InvalidSubjectError:
        text = f"a queue group has no spaces: {feed.queue_group!r}."
        yield ModelProblem((*path, "queue-group"), "INVALID_SUBJECT", text)
    if messengers is not None:
        try:
            messengers.get(feed.messenger)
        except UnknownMessengerError as error:
            where = (*path, "messenger" if feed.messenger else "subject")
            yield ModelProblem(where, "UNKNOWN_MESSENGER", f"{error}.")
