"""Asking one data cube for its part of a question, and what its failures mean."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from app_framework.database.errors import QueryTimeoutError
from app_framework.distribution.data_doors import INCARNATION
from app_framework.distribution.delivery import unpack
from app_framework.distribution.errors import PartTooLargeError
from app_framework.distribution.tracing import BYTES, ROWS, VERSION, Tracing, part_of
from app_framework.messaging.errors import (
    DeadlineExceededError,
    DisconnectedError,
    MessengerError,
    NoRespondersError,
    RemoteError,
)
from app_framework.olap.arrow import ArrowRows
from app_framework.olap.errors import (
    INVALID_QUERY,
    UNKNOWN_BRANCH,
    UNKNOWN_LEVEL,
    UNKNOWN_MEASURE,
    UNKNOWN_VERSION,
    QueryError,
    QueryProblem,
)
from app_framework.olap.partial.answer import PartialAnswer, PartialAnswerError

if TYPE_CHECKING:
    from app_framework.distribution.contribution import Contribution
    from app_framework.distribution.limits import DistributionLimits
    from app_framework.distribution.publishing import Published
    from app_framework.distribution.roster import Roster
    from app_framework.distribution.rows_question import RowsQuestion
    from app_framework.distribution.subjects import Places
    from app_framework.messaging import Messenger
    from app_framework.olap.partial.question import PartialQuestion

TURNED_AWAY = ("OVERLOADED", "TIMEOUT")
"""What a data cube says that is there and cannot answer now; another one may."""
OF_THE_QUESTION = (INVALID_QUERY, UNKNOWN_MEASURE, UNKNOWN_LEVEL)


class NodeFailedError(Exception):
    """A data cube did not answer.

    Attributes:
        node: where it is.
        reason: what is known of why.
        refused: what its answer means where nobody can stand in for it; None where it gave none.
    """

    def __init__(self, node: str, reason: str, refused: Exception | None = None) -> None:
        super().__init__(node, reason)
        self.node = node
        self.reason = reason
        self.refused = refused

    def __str__(self) -> str:
        return f"Node {self.node!r} did not answer: {self.reason.removesuffix('.')}."


class VersionMovedError(Exception):
    """A data cube does not have the version that is known here, or the branch.

    Attributes:
        data_cube: which one.
        told: what it says.
    """

    def __init__(self, data_cube: str, told: RemoteError) -> None:
        super().__init__(data_cube)
        self.data_cube = data_cube
        self.told = told

    def __str__(self) -> str:
        return f"Data cube '{self.data_cube}' has another version: {self.told.detail}"


class Asker:
    """See above.

    Args:
        roster: knows which data cubes are there.
        places: of the cluster.
        messenger: reaches them.
        limits: the bounds.
        tracing: makes a span of whatever is asked.
    """

    def __init__(
        self, roster: Roster, places: Places, messenger: Messenger, limits: DistributionLimits, tracing: Tracing
    ) -> None:
        self._roster = roster
        self._places = places
        self._messenger = messenger
        self._limits = limits
        self._tracing = tracing

    async def ask(self, contribution: Contribution, question: PartialQuestion, deadline_s: float) -> PartialAnswer:
        """Return a data cube's part of an answer.

        Raises:
            NodeFailedError: it did not answer.
            VersionMovedError: it has another version.
            QueryError, PartTooLargeError, QueryTimeoutError: it cannot answer, or may not, or not in time.
        """
        left_s = deadline_s - asyncio.get_running_loop().time()
        if left_s <= 0:
            raise QueryTimeoutError(question.timeout_s)
        bounded = replace(question, timeout_s=left_s, rows_max=self._limits.rows_max)
        with self._tracing.asked(contribution, "query") as span:
            pieces = await self._fetch(contribution, "partial", bounded.to_bytes(), left_s)
            try:
                answer = PartialAnswer.read(pieces)
            except PartialAnswerError as error:
                raise NodeFailedError(contribution.id.node, str(error)) from error
            if len(answer.tables) != len(question.frames) or answer.version != question.version:
                raise NodeFailedError(contribution.id.node, "what it sent is not what it was asked for")
            span.note({**part_of(answer), BYTES: answer.bytes})
        return answer

    async def rows(self, contribution: Contribution, question: RowsQuestion) -> ArrowRows:
        """Return a data cube's rows; see `ask`."""
        with self._tracing.asked(contribution, "drillthrough") as span:
            pieces = await self._fetch(contribution, "rows", question.to_bytes(), question.timeout_s)
            try:
                rows = ArrowRows.read(b"".join(pieces))
            except ValueError as error:
                raise NodeFailedError(contribution.id.node, f"what it sent are no rows: {error}") from error
            size = sum(len(piece) for piece in pieces)
            span.note({ROWS: len(rows), VERSION: rows.versions.get("", 0), BYTES: size})
        return rows

    async def _fetch(self, contribution: Contribution, door: str, data: bytes, timeout_s: float) -> list[bytes]:
        id_ = str(contribution.id)
        with self._roster.asking(id_) as lost:
            asked = asyncio.get_running_loop().create_task(self._fetched(contribution, door, data, timeout_s))
            try:
                await asyncio.wait((asked, lost), return_when=asyncio.FIRST_COMPLETED)
                if not asked.done():
                    raise NodeFailedError(contribution.id.node, "nothing is heard of it any more")
                return asked.result()
            except RemoteError as error:
                raise self._meaning(contribution, error, timeout_s) from error
            except DeadlineExceededError as error:
                raise QueryTimeoutError(timeout_s) from error
            except MessengerError as error:
                if isinstance(error, NoRespondersError):
                    self._roster.unreachable(id_)
                raise NodeFailedError(contribution.id.node, _reason(error)) from error
            finally:
                if not asked.done():
                    asked.cancel()
                    await asyncio.gather(asked, return_exceptions=True)

    async def members_at(self, published: Published, branch: str, version: int) -> Mapping[str, frozenset[object]]:
        """Return the distributing members that a data cube held in a version.

        Raises:
            UnknownVersionError: it is not kept any more.
            NodeFailedError: it did not answer.
        """
        try:
            return await self._roster.members_on(str(published.contribution.id), branch, version)
        except RemoteError as error:
            raise self._meaning(published.contribution, error, self._limits.discovery_timeout_s) from error
        except MessengerError as error:
            raise NodeFailedError(published.contribution.id.node, _reason(error)) from error

    async def _fetched(self, contribution: Contribution, door: str, data: bytes, timeout_s: float) -> list[bytes]:
        subject = self._places.of_data(contribution.id.node, contribution.id.cube, door)
        headers = {INCARNATION: contribution.incarnation}
        reply = await self._messenger.request(subject, data, timeout_s=timeout_s, headers=headers)
        return await unpack(
            self._messenger,
            reply.data,
            node=contribution.id.node,
            timeout_s=timeout_s,
            bytes_max=self._limits.bytes_max,
        )

    def _meaning(self, contribution: Contribution, error: RemoteError, timeout_s: float) -> Exception:
        """Return what an answer that is none means for the question."""
        if error.code in (UNKNOWN_VERSION, UNKNOWN_BRANCH):
            return VersionMovedError(str(contribution.id), error)
        if error.code == "TOO_LARGE":
            return PartTooLargeError(None, contribution.id.node, told=error.detail)
        if error.code in OF_THE_QUESTION:
            return QueryError.of([QueryProblem(error.code, "", f"node {contribution.id.node!r}: {error.detail}")])
        if error.code == "TIMEOUT":
            return NodeFailedError(contribution.id.node, error.detail, QueryTimeoutError(timeout_s))
        return NodeFailedError(contribution.id.node, error.detail, error if error.code in TURNED_AWAY else None)

    def __repr__(self) -> str:
        return f"<Asker of {self._roster}>"


def _reason(error: MessengerError) -> str:
    if isinstance(error, DisconnectedError):
        return "this node is not connected"
    return "nobody answers there" if isinstance(error, NoRespondersError) else str(error)
