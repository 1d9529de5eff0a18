"""The machine: its clock and its time zone."""

from __future__ import annotations

import os
import time
import zoneinfo
from datetime import UTC, datetime
from pathlib import Path

import app_framework
from app_framework.cli.checks.finding import Finding, fail, ok, warn


def clock_finding(now_s: float | None = None, written: Path = Path(app_framework.__file__)) -> Finding:
    """Is the clock later than our own files? One that is not will spoil every version and every certificate.

    Args:
        now_s: the time in question, in seconds since 1970; now when None.
        written: a file that was certainly written before.
    """
    now_s = time.time() if now_s is None else now_s
    shown = datetime.fromtimestamp(now_s, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    if now_s < written.stat().st_mtime:
        return fail("clock", f"{shown} is before the framework was installed here", "Set the clock; use NTP.")
    return ok("clock", shown)


def time_zone_finding(zone: str | None = None) -> Finding:
    """Is the time zone one that is known? An unknown one is silently taken for UTC.

    Args:
        zone: the value of the variable TZ; that of this process when None.
    """
    zone = os.environ.get("TZ", "") if zone is None else zone
    name = zone.removeprefix(":")
    if name and not name.startswith("/"):
        try:
            zoneinfo.ZoneInfo(name)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError):
            text = f"TZ={zone} is not in the time zone database"
            return warn("time zone", text, "Name one such as TZ=Europe/Paris, or unset TZ.")
    return ok("time zone", name or time.tzname[0])
