"""Where the rows of a table come from: Parquet, CSV or JSON files."""

from __future__ import annotations

import glob
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from app_framework.database.sql import literal
from app_framework.errors import near_matches

Format = Literal["parquet", "csv", "json"]
Reload = Literal["never", "on-start", "if-changed"]
FORMATS: tuple[Format, ...] = get_args(Format)
_ESCAPED = re.compile(r"\[([*?[])\]")
"""How a pattern writes a sign that is meant as itself: ``[*]``."""


@dataclass(frozen=True, slots=True)
class Source:
    """Files of one format; a name with ``*``, ``?`` or ``[…]`` stands for every file it matches.

    DuckDB reads a JSON number as a double: a decimal of more than 15 digits stays exact when written as text.

    Args:
        format: how the files are written.
        files: paths or patterns.
        reload: what a later start does: keep what the database holds, load anew, or load if the files changed.
        where: a condition over the files' columns; rows for which it is not true are left out. Empty for none.

    >>> Source.of(parquet="data/orders.parquet", where="year = 2013")
    Source(format='parquet', files=('data/orders.parquet',), reload='never', where='year = 2013')
    """

    format: Format
    files: tuple[str, ...]
    reload: Reload = "never"
    where: str = ""

    @classmethod
    def of(
        cls,
        *,
        parquet: str | Path | Sequence[str | Path] | None = None,
        csv: str | Path | Sequence[str | Path] | None = None,
        json: str | Path | Sequence[str | Path] | None = None,
        reload: Reload = "never",
        where: str = "",
    ) -> Source:
        """Return the source with exactly one of the formats given."""
        given = [(name, files) for name, files in zip(FORMATS, (parquet, csv, json), strict=True) if files]
        if len(given) != 1:
            raise ValueError("a source names files of exactly one of: parquet, csv, json")
        (name, files), *_ = given
        listed = [files] if isinstance(files, str | Path) else files
        return cls(name, tuple(str(file) for file in listed), reload, where)

    def resolve(self) -> tuple[Path, ...]:
        """Return the files that are there now, those of a pattern in order.

        Raises:
            MissingFileError: a file does not exist or a pattern matches none.
        """
        found: list[Path] = []
        for name in self.files:
            if not glob.has_magic(_ESCAPED.sub("", name)):
                found.append(_existing(Path(_ESCAPED.sub(r"\1", name))))
            elif matches := sorted(path for path in map(Path, glob.glob(name, recursive=True)) if path.is_file()):  # noqa: PTH207 - the pattern may be absolute
                found.extend(matches)
            else:
                raise MissingFileError(name, "no file matches", ())
        return tuple(found)

    def select(self, paths: Sequence[Path], types: Mapping[str, str]) -> str:
        """Return the SQL that reads all columns, `types` forced on those it names."""
        files = "[" + ", ".join(literal(str(path)) for path in paths) + "]"
        together = ", union_by_name = true" if len(paths) > 1 else ""
        if self.format == "parquet":
            return f"read_parquet({files}{together})"
        forced = ", ".join(f"{literal(name)}: {literal(kind)}" for name, kind in types.items())
        if self.format == "csv":
            return f"read_csv({files}{together}{f', types = {{{forced}}}' if forced else ''})"
        return f"read_json({files}{together}{f', columns = {{{forced}}}' if forced else ''})"


class MissingFileError(Exception):
    """A source names a file that is not there.

    Attributes:
        name: the path or pattern as configured.
        near: files beside it that were probably meant.
    """

    def __init__(self, name: str, reason: str, near: tuple[str, ...]) -> None:
        super().__init__(f"{reason} {shown(Path(name))}.")
        self.name = name
        self.near = near


def fingerprint(paths: Sequence[Path], where: str = "") -> str:
    """Return a hash over names, sizes and times of change: it differs when a file was written anew, or `where` was."""
    state = hashlib.blake2b(where.encode(), digest_size=16)
    for path in paths:
        stat = path.stat()
        state.update(f"{path.resolve()}\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode())
    return state.hexdigest()


def shown(path: Path) -> str:
    """Return a path relative to the current folder when it is below it: short, and the same on every machine."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def _existing(path: Path) -> Path:
    if path.is_file():
        return path
    if path.is_dir():
        raise MissingFileError(str(path), "a source names files, for example folder/*.parquet; this is a folder:", ())
    beside = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
    raise MissingFileError(str(path), "there is no file", near_matches(path.name, beside))
