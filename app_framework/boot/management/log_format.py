"""How a log record looks: one text line for people, or one JSON line (ECS or Logstash) for machines.

Every format passes its text through the application's `Redactor`, exceptions and extra fields included.
"""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Literal

from app_framework.boot.management.log_context import LogOwner, current_request_fields
from app_framework.boot.management.redaction import Redactor

TRACE = 5
OFF = logging.CRITICAL + 10

LEVELS: Mapping[str, int] = {
    "OFF": OFF,
    "FATAL": logging.CRITICAL,
    "ERROR": logging.ERROR,
    "WARN": logging.WARNING,
    "INFO": logging.INFO,
    "DEBUG": logging.DEBUG,
    "TRACE": TRACE,
}
"""Spring's names of the levels, the quietest first."""

_ALIASES = {"WARNING": "WARN", "CRITICAL": "FATAL"}
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")

StructuredFormat = Literal["ecs", "logstash"]


def parse_level(text: str) -> int:
    """Return a level's number.

    Raises:
        ValueError: when there is no such level.

    >>> parse_level("warning")
    30
    """
    name = str(text).strip().upper()
    try:
        return LEVELS[_ALIASES.get(name, name)]
    except KeyError:
        raise ValueError(f"is not a log level ({', '.join(LEVELS).lower()})") from None


def level_name(level: int) -> str:
    """Return the name of a level, or of the nearest one below it.

    >>> level_name(35)
    'WARN'
    """
    return next((name for name, number in LEVELS.items() if level >= number), "TRACE")


def make_formatter(structured: StructuredFormat | None, owner: LogOwner, redactor: Redactor) -> logging.Formatter:
    """Return the formatter of a handler."""
    if structured == "ecs":
        return EcsFormatter(owner, redactor)
    if structured == "logstash":
        return LogstashFormatter(owner, redactor)
    return TextFormatter(owner, redactor)


class _Formatter(logging.Formatter):
    def __init__(self, owner: LogOwner, redactor: Redactor) -> None:
        super().__init__()
        self._owner = owner
        self._redactor = redactor

    def _stack(self, record: logging.LogRecord) -> str:
        """Return the exception's and the requested stack, without what ``format`` caches on the record."""
        parts = []
        if record.exc_info and record.exc_info[0] is not None:
            parts.append(self.formatException(record.exc_info))
        elif record.exc_text:
            parts.append(record.exc_text)
        if record.stack_info:
            parts.append(self.formatStack(record.stack_info))
        return "\n".join(parts)


class TextFormatter(_Formatter):
    """``2030-01-31T12:00:00.123Z  INFO [sample/node-a] app.orders : 3 orders read [request_id=4f2a]``.

    Continuation lines are indented and control characters escaped, so that text sent by a client can neither
    pass for a record of its own nor steer a terminal.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as text."""
        fields = "".join(f" [{name}={value}]" for name, value in current_request_fields().items())
        head = f"{_time(record)} {level_name(record.levelno):>5} [{self._owner}] {record.name} : "
        text = head + _contained(record.getMessage() + fields)
        stack = self._stack(record)
        return self._redactor.mask(f"{text}\n{_escaped(stack)}" if stack else text)


class _JsonFormatter(_Formatter):
    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line of JSON."""
        return json.dumps(self._redactor.mask_value(self._document(record)), ensure_ascii=False)

    def _document(self, record: logging.LogRecord) -> dict[str, object]:
        raise NotImplementedError


class EcsFormatter(_JsonFormatter):
    """Elastic Common Schema 8.11, nested as Spring Boot writes it."""

    def _document(self, record: logging.LogRecord) -> dict[str, object]:
        service: dict[str, object] = {"name": self._owner.application}
        if self._owner.version:
            service["version"] = self._owner.version
        if self._owner.node:
            service["node"] = {"name": self._owner.node}
        document: dict[str, object] = {
            "@timestamp": _time(record),
            "log": {"level": level_name(record.levelno), "logger": record.name},
            "process": {"pid": os.getpid(), "thread": {"name": record.threadName}},
            "service": service,
            "message": record.getMessage(),
            **_extra_fields(record),
        }
        request = current_request_fields()
        for field, name in (("request_id", "http.request"), ("trace_id", "trace"), ("span_id", "span")):
            if field in request:
                document[name] = {"id": request[field]}
        if "http.request" in document:
            document["http"] = {"request": document.pop("http.request")}
        stack = self._stack(record)
        if stack:
            document["error"] = {**_error_fields(record), "stack_trace": stack}
        document["ecs"] = {"version": "8.11"}
        return document


class LogstashFormatter(_JsonFormatter):
    """The fields of the Logstash encoder, flat."""

    def _document(self, record: logging.LogRecord) -> dict[str, object]:
        document: dict[str, object] = {
            "@timestamp": _time(record),
            "@version": "1",
            "message": record.getMessage(),
            "logger_name": record.name,
            "thread_name": record.threadName,
            "level": level_name(record.levelno),
            "level_value": record.levelno * 1000,
            "application": self._owner.application,
            "node": self._owner.node or self._owner.application,
            **_extra_fields(record),
            **current_request_fields(),
        }
        stack = self._stack(record)
        if stack:
            document["stack_trace"] = stack
        return document


def _time(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _extra_fields(record: logging.LogRecord) -> dict[str, object]:
    """Return what the caller passed as ``extra=…``."""
    return {name: value for name, value in vars(record).items() if name not in _STANDARD}


def _error_fields(record: logging.LogRecord) -> dict[str, object]:
    if not record.exc_info or record.exc_info[1] is None:
        return {}
    error = record.exc_info[1]
    return {"type": f"{type(error).__module__}.{type(error).__qualname__}", "message": str(error)}


def _contained(message: str) -> str:
    return _escaped(message).replace("\n", "\n    ")


def _escaped(text: str) -> str:
    return _CONTROL.sub(lambda found: found.group().encode("unicode_escape").decode(), text)
