"""`/cubes`: which cubes there are, and questions to them, answered as JSON, Arrow or CSV."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from functools import partial
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Path, Query
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from app_framework.database.branches import MASTER
from app_framework.errors import ServiceUnavailableError, UserError
from app_framework.olap import CellSet, CellStream, CubeQuery, Manager, RowSet, arrow
from app_framework.web.answer_cache import Answer, AnswerCache
from app_framework.web.autowired import Autowired, Resolver
from app_framework.web.disconnect import while_client_stays, while_connected
from app_framework.web.encoding import CHUNK_ROWS, dump_answer, dumps, loads, row_pieces, stream_answer
from app_framework.web.errors import InvalidBodyError
from app_framework.web.etag import holds, not_modified, tag_of, tagged, values_of
from app_framework.web.negotiation import negotiate
from app_framework.web.openapi import documented
from app_framework.web.questions import Question, Questions
from app_framework.web.routes.cube_batch import answer_batch
from app_framework.web.routes.cube_schema import (
    ARROW,
    BATCH_ANSWER,
    BATCH_BODY,
    CSV,
    DRILLTHROUGH_BODY,
    EXPLANATION,
    JSON,
    MEMBERS,
    QUERY_ANSWER,
    QUERY_BODY,
    ROWS_ANSWER,
)
from app_framework.web.routes.discovery_schema import CUBE_DISCOVERY, CUBES_DISCOVERY
from app_framework.web.streaming import PulledResponse

MEMBERS_MAX = 10_000
MISSING_CHARS_MAX = 4_000
"""A header has no room for more; the problem of the question without `partial` names them all."""

router = APIRouter(tags=["cubes"])
_QUERY_CODES = (
    "INVALID_REQUEST",
    "INVALID_QUERY",
    "UNKNOWN_MEASURE",
    "UNKNOWN_LEVEL",
    "UNKNOWN_BRANCH",
    "UNKNOWN_CUBE",
    "UNKNOWN_VERSION",
)
_ROWS_CODES = tuple(code for code in _QUERY_CODES if code != "UNKNOWN_MEASURE")


CubeName = Annotated[str, Path(description="The name of a cube.")]


@router.get("/cubes", operation_id="listCubes", summary="List the cubes", openapi_extra=CUBES_DISCOVERY)
async def list_cubes(request: Request, manager: Autowired[Manager]) -> Response:
    """Every catalog with its cubes: dimensions, hierarchies, levels and measures."""
    return _described(request, manager.discovery())


@router.get(
    "/cubes/{cube}",
    operation_id="describeCube",
    summary="Describe a cube",
    responses=documented("UNKNOWN_CUBE"),
    openapi_extra=CUBE_DISCOVERY,
)
async def describe_cube(cube: CubeName, request: Request, manager: Autowired[Manager]) -> Response:
    """One cube: its dimensions, hierarchies, levels and measures."""
    return _described(request, manager.describe(cube))


@router.get(
    "/cubes/{cube}/members",
    operation_id="listMembers",
    summary="List the members of a level",
    responses=documented(
        "UNKNOWN_CUBE", "INVALID_REQUEST", "INVALID_QUERY", "UNKNOWN_LEVEL", "UNKNOWN_BRANCH", "UNKNOWN_VERSION"
    ),
    openapi_extra=MEMBERS,
)
async def list_members(
    cube: CubeName,
    request: Request,
    manager: Autowired[Manager],
    level: Annotated[str, Query(description="A level, as in a query.")],
    prefix: Annotated[str | None, Query(description="How the members must begin.")] = None,
    limit: Annotated[int, Query(ge=1, le=MEMBERS_MAX, description="The most members to answer with.")] = 100,
    branch: Annotated[str, Query(description="The branch to read.")] = MASTER,
    version: Annotated[int | None, Query(description="The data version to read; the newest unless given.")] = None,
) -> Response:
    """The members of a level, in order."""
    asked = manager.cube(cube)
    state = None if branch == MASTER and version is None else CubeQuery(measures=("-",), branch=branch, version=version)
    try:
        tag = tag_of(asked.fingerprint, asked.versions(state), level, prefix, limit, branch)
    except (ServiceUnavailableError, UserError):  # of data of other nodes, whose members may be known
        tag = ""
    # A version that is gone is refused, although whoever asks may still hold its members.
    if tag and version is None and holds(request, tag):
        return not_modified(tag)
    members = await asked.members(level, prefix=prefix, limit=limit, branch=branch, version=version)
    return _json({"cube": cube, "level": level, "members": members}, tagged(tag) if tag else None)


@router.post(
    "/cubes/query",
    operation_id="queryCubes",
    summary="Ask several questions at once",
    responses=documented("INVALID_REQUEST", "TOO_LARGE"),
    openapi_extra={**BATCH_BODY, **BATCH_ANSWER},
)
async def query_cubes(request: Request, manager: Autowired[Manager]) -> Response:
    """Ask several cubes, or one several times; each question is answered, or its problem told in its place."""
    return await while_connected(request, answer_batch(manager, await _read_json(request)))


@router.post(
    "/cubes/{cube}/query",
    operation_id="queryCube",
    summary="Ask a cube",
    responses=documented(*_QUERY_CODES, "NOT_ACCEPTABLE"),
    openapi_extra={**QUERY_BODY, **QUERY_ANSWER},
)
async def query_cube(
    cube: CubeName, request: Request, manager: Autowired[Manager], kept: Autowired[AnswerCache]
) -> Response:
    """Ask a cube for measures by levels; JSON, an Arrow stream or CSV by `Accept`."""
    return await _answered(cube, request, manager, kept)


async def query_directly(request: Request, cube: str) -> Response:
    """The same before FastAPI: `query_cube` without what looks for its parameters."""
    return await _answered(cube, request, await _MANAGER(request), await _KEPT(request))


_MANAGER, _KEPT = Resolver(Manager), Resolver(AnswerCache)


@router.post(
    "/cubes/{cube}/explain",
    operation_id="explainQuery",
    summary="Explain how a question is answered",
    responses=documented(*_QUERY_CODES),
    openapi_extra={**QUERY_BODY, **EXPLANATION},
)
async def explain_query(cube: CubeName, request: Request, manager: Autowired[Manager]) -> Response:
    """How a query is answered: plan, SQL, nodes, bytes and milliseconds."""
    query = await _read_query(cube, request, manager)
    return _json(await while_connected(request, manager.explain(cube, query)))


@router.post(
    "/cubes/{cube}/drillthrough",
    operation_id="drillThrough",
    summary="List the rows that a cell counts",
    responses=documented(*_ROWS_CODES, "NOT_ACCEPTABLE"),
    openapi_extra={**DRILLTHROUGH_BODY, **ROWS_ANSWER},
)
async def drill_through(cube: CubeName, request: Request, manager: Autowired[Manager]) -> Response:
    """The rows of a cell, sent while they are read; JSON, an Arrow stream or CSV by `Accept`."""
    media_type = negotiate(", ".join(request.headers.getlist("accept")), (JSON, ARROW, CSV))
    manager.cube(cube)
    drillthrough = manager.read_drillthrough(cube, await _read_json(request))
    return _rows_answer(await while_connected(request, manager.drillthrough(cube, drillthrough)), media_type)


async def _answered(cube: str, request: Request, manager: Manager, kept: AnswerCache) -> Response:
    question = await _read_question(cube, request, manager, kept.questions)
    asked, query = question.cube, question.query
    try:
        tag = question.tag()
    except ServiceUnavailableError:
        if query.unavailable == "fail":
            raise
        return await _partially_answered(question, request)
    # A version that is gone is refused, although its answer may still be there.
    answer = kept.peek(tag) if query.version is None or not asked.check(query) else None
    if holds(request, tag) and (answer is not None or not asked.check(query)):
        return not_modified(tag)
    if answer is None and question.media_type == ARROW:
        return await _arrow_answered(question, request, kept)
    if answer is None:
        making = partial(_made, question)
        answer = await kept.get(_in_time(tag, query), making, partial(while_client_stays, request))
    return _sent(answer)


async def _partially_answered(question: Question, request: Request) -> Response:
    """Answer from the nodes that do; nothing is kept of that."""
    if question.media_type == ARROW:
        return await _arrow_answer(await while_connected(request, question.cube.query_stream(question.query)))
    return _sent(await while_connected(request, _made(question)))


async def _read_question(cube: str, request: Request, manager: Manager, questions: Questions) -> Question:
    """Read a question, unless the same bytes were read before."""
    media_type = negotiate(", ".join(values_of(request, b"accept")), (JSON, ARROW, CSV))
    asked = manager.cube(cube)
    body = await request.body()
    question = questions.get(asked, media_type, body)
    if question is None:
        question = Question(asked, manager.read(cube, await _read_json(request)), media_type)
        questions.keep(body, question)
    return question


async def _arrow_answered(question: Question, request: Request, kept: AnswerCache) -> Response:
    model = question.cube.fingerprint
    stream = await while_connected(request, question.cube.query_stream(question.query))
    response = await _arrow_answer(stream)
    if stream.partial or question.cube.fingerprint != model:
        return response
    tag = question.tag_at(stream.versions)
    response.headers.update(tagged(tag))
    if type(response) is Response:
        kept.keep(tag, Answer(bytes(response.body), ARROW, key=tag, response=response))
    return response


async def _read_query(cube: str, request: Request, manager: Manager) -> CubeQuery:
    """Read a question; an unknown cube is told before it."""
    manager.cube(cube)
    return manager.read(cube, await _read_json(request))


async def _read_json(request: Request) -> object:
    """Read the body as JSON, whatever media type it is said to be."""
    try:
        return loads(await request.body())
    except ValueError as error:
        raise InvalidBodyError(f"the body is not JSON: {error}") from None


async def _arrow_answer(cells: CellStream) -> Response:
    """Send what is complete in one piece, and the rest while it is read."""
    pieces = arrow.cell_pieces(cells)
    if not cells.complete:
        return PulledResponse(pieces, cells.close, media_type=ARROW, headers=_headers(cells))
    return Response(await asyncio.to_thread(b"".join, pieces), headers=_headers(cells), media_type=ARROW)


def _rows_answer(rows: RowSet, media_type: str) -> Response:
    if media_type == JSON:
        return PulledResponse(row_pieces(rows.head(), rows.pieces()), rows.close, media_type=JSON)
    headers = {"X-Cube": quote(rows.cube), "X-Versions": json.dumps(rows.versions), "X-Count": str(rows.count)}
    pieces = arrow.row_pieces(rows) if media_type == ARROW else rows.csv_pieces()
    return PulledResponse(pieces, rows.close, media_type=media_type, headers=headers)


async def _made(question: Question) -> Answer:
    """Answer a question; under the tag of what was read, for the data may have changed since the question came."""
    model = question.cube.fingerprint
    cells = await question.cube.query(question.query)
    # The nodes that a query cube answers for may change meanwhile: then nobody knows what this is the answer of.
    tag = None if cells.partial or question.cube.fingerprint != model else question.tag_at(cells.versions)
    media_type = question.media_type
    headers = {**(_headers(cells) if media_type == CSV else {}), **(tagged(tag) if tag else {})}
    if len(cells) > CHUNK_ROWS or cells.partial:
        return Answer(b"", media_type, headers, tag, cells)
    body = dump_answer(cells.to_dict()) if media_type == JSON else (await asyncio.to_thread(cells.to_csv)).encode()
    return Answer(body, media_type, key=tag, response=Response(body, headers=headers, media_type=media_type))


def _in_time(tag: str, query: CubeQuery) -> str:
    """Return what questions share that may be answered together: they also end at the same time."""
    return f"{tag} within {query.timeout_s}"


def _sent(answer: Answer) -> Response:
    if answer.response is not None:
        return answer.response
    assert answer.cells is not None, "an answer is encoded, or there to be encoded"
    # An iterator that is not asynchronous is asked for its pieces in a thread.
    cells = answer.cells
    pieces = cells.csv_pieces(CHUNK_ROWS) if answer.media_type == CSV else stream_answer(cells.to_dict())
    return StreamingResponse(pieces, headers=answer.headers, media_type=answer.media_type)


def _headers(cells: CellSet | CellStream) -> dict[str, str]:
    """What a table of bytes cannot say beside its rows."""
    headers = {
        "X-Cube": quote(cells.cube),
        "X-Versions": json.dumps(cells.versions),
        "X-Partial": "true" if cells.partial else "false",
        "X-Elapsed-Ms": f"{cells.elapsed_ms:.3f}",
    }
    missing = json.dumps(cells.missing, default=str) if cells.partial else ""
    return {**headers, "X-Missing": missing} if 0 < len(missing) <= MISSING_CHARS_MAX else headers


def _described(request: Request, document: Mapping[str, object]) -> Response:
    body = dumps(document)
    tag = tag_of(body.decode())
    return not_modified(tag) if holds(request, tag) else Response(body, media_type=JSON, headers=tagged(tag))


def _json(body: object, headers: Mapping[str, str] | None = None) -> Response:
    return Response(dumps(body), media_type=JSON, headers=headers)
