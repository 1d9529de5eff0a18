"""Several questions in one request: a list of answers or problems, in the order of the questions."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

from starlette.responses import Response, StreamingResponse

from app_framework.olap import CellSet, CubeQuery, Manager, QueryError
from app_framework.olap.errors import INVALID_REQUEST, QueryProblem
from app_framework.web.encoding import CHUNK_ROWS, dump_answer, dumps
from app_framework.web.errors import InvalidBodyError
from app_framework.web.problems import Problem, problem_of

_logger = logging.getLogger(__name__)
JSON = "application/json"


async def answer_batch(manager: Manager, document: object) -> Response:
    """Return the answers to a decoded list of questions.

    Raises:
        InvalidBodyError: it is no list.
        TooManyQuestionsError: it is too long.
    """
    if not isinstance(document, list):
        raise InvalidBodyError('a batch is a list of questions, each with its cube: [{"cube": …, "measures": […]}, …]')
    answers = await manager.query_all([_read(manager, each) for each in document])
    told = [answer if isinstance(answer, CellSet) else _problem(answer) for answer in answers]
    refused = [each for each in told if isinstance(each, Problem) and each.code == "OVERLOADED"]
    if told and len(refused) == len(told):
        return refused[0].response()
    if sum(len(each) for each in told if isinstance(each, CellSet)) > CHUNK_ROWS:
        # An iterator that is not asynchronous is asked for its pieces in a thread.
        return StreamingResponse(_pieces(told), media_type=JSON)
    return Response(b"".join(_pieces(told)), media_type=JSON)


def _read(manager: Manager, document: object) -> tuple[str, CubeQuery] | Exception:
    """Return one question, or what is wrong with it."""
    if not isinstance(document, dict):
        return QueryError.of([QueryProblem(INVALID_REQUEST, "", "a query is a JSON object.")])
    cube = document.get("cube")
    if not isinstance(cube, str):
        return QueryError.of([QueryProblem(INVALID_REQUEST, "cube", "`cube` is required: the name of a cube.")])
    try:
        return cube, manager.read(cube, {key: value for key, value in document.items() if key != "cube"})
    except Exception as error:  # told in the place of this question's answer
        return error


def _problem(error: Exception) -> Problem:
    problem = problem_of(error)
    if problem.code == "INTERNAL":
        _logger.error("a question of a batch failed", exc_info=error)
    return problem


def _pieces(answers: Sequence[CellSet | Problem]) -> Iterator[bytes]:
    for position, answer in enumerate(answers):
        yield b"," if position else b"["
        yield dumps(answer.as_json()) if isinstance(answer, Problem) else dump_answer(answer.to_dict())
    yield b"]" if answers else b"[]"
