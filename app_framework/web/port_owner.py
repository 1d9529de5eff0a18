"""Who listens on a TCP port of this machine, read from `/proc` as far as this user may."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import takewhile
from pathlib import Path

_LISTEN = "0A"
_PYTHON = re.compile(r"python[\d.]*")
_PROC = Path("/proc")


def owner_of_port(port: int, proc: Path = _PROC) -> tuple[int | None, str | None]:
    """Return the process that listens on a port, and its command.

    Args:
        port: the port.
        proc: the process file system.

    Returns:
        process id and command; None for what is not known: another user's process, or a system without `/proc`.
    """
    inodes = frozenset(_listening_inodes(port, proc))
    if not inodes:
        return None, None
    for process in _processes(proc):
        if inodes & _socket_inodes(process):
            return int(process.name), _command(process)
    return None, None


def _listening_inodes(port: int, proc: Path) -> Iterator[str]:
    """Read the socket tables: the second column is the local address, the fourth the state, the tenth the inode."""
    for table in ("net/tcp", "net/tcp6"):
        try:
            lines = (proc / table).read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        for columns in map(str.split, lines):
            if columns[3] == _LISTEN and int(columns[1].rpartition(":")[2], 16) == port:
                yield columns[9]


def _processes(proc: Path) -> Iterator[Path]:
    try:
        yield from (entry for entry in proc.iterdir() if entry.name.isdecimal())
    except OSError:
        return


def _socket_inodes(process: Path) -> frozenset[str]:
    try:
        descriptors = list((process / "fd").iterdir())
    except OSError:  # it ended meanwhile, or belongs to somebody else
        return frozenset()
    targets = map(_target, descriptors)
    return frozenset(target[8:-1] for target in targets if target.startswith("socket:["))


def _target(descriptor: Path) -> str:
    try:
        return str(descriptor.readlink())
    except OSError:  # closed meanwhile
        return ""


def _command(process: Path) -> str | None:
    try:
        words = [word.decode("utf-8", "replace") for word in (process / "cmdline").read_bytes().split(b"\0") if word]
    except OSError:
        return None
    return command_shown(words) if words else None


def command_shown(words: Sequence[str]) -> str:
    """Return a command line as a person would say it: without the interpreter, the folders and the options.

    A command line may hold secrets. Of a foreign program only its name, or the script or module it runs, is told;
    of our own also what it was asked to do.

    >>> command_shown(["/venv/bin/python", "-I", "/venv/bin/af", "run", "shop.main:app", "--mail.password=x"])
    'af run shop.main:app'
    >>> command_shown(["/usr/bin/python3.11", "-m", "http.server", "8000"])
    'python3.11 -m http.server'
    """
    program, *arguments = words
    name = Path(program).name.partition(" ")[0]  # some programs write a whole sentence there
    if not _PYTHON.fullmatch(name):
        return name
    while arguments and arguments[0].startswith("-") and arguments[0] not in ("-c", "-m"):
        del arguments[: 2 if arguments[0] in ("-X", "-W") else 1]
    match arguments:
        case ["-m", "app_framework", *rest]:
            return " ".join(["af", *_before_options(rest)])
        case ["-m", module, *_]:
            return f"{name} -m {module}"
        case [script, *rest] if Path(script).name == "af":
            return " ".join(["af", *_before_options(rest)])
        case [script, *_] if script != "-c":
            return f"{name} {Path(script).name}"
    return name


def _before_options(arguments: Sequence[str]) -> Iterator[str]:
    return takewhile(lambda argument: not argument.startswith("-"), arguments)
