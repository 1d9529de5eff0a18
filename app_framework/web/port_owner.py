"""Who listens on a TCP port of this machine, read from `/proc` as far as this user may."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

_LISTEN = "0A"
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
        words = (process / "cmdline").read_bytes().split(b"\0")
        name = (process / "comm").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None
    # A command line may hold secrets as arguments: only the program, and the script or module it runs, are told.
    shown = [word.decode("utf-8", "replace") for word in words[1:3] if word and not word.startswith(b"-")][:1]
    return " ".join([name, *shown])
