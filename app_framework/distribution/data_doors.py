"""What a data cube answers to query cubes: its contribution, its part of an answer, its rows."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import TYPE_CHECKING

from app_framework.distribution.delivery import pack
from app_framework.distribution.errors import InvalidContributionError, OtherIncarnationError, PartTooLargeError
from app_framework.distribution.liveness import Stamp
from app_framework.distribution.reading import Reader
from app_framework.distribution.tracing import ROWS, VERSION, Tracing, part_of
from app_framework.errors import ServiceUnavailableError
from app_framework.messaging.trace import TRACEPARENT
from app_framework.olap.errors import TooLargeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from app_framework.database import Database
    from app_framework.distribution.acknowledging import Acknowledgements
    from app_framework.distribution.concealment import Concealed
    from app_framework.distribution.contribution import DataCubeId
    from app_framework.distribution.limits import DistributionLimits
    from app_framework.distribution.publishing import Publisher
    from app_framework.distribution.subjects import Places
    from app_framework.messaging import Call, Messenger, Service
    from app_framework.messaging.spans import Span
    from app_framework.olap.aggregates import AggregateStore
    from app_framework.olap.model import CubeModel
    from app_framework.olap.partial import PartialAnswer, PartialAnswerer

INCARNATION = "Af-Incarnation"
"""The header that says which incarnation of a data cube a question is for."""
DOORS = ("contribution", "partial", "rows", "told")


class DataDoors:
    """The doors of one incarnation of a data cube.

    Args:
        model: of the cube.
        concealed: what is refused even when it is asked for by name.
        database: where its rows are.
        publisher: knows its contribution.
        data_cube: which one.
        incarnation: other ones are not answered for.
        messenger: brings questions.
        limits: the bounds.
        acknowledged: is told what query cubes say.
        aggregates: the groups of rows that the cube keeps, from which it answers where they cover a question.
    """

    def __init__(
        self,
        model: CubeModel,
        concealed: Concealed,
        database: Database,
        publisher: Publisher,
        *,
        data_cube: DataCubeId,
        incarnation: str,
        messenger: Messenger,
        limits: DistributionLimits,
        acknowledged: Acknowledgements,
        aggregates: Callable[[], AggregateStore] | None = None,
    ) -> None:
        from app_framework.olap.partial import PartialAnswerer

        self._id = data_cube
        self._model = model
        self._concealed = concealed
        self._database = database
        self._publisher = publisher
        self._incarnation = incarnation
        self._messenger = messenger
        self._limits = limits
        self._acknowledged = acknowledged
        self._answerer: PartialAnswerer = PartialAnswerer(
            concealed.visible(model), database, rows_max=limits.rows_max, aggregates=aggregates
        )
        self._tracing = Tracing()
        self._services: list[Service] = []

    async def open(self, places: Places) -> None:
        """Answer from now on."""
        handlers = (self._contribution, self._partial, self._rows, self._told)
        for door, handler in zip(DOORS, handlers, strict=True):
            subject = places.of_data(self._id.node, self._id.cube, door)
            self._services.append(await self._messenger.serve(subject, handler))

    async def close(self) -> None:
        """Take no more questions, and finish those that are here."""
        services, self._services = self._services, []
        for service in services:
            await service.unsubscribe()

    async def _contribution(self, call: Call) -> bytes:
        if self._publisher.current is None:
            raise ServiceUnavailableError(f"What data cube '{self._id}' holds is not known yet.")
        since = _reader(call, "a question for a contribution").document.get("since")
        stamp = None
        if since is not None:
            read = Reader(since, "a known contribution")
            stamp = Stamp(read.text("incarnation"), read.number("version"), "")
        return await pack(self._messenger, self._publisher.pieces(stamp))

    async def _partial(self, call: Call) -> bytes:
        with self._tracing.answered(self._id, "query", call.headers.get(TRACEPARENT)) as span:
            answer = await self._part(call)
            span.note(part_of(answer))
            return await pack(self._messenger, answer.chunks())

    async def _part(self, call: Call) -> PartialAnswer:
        from app_framework.olap.partial import PartialQuestion

        self._check_incarnation(call)
        question = PartialQuestion.parse(call.data)
        self._check_branch(question.branch)
        bounded = replace(question, timeout_s=max(0.001, min(question.timeout_s, call.remaining_s)))
        try:
            return await self._answerer.answer(bounded)
        except TooLargeError as error:
            limit = min(question.rows_max, self._limits.rows_max) if error.limit is not None else None
            raise PartTooLargeError(limit, self._id.node) from error

    async def _rows(self, call: Call) -> bytes:
        with self._tracing.answered(self._id, "drillthrough", call.headers.get(TRACEPARENT)) as span:
            return await pack(self._messenger, await self._found(call, span))

    async def _found(self, call: Call, span: Span) -> list[bytes]:
        from app_framework.distribution.drilling import RowReader
        from app_framework.distribution.rows_question import RowsQuestion
        from app_framework.olap.arrow import row_pieces

        self._check_incarnation(call)
        question = RowsQuestion.parse(call.data)
        self._check_branch(question.branch)
        reader = RowReader(self._model, self._concealed, self._database, self._limits.rows_max)
        bounded = replace(question, timeout_s=max(0.001, min(question.timeout_s, call.remaining_s)))
        try:
            rows = await reader.read(bounded)
        except TooLargeError as error:
            raise PartTooLargeError(error.limit, self._id.node) from error
        count = rows.count if question.limit is None else min(rows.count, question.limit)
        span.note({ROWS: count, VERSION: rows.versions.get("", 0)})
        with rows:
            return await asyncio.to_thread(lambda: list(row_pieces(rows)))

    async def _told(self, call: Call) -> bytes:
        read = _reader(call, "what a query cube tells")
        query_cube, refused = read.text("query_cube"), read.optional("refused")
        if refused is not None:
            self._acknowledged.refuse(query_cube, refused)
        else:
            self._acknowledged.note(query_cube, read.number("masks_version"), read.optional("not_masked"))
        return b""

    def _check_incarnation(self, call: Call) -> None:
        wanted = call.headers.get(INCARNATION, self._incarnation)
        if wanted != self._incarnation:
            raise OtherIncarnationError(str(self._id))

    def _check_branch(self, branch: str) -> None:
        from app_framework.olap.errors import UNKNOWN_BRANCH, QueryError, QueryProblem

        if branch in self._concealed.branches:
            raise QueryError.of([QueryProblem(UNKNOWN_BRANCH, "branch", f"there is no branch {branch!r}.")])

    def __repr__(self) -> str:
        return f"<DataDoors of '{self._id}'>"


def _reader(call: Call, what: str) -> Reader:
    try:
        return Reader(json.loads(call.data), what)
    except (ValueError, RecursionError) as error:
        raise InvalidContributionError(f"{what} is not JSON: {error}") from error
