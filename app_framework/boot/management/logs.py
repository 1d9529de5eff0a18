"""Logging: one format for the application, uvicorn and every library, on standard error or in a bounded file.

`logging` belongs to the process, an application does not: each application brings its own handlers, levels
and secrets, and a record goes to the application it was written in (`log_context`). Records of nobody, such
as those of a library's own thread, go to the application that came first. When the last application stops,
the process logs as it did before.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, Mapping
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from app_framework.boot.management.log_context import LogOwner, current_log_owner, set_log_owner
from app_framework.boot.management.log_format import LEVELS, StructuredFormat, level_name, make_formatter, parse_level
from app_framework.boot.management.log_process import (
    LevelTable,
    LogProcess,
    current_log_member,
    existing_loggers,
    join_logging,
    process_level,
)
from app_framework.boot.management.properties import LoggingProperties
from app_framework.boot.management.redaction import Redactor, known_secrets
from app_framework.errors import FrameworkError

if TYPE_CHECKING:
    from app_framework.boot.config.environment import Environment

ROOT = "ROOT"

LOG_GROUPS: Mapping[str, tuple[str, ...]] = {
    "web": ("app_framework.web", "fastapi", "starlette", "uvicorn"),
    "sql": ("app_framework.database", "app_framework.olap"),
}
"""Groups that exist without being configured."""


class LogFileError(FrameworkError):
    """The log file cannot be written.

    Attributes:
        path: the file.
    """

    def __init__(self, path: Path, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(path, reason)

    def __str__(self) -> str:
        return f"the log file {self.path} cannot be opened: {self.reason} (logging.file.name)"


QUIET_LIBRARIES = {"uvicorn": logging.WARNING, "httpx": logging.WARNING, "httpcore": logging.WARNING}
"""Libraries whose milestones the framework tells itself; `logging.level` still has the last word."""


class LoggingSystem:
    """The logging of one application.

    Args:
        owner: the application, as its records name it.
        levels: logger or group → level's number; the empty name is the root.
        groups: names that stand for several loggers.
        redactor: what is blanked out of every line.
        console: format on standard error; None for text.
        file: file to write as well.
        file_format: its format; None for text.
        file_size_max: bytes at which it is rotated.
        file_history_max: how many rotated files are kept.
    """

    def __init__(
        self,
        owner: LogOwner,
        *,
        levels: Mapping[str, int] | None = None,
        groups: Mapping[str, Iterable[str]] | None = None,
        redactor: Redactor | None = None,
        console: StructuredFormat | None = None,
        file: Path | None = None,
        file_format: StructuredFormat | None = None,
        file_size_max: int = 10 * 1024 * 1024,
        file_history_max: int = 7,
    ) -> None:
        self.owner = owner
        self.groups = {**LOG_GROUPS, **{name: tuple(members) for name, members in (groups or {}).items()}}
        self.redactor = redactor or Redactor()
        self.table = LevelTable(self._by_logger(levels or {}))
        self._console = console
        self._file = file
        self._file_format = file_format
        self._file_size_max = file_size_max
        self._file_history_max = file_history_max
        self._handlers: list[logging.Handler] = []
        self._group_levels = {name: level for name, level in (levels or {}).items() if name in self.groups}
        self._process: LogProcess | None = None
        self._changed: dict[str, int] = {}

    @classmethod
    def of(cls, environment: Environment, *, application: str, node: str = "") -> LoggingSystem:
        """Return the logging that an environment configures.

        Args:
            environment: says levels, formats and files, and knows the secrets.
            application: the name in the records.
            node: the node's name, when that is another.
        """
        settings = environment.bind(LoggingProperties)
        return cls(
            LogOwner(application, node, str(environment.get("app.version") or "")),
            levels={**QUIET_LIBRARIES, **settings.levels()},
            groups=settings.group,
            redactor=Redactor(known_secrets(environment)),
            console=settings.structured.format.console,
            file=settings.file.name,
            file_format=settings.structured.format.file,
            file_size_max=settings.file.max_size,
            file_history_max=settings.file.max_history,
        )

    def start(self) -> None:
        """Begin to log, and make this task (and those it starts) the application's; again is without effect.

        Raises:
            LogFileError: when the file cannot be opened.
        """
        if self._process is None:
            self._handlers = [self._console_handler(), *self._file_handlers()]
            self._process = join_logging(self)
        set_log_owner(self.owner)

    def stop(self) -> None:
        """End the logging of this application and give the process back its own when it was the last."""
        if self._process is None:
            self._take_back()
            return
        self._process.leave(self)
        self._process = None
        for handler in self._handlers:
            handler.close()
        self._handlers = []
        if current_log_owner() is self.owner:
            set_log_owner(None)

    @property
    def handlers(self) -> tuple[logging.Handler, ...]:
        """Where this application's records go."""
        return tuple(self._handlers)

    def set_level(self, name: str, level: str | None) -> None:
        """Set the level of a logger or group, from now on; None lets it follow its parent again.

        Raises:
            ValueError: when there is no such level.
        """
        number = None if level is None else parse_level(level)
        members = self.groups.get(name, (_inner(name),))
        for member in members:
            self.table.set(member, number)
        if name in self.groups:
            self._group_levels = {known: kept for known, kept in self._group_levels.items() if known != name}
            if number is not None:
                self._group_levels[name] = number
        if self._process is not None:
            self._process.apply()
        else:
            self._change_directly(members, number)

    def describe(self) -> dict[str, object]:
        """Return all levels in the shape of Spring Boot's ``loggers`` endpoint."""
        names = sorted({*self.table.configured, *existing_loggers()})
        return {
            "levels": list(LEVELS),
            "loggers": {_outer(name): self.describe_logger(name) for name in names},
            "groups": {name: self.describe_group(name) for name in sorted(self.groups)},
        }

    def describe_logger(self, name: str) -> dict[str, object]:
        """Return the configured and the effective level of one logger."""
        name = _inner(name)
        configured = self.table.configured.get(name)
        described = {} if configured is None else {"configuredLevel": level_name(configured)}
        return {**described, "effectiveLevel": level_name(self._effective(name))}

    def describe_group(self, name: str) -> dict[str, object]:
        """Return the level that a group was given, and its members."""
        configured = self._group_levels.get(name)
        described = {} if configured is None else {"configuredLevel": level_name(configured)}
        return {**described, "members": list(self.groups[name])}

    def _effective(self, name: str) -> int:
        """A library may have silenced its own logger; what it drops never reaches us."""
        return max(self.table.effective(name), process_level(name))

    def _change_directly(self, names: Iterable[str], level: int | None) -> None:
        """Change loggers that somebody else has set up, as in a test: nothing but what was asked for."""
        for name in names:
            logger = logging.getLogger(name or None)
            before = self._changed.setdefault(name, logger.level)
            logger.setLevel(before if level is None else level)

    def _take_back(self) -> None:
        for name, level in self._changed.items():
            logging.getLogger(name or None).setLevel(level)
        self._changed = {}

    def _by_logger(self, levels: Mapping[str, int]) -> dict[str, int]:
        """Replace groups by their members; what is said of a logger itself wins."""
        found: dict[str, int] = {}
        for name, level in sorted(levels.items(), key=lambda item: item[0] not in self.groups):
            for member in self.groups.get(name, (_inner(name),)):
                found[member] = level
        return found

    def _console_handler(self) -> logging.Handler:
        handler = _ConsoleHandler()
        handler.setFormatter(make_formatter(self._console, self.owner, self.redactor))
        return handler

    def _file_handlers(self) -> list[logging.Handler]:
        """Open the log file; none where none is configured."""
        if self._file is None:
            return []
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            handler = RotatingFileHandler(
                self._file, maxBytes=self._file_size_max, backupCount=self._file_history_max, encoding="utf-8"
            )
        except OSError as error:
            raise LogFileError(self._file, error.strerror or str(error)) from error
        handler.setFormatter(make_formatter(self._file_format, self.owner, self.redactor))
        return [handler]

    def __repr__(self) -> str:
        return f"<LoggingSystem {self.owner} root at {level_name(self.table.effective(''))}>"


class _ConsoleHandler(logging.StreamHandler):  # type: ignore[type-arg]
    """Writes to what is standard error at that moment, which tests and tools may replace."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:
        return sys.stderr


def current_logging_system() -> LoggingSystem | None:
    """Return the running logging of the application that this code runs for."""
    member = current_log_member()
    return member if isinstance(member, LoggingSystem) else None


def _inner(name: str) -> str:
    return "" if name.upper() == ROOT else name


def _outer(name: str) -> str:
    return name or ROOT
