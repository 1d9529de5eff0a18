"""What a data cube is asked of the rows behind a cell: conditions in words, columns, how many; it travels as JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app_framework.database.branches import MASTER
from app_framework.distribution.errors import InvalidContributionError
from app_framework.distribution.reading import Reader
from app_framework.olap.partial.question import PartialFrame, Restriction

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class RowsQuestion:
    """See above.

    Args:
        where: what every row has to pass.
        columns: what is wanted of it; none for all columns of the base table.
        limit: how many rows at most; None for all.
    """

    where: tuple[Restriction, ...]
    columns: tuple[str, ...] = ()
    limit: int | None = None
    branch: str = MASTER
    version: int | None = None
    timeout_s: float = 30.0

    def to_bytes(self) -> bytes:
        """Return the question as it travels."""
        from app_framework.olap.member import member_text

        document: Mapping[str, object] = {
            "frame": PartialFrame(where=self.where).to_json(),
            "columns": list(self.columns),
            "limit": self.limit,
            "branch": self.branch,
            "version": self.version,
            "timeout_ms": max(1, round(self.timeout_s * 1000)),
        }
        return json.dumps(document, separators=(",", ":"), default=member_text).encode()

    @staticmethod
    def parse(data: bytes) -> RowsQuestion:
        """Return the question that bytes hold.

        Raises:
            InvalidContributionError, PartialQuestionError: they hold none.
        """
        try:
            read = Reader(json.loads(data), "a question for rows")
        except (ValueError, RecursionError) as error:
            raise InvalidContributionError(f"a question for rows is not JSON: {error}") from error
        return RowsQuestion(
            PartialFrame.parse(read.document.get("frame")).where,
            read.texts("columns"),
            read.optional_number("limit"),
            read.text("branch"),
            read.optional_number("version"),
            read.number("timeout_ms") / 1000,
        )
