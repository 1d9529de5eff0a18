"""What one check found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Level(Enum):
    """How bad it is: fine, suspicious, or in the way of a node."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's report.

    Args:
        level: how bad it is.
        subject: what was checked.
        message: what was found.
        fix: what mends it; empty where nothing needs to be.
    """

    level: Level
    subject: str
    message: str
    fix: str = ""


def ok(subject: str, message: str) -> Finding:
    """Return a finding that all is well."""
    return Finding(Level.OK, subject, message)


def warn(subject: str, message: str, fix: str) -> Finding:
    """Return a finding that something is probably not meant."""
    return Finding(Level.WARN, subject, message, fix)


def fail(subject: str, message: str, fix: str) -> Finding:
    """Return a finding that would keep a node from running."""
    return Finding(Level.FAIL, subject, message, fix)
