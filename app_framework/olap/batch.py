"""Several questions in one: answered side by side, each for itself."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from app_framework.olap.cellset import CellSet
from app_framework.olap.errors import TooLargeError
from app_framework.olap.query import CubeQuery

ABREAST = 4
"""So many questions of one batch are with the database at a time: the line is for others too."""

Question = tuple[str, CubeQuery] | Exception
"""A cube and what it is asked, or what is wrong with the question already."""


async def answer_all(
    questions: Sequence[Question], ask: Callable[[str, CubeQuery], Awaitable[CellSet]], rows_max: int
) -> list[CellSet | Exception]:
    """Return the answer to each question, or the error that it ended with.

    Args:
        questions: in the order of the answers.
        ask: answers one.
        rows_max: the rows of all answers together; what is answered after that is a `TooLargeError`.
    """
    abreast = asyncio.Semaphore(ABREAST)
    left = rows_max

    async def answered(question: Question) -> CellSet | Exception:
        nonlocal left
        if isinstance(question, Exception):
            return question
        async with abreast:
            if left < 0:
                return TooLargeError(rows_max)
            try:
                cells = await ask(*question)
            except Exception as error:  # each question is for itself; who asked judges what it means
                return error
        left -= len(cells)
        return cells if left >= 0 else TooLargeError(rows_max)

    return list(await asyncio.gather(*map(answered, questions)))
