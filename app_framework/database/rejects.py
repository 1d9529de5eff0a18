"""Rows that were left out of a commit, kept in a file for whoever wants to mend them."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from app_framework.database.errors import DatabaseError, RejectsFullError, RowProblem


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """A row that was left out.

    Args:
        row: its number, from 1.
        problems: what is wrong with it.
        values: what was sent, by column; texts where it could not be read.
    """

    row: int
    problems: tuple[RowProblem, ...]
    values: Mapping[str, object]

    def line(self) -> str:
        """Return it as a line of JSON."""
        problems = [{"column": problem.column or None, "detail": problem.detail} for problem in self.problems]
        document = {"row": self.row, "problems": problems, "values": dict(self.values)}
        return json.dumps(document, ensure_ascii=False, default=str)


@dataclass(frozen=True, slots=True)
class Rejects:
    """The folder of rejected rows, with a bound on what it holds; whoever has mended its files removes them.

    Args:
        folder: made when it is first needed.
        bytes_max: how large all files together may be.
        rows_max: how many rows one commit may reject.
    """

    folder: Path
    bytes_max: int
    rows_max: int

    def write(self, table: str, version: int, rejected: Sequence[RejectedRow]) -> Path:
        """Write rows to a new file ``<folder>/<table>-<version>.ndjson``, durably, and return where.

        When no row was good there is no commit, and the next one gets the number: its file has another one behind it.

        Raises:
            RejectsFullError: there is no room for them.
            DatabaseError: the file cannot be written.
        """
        file = self.folder / f"{quote(table, safe=' ')}-{version}.ndjson"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            room = self.bytes_max - sum(each.stat().st_size for each in os.scandir(self.folder) if each.is_file())
            for number in itertools.count(2):
                if not file.exists():
                    break
                file = file.with_name(f"{quote(table, safe=' ')}-{version}-{number}.ndjson")
            with file.open("xb") as lines:
                for each in rejected:
                    line = f"{each.line()}\n".encode("utf-8", "backslashreplace")
                    room -= len(line)
                    if room < 0:
                        raise RejectsFullError(str(self.folder), self.bytes_max)
                    lines.write(line)
                lines.flush()
                os.fsync(lines.fileno())
        except RejectsFullError:
            file.unlink(missing_ok=True)
            raise
        except OSError as error:
            raise DatabaseError(str(file), f"rejected rows cannot be kept: {error.strerror}") from error
        return file
