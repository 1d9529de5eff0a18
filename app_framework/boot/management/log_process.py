"""What several applications in one process share of its logging: levels, and handlers that were there before.

A logger lets through what any application wants; the filter on each application's handlers then takes what that
application wants, and only records that were written for it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from app_framework.boot.management.log_context import LogOwner, current_log_owner
from app_framework.boot.management.log_format import TRACE

_CACHED_NAMES_MAX = 10_000
_FOREIGN = ("", "uvicorn", "uvicorn.error", "uvicorn.access")
_lock = threading.RLock()  # Applications may start on several threads; the root logger is one.


class LevelTable:
    """The levels that one application wants, by logger.

    >>> levels = LevelTable({"": 20, "orders": 10})
    >>> levels.effective("orders.book"), levels.effective("stock")
    (10, 20)
    """

    def __init__(self, levels: Mapping[str, int]) -> None:
        self.configured: dict[str, int] = {"": logging.INFO, **levels}
        self._effective: dict[str, int] = {}

    def set(self, name: str, level: int | None) -> None:
        """Set the level of a logger, or let it follow its parent again."""
        if level is not None:
            self.configured[name] = level
        elif name == "":
            self.configured[name] = logging.INFO
        else:
            self.configured.pop(name, None)
        self._effective = {}

    def effective(self, name: str) -> int:
        """Return the level that holds for a logger: its own, or that of the nearest parent with one."""
        known = self._effective.get(name)
        if known is None:
            if len(self._effective) >= _CACHED_NAMES_MAX:
                self._effective = {}
            known = self._effective[name] = self._nearest(name)
        return known

    def _nearest(self, name: str) -> int:
        while name not in self.configured:
            name = name.rpartition(".")[0]
        return self.configured[name]


class LogMember(Protocol):
    """One application's part in the logging of the process."""

    owner: LogOwner
    table: LevelTable

    @property
    def handlers(self) -> Sequence[logging.Handler]:
        """Where its records go."""


class OwnRecords:
    """The filter on an application's handlers; it also leads from the root logger to all that log now.

    Records of nobody, and those of an application that has stopped, go to the application that came first.
    """

    def __init__(self, member: LogMember, process: LogProcess) -> None:
        self.member = member
        self.process = process

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether the record is this application's, and severe enough for it."""
        return record.levelno >= self.member.table.effective(record.name) and self._is_mine()

    def _is_mine(self) -> bool:
        owner = current_log_owner()
        if owner is self.member.owner:
            return True
        return self.process.first is self.member and not self.process.knows(owner)


class LogProcess:
    """The applications that log now; with the last one, everything goes back to what it was."""

    def __init__(self) -> None:
        self._members: list[LogMember] = []
        self._levels_before: dict[str, int] = {}
        self._handlers_before: dict[str, tuple[list[logging.Handler], bool]] = {}

    @property
    def first(self) -> LogMember | None:
        """The application that came first of those that log now."""
        return self._members[0] if self._members else None

    def knows(self, owner: LogOwner | None) -> bool:
        """Tell whether this application logs now."""
        return any(member.owner is owner for member in self._members)

    def enter(self, member: LogMember) -> None:
        """Let an application log."""
        with _lock:
            if not self._members:
                logging.addLevelName(TRACE, "TRACE")
                self._take_over()
            self._members = [*self._members, member]
            for handler in member.handlers:
                handler.addFilter(OwnRecords(member, self))
                logging.getLogger().addHandler(handler)
            self.apply()

    def leave(self, member: LogMember) -> None:
        """End the logging of an application."""
        with _lock:
            for handler in member.handlers:
                logging.getLogger().removeHandler(handler)
            self._members = [other for other in self._members if other is not member]
            self.apply()
            if not self._members:
                self._give_back()

    def apply(self) -> None:
        """Give each logger the lowest level that any application wants for it."""
        with _lock:
            tables = [member.table for member in self._members]
            wanted = {name for table in tables for name in table.configured}
            for name in wanted:
                logger = logging.getLogger(name or None)
                self._levels_before.setdefault(name, logger.level)
                logger.setLevel(min(table.effective(name) for table in tables))
            for name in self._levels_before.keys() - wanted:
                logging.getLogger(name or None).setLevel(self._levels_before.pop(name))

    def _take_over(self) -> None:
        """Set the plain console handlers of root and uvicorn aside, else each line would appear twice."""
        for name in _FOREIGN:
            logger = logging.getLogger(name or None)
            aside: list[logging.Handler] = [
                handler for handler in logger.handlers if type(handler) is logging.StreamHandler
            ]
            if not aside and (logger.propagate or not name):
                continue
            self._handlers_before[name] = (aside, logger.propagate)
            for handler in aside:
                logger.removeHandler(handler)
            logger.propagate = True

    def _give_back(self) -> None:
        for name, (aside, propagate) in self._handlers_before.items():
            logger = logging.getLogger(name or None)
            logger.propagate = propagate
            for handler in aside:
                logger.addHandler(handler)
        self._handlers_before = {}


def join_logging(member: LogMember) -> LogProcess:
    """Let an application log with those that already do, or as the first."""
    with _lock:
        process = next((each.process for each in _running()), None) or LogProcess()
        process.enter(member)
        return process


def current_log_member() -> LogMember | None:
    """Return the logging of the application that this code runs for, if it runs."""
    owner = current_log_owner()
    return next((each.member for each in _running() if each.member.owner is owner), None)


def _running() -> Iterator[OwnRecords]:
    for handler in list(logging.getLogger().handlers):
        yield from (each for each in handler.filters if isinstance(each, OwnRecords))


def process_level(name: str) -> int:
    """Return the effective level of a logger without creating it, for its name may come from a client."""
    while name:
        logger = logging.Logger.manager.loggerDict.get(name)
        if isinstance(logger, logging.Logger):
            return logger.getEffectiveLevel()
        name = name.rpartition(".")[0]
    return logging.getLogger().level


def existing_loggers() -> list[str]:
    """Return the names of the loggers that somebody has asked for."""
    known = logging.Logger.manager.loggerDict
    return [name for name, logger in list(known.items()) if isinstance(logger, logging.Logger)]
