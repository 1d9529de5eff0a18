"""The spans of a question to a query cube: its own, one for each data cube that it asks, and one for the answer there.

Attributes are named as OpenTelemetry's conventions for databases have it; what those have no word for is
``app_framework.``.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Final, Literal

from app_framework.messaging.spans import Attributes, Span, Spans

if TYPE_CHECKING:
    from app_framework.distribution.contribution import Contribution, DataCubeId
    from app_framework.olap.partial.answer import PartialAnswer

SYSTEM = "app-framework"
ROWS: Final = "db.response.returned_rows"
NODE: Final = "app_framework.node"
APPLICATION: Final = "app_framework.application"
VERSION: Final = "app_framework.version"
BYTES: Final = "app_framework.bytes"
ELAPSED_MS: Final = "app_framework.elapsed_ms"
"""What the data cube itself needed; the span of the one that asks lasts as long as the round trip."""

Operation = Literal["query", "drillthrough", "members"]


class Tracing:
    """Begins these spans."""

    def __init__(self) -> None:
        self._spans = Spans("app_framework.distribution")

    def question(self, cube: str, operation: Operation) -> AbstractContextManager[Span]:
        """Begin the span of a question to a query cube."""
        return self._spans.begin(f"{operation} {cube}", "internal", _database(cube, operation))

    def asked(self, contribution: Contribution, operation: Operation) -> AbstractContextManager[Span]:
        """Begin the span of what one data cube is asked."""
        id_ = contribution.id
        attributes = {**_database(id_.cube, operation), NODE: id_.node, APPLICATION: contribution.application}
        return self._spans.begin(f"{operation} {id_.cube}", "client", attributes)

    def answered(self, id_: DataCubeId, operation: Operation, caller: str | None) -> AbstractContextManager[Span]:
        """Begin the span of the answer of a data cube, as a part of its caller's trace."""
        attributes = {**_database(id_.cube, operation), NODE: id_.node}
        return self._spans.begin(f"{operation} {id_.cube}", "server", attributes, caller=caller)

    def __repr__(self) -> str:
        return "<Tracing>"


def part_of(answer: PartialAnswer) -> Attributes:
    """Return what is told of a data cube's part of an answer."""
    return {ROWS: answer.rows, VERSION: answer.version, ELAPSED_MS: answer.elapsed_ms}


def _database(cube: str, operation: Operation) -> dict[str, str]:
    return {"db.system.name": SYSTEM, "db.collection.name": cube, "db.operation.name": operation}
