"""A directory that files are put into: which are there and finished, and where they go when they are done."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import IO, Literal

from app_framework.olap.row_formats import format_of

Order = Literal["name", "time"]
PIECE_BYTES = 1 << 20
UNFINISHED = (".tmp", ".part", ".partial", ".crdownload", "~")
"""How names end of what is still being written, by the habits of many programs."""


@dataclass(frozen=True, slots=True)
class Look:
    """A file as it was seen.

    Args:
        name: in the directory.
        size: in bytes.
        changed_ns: when it was last changed.
        inode: what tells a file from another one of the same name.
    """

    name: str
    size: int
    changed_ns: int
    inode: int


class TooManyFilesError(OSError):
    """The directory holds more files than a feed looks at.

    Attributes:
        limit: how many it looks at.
    """

    def __init__(self, path: Path, limit: int) -> None:
        super().__init__(f"{path} holds more than {limit:,} files (`max-files`)")
        self.limit = limit


class Folder:
    """The files of one directory that match a pattern.

    A file is finished when two looks in a row see it the same. What is hidden, ends like a temporary file, is no
    regular file or has no format by its name where it needs one is never looked at.

    Args:
        path: the directory; what is done with goes to ``done`` and ``failed`` below it.
        pattern: of names, with ``*``, ``?`` and ``[…]``.
        order: whether files are taken by name, or the oldest first.
        needs_suffix: whether the name has to say the format.
        files_max: how many files there may be.
    """

    def __init__(
        self,
        path: Path,
        pattern: str = "*",
        *,
        order: Order = "name",
        needs_suffix: bool = True,
        files_max: int = 100_000,
    ) -> None:
        self.path = path
        self.pattern = pattern
        self._order = order
        self._needs_suffix = needs_suffix
        self._files_max = files_max
        self._before: Mapping[str, Look] = {}

    @property
    def names(self) -> Collection[str]:
        """The files that the last look saw, finished or not."""
        return self._before.keys()

    def look(self) -> list[Look]:
        """Return the finished files in order.

        Raises:
            OSError: the directory cannot be read, or holds too many files.
        """
        seen: dict[str, Look] = {}
        with os.scandir(self.path) as entries:
            for entry in entries:
                if not self._takes(entry):
                    continue
                if len(seen) >= self._files_max:
                    raise TooManyFilesError(self.path, self._files_max)
                try:
                    found = entry.stat(follow_symlinks=True)
                except FileNotFoundError:  # it was moved away meanwhile
                    continue
                seen[entry.name] = Look(entry.name, found.st_size, found.st_mtime_ns, found.st_ino)
        finished = [look for name, look in seen.items() if self._before.get(name) == look]
        self._before = seen
        finished.sort(key=lambda look: (look.changed_ns if self._order == "time" else 0, look.name))
        return finished

    def open(self, look: Look) -> tuple[IO[bytes], str] | None:
        """Open a file and return it with the digest of its content; None when it is not what was seen any more.

        Raises:
            OSError: it cannot be read.
        """
        try:
            file = (self.path / look.name).open("rb")
        except FileNotFoundError:
            return None
        try:
            state = hashlib.blake2b(digest_size=16)
            while piece := file.read(PIECE_BYTES):
                state.update(piece)
            file.seek(0)
            now = os.fstat(file.fileno())
        except BaseException:
            file.close()
            raise
        if (now.st_size, now.st_mtime_ns, now.st_ino) != (look.size, look.changed_ns, look.inode):
            file.close()
            return None
        return file, state.hexdigest()

    def done(self, name: str) -> None:
        """Move a file to those that are done; one that is gone is left alone.

        Raises:
            OSError: it cannot be moved.
        """
        self._move(name, "done")

    def failed(self, name: str, problems: Sequence[Mapping[str, object]], *, move: bool) -> Path:
        """Write down why a file was refused, and then move it to those that failed.

        Raises:
            OSError: it cannot be written or moved.
        """
        target = self._free("failed", name)
        report = target.with_name(f"{target.name}.problems.json")
        text = json.dumps({"file": name, "problems": list(problems)}, ensure_ascii=False, indent=1)
        report.write_text(text + "\n", encoding="utf-8", errors="backslashreplace")
        if move:
            (self.path / name).rename(target)
        return report

    def _takes(self, entry: os.DirEntry[str]) -> bool:
        name = entry.name
        if name.startswith(".") or name.endswith(UNFINISHED) or not fnmatchcase(name, self.pattern):
            return False
        return (not self._needs_suffix or format_of(name) is not None) and entry.is_file()

    def _move(self, name: str, folder: str) -> None:
        try:
            (self.path / name).rename(self._free(folder, name))
        except FileNotFoundError:
            if (self.path / name).exists():
                raise

    def _free(self, folder: str, name: str) -> Path:
        """Return a place below that nothing has yet: a name may come every day."""
        target = self.path / folder
        target.mkdir(exist_ok=True)
        path, number = target / name, 1
        while path.exists():
            number += 1
            path = target / f"{Path(name).stem}-{number}{Path(name).suffix}"
        return path

    def __repr__(self) -> str:
        return f"<Folder {self.path}/{self.pattern}>"
