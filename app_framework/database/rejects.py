"""Rows that were left out of a commit, kept in a file for whoever wants to mend them."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from app_framework.database.errors import DatabaseError, RowProblem


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


def write_rejects(folder: Path, table: str, version: int, rejected: Sequence[RejectedRow]) -> Path:
    """Write rows to a new file ``<folder>/<table>-<version>.ndjson``, durably, and return where.

    When no row was good there is no commit, and the next one gets the number: its file has another one behind it.

    Raises:
        DatabaseError: the file cannot be written.
    """
    file = folder / f"{quote(table, safe=' ')}-{version}.ndjson"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for number in itertools.count(2):
            if not file.exists():
                break
            file = file.with_name(f"{quote(table, safe=' ')}-{version}-{number}.ndjson")
        with file.open("x", encoding="utf-8", errors="backslashreplace") as lines:
            lines.writelines(f"{each.line()}\n" for each in rejected)
            lines.flush()
            os.fsync(lines.fileno())
    except OSError as error:
        raise DatabaseError(str(file), f"rejected rows cannot be kept: {error.strerror}") from error
    return file
