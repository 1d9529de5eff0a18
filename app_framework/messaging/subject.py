"""Subjects, the addresses of messages, and the headers that travel with them: what is allowed, and what matches what.

>>> matches("orders.*.paid", "orders.7.paid"), matches("orders.>", "orders")
(True, False)
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

from app_framework.errors import UserError
from app_framework.messaging.bus import NO_HEADERS
from app_framework.messaging.errors import InvalidSubjectError

SUBJECT_CHARS_MAX = 1024
"""A server reads at most 4 KiB of one line, and a line holds a subject and a reply subject."""

_WORD = r"[^\s.*>\x00-\x1f\x7f]+"
_SUBJECT = re.compile(rf"{_WORD}(?:\.{_WORD})*\Z")
_PATTERN = re.compile(rf"(?:(?:{_WORD}|\*)(?:\.(?:{_WORD}|\*))*(?:\.>)?|>)\Z")
_QUEUE = re.compile(r"[^\s\x00-\x1f\x7f]*\Z")
_HEADER_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+\Z")
_LINE_ENDS = str.maketrans({"\r": " ", "\n": " "})


@lru_cache(maxsize=4096)
def check_subject(subject: str) -> str:
    """Return a subject that a message can be sent to, or refuse it.

    >>> check_subject("svc.node-1.status")
    'svc.node-1.status'

    Raises:
        InvalidSubjectError: it has wildcards, spaces or empty words, or is longer than `SUBJECT_CHARS_MAX`.
    """
    if len(subject) > SUBJECT_CHARS_MAX or not _SUBJECT.match(subject):
        raise InvalidSubjectError(subject)
    return subject


def check_pattern(pattern: str) -> str:
    """Return a subject that can be subscribed to, wildcards and all, or refuse it.

    >>> check_pattern("svc.*.>")
    'svc.*.>'

    Raises:
        InvalidSubjectError: it is none.
    """
    if len(pattern) > SUBJECT_CHARS_MAX or not _PATTERN.match(pattern):
        raise InvalidSubjectError(pattern)
    return pattern


def check_queue(queue: str) -> str:
    """Return the name of a queue group, which may be empty, or refuse it.

    Raises:
        InvalidSubjectError: it has spaces.
    """
    if len(queue) > SUBJECT_CHARS_MAX or not _QUEUE.match(queue):
        raise InvalidSubjectError(queue)
    return queue


def matches(pattern: str, subject: str) -> bool:
    """Whether a subscription to `pattern` gets messages sent to `subject`."""
    return words_match(tuple(pattern.split(".")), subject.split("."))


def words_match(pattern: tuple[str, ...], subject: list[str]) -> bool:
    """Whether the words of a pattern match the words of a subject."""
    for position, word in enumerate(pattern):
        if word == ">":
            return len(subject) > position
        if position >= len(subject) or word not in {"*", subject[position]}:
            return False
    return len(pattern) == len(subject)


def literal_prefix(pattern: str) -> str:
    """Return the words of a pattern before its first wildcard: what every matching subject begins with.

    >>> literal_prefix("_INBOX.x7.*"), literal_prefix("a.b"), literal_prefix(">")
    ('_INBOX.x7', 'a.b', '')
    """
    words = pattern.split(".")
    wild = next((position for position, word in enumerate(words) if word in {"*", ">"}), len(words))
    return ".".join(words[:wild])


@lru_cache(maxsize=1024)
def check_header_name(name: str) -> str:
    """Return the name of a header, or refuse it.

    Raises:
        UserError: it is empty or holds more than letters, digits and the signs of an HTTP token.
    """
    if not _HEADER_NAME.match(name):
        raise UserError(f"{name!r} is not a header's name: write letters, digits and '-', such as 'Trace-Id'")
    return name


def clean_headers(headers: Mapping[str, str]) -> Mapping[str, str]:
    r"""Return a copy of headers as they arrive: values trimmed, line ends in them made spaces.

    >>> dict(clean_headers({"Note": " two\nlines "}))
    {'Note': 'two lines'}

    Raises:
        UserError: a name cannot be one.
    """
    if not headers:
        return NO_HEADERS
    return MappingProxyType({check_header_name(name): _one_line(value) for name, value in headers.items()})


def headers_size(headers: Mapping[str, str]) -> int:
    """Return how many bytes headers take on the wire; they count against the largest message."""
    if not headers:
        return 0
    size = 12  # NATS/1.0 and two line ends
    for name, value in headers.items():
        size += len(name) + 4 + (len(value) if value.isascii() else len(value.encode()))
    return size


def _one_line(value: str) -> str:
    value = value.strip()
    return value.translate(_LINE_ENDS) if "\n" in value or "\r" in value else value
