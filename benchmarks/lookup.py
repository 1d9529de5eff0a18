"""Budget 5: what a node does in its own process to find an answer that it keeps, its key included."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator, Sequence

from app_framework.olap import CubeQuery
from app_framework.web.answer_cache import Answer, AnswerCache
from app_framework.web.questions import Question
from benchmarks.comparison import Case, Target
from benchmarks.facts import Ground

JSON = "application/json"
QUESTION: dict[str, object] = {
    "measures": ["lines", "revenue"],
    "levels": ["region", "year"],
    "where": {"month": [1, 2, 3]},
}
OTHERS = 500
"""So many other answers are kept beside it."""

BLOCK = 10_000


@contextlib.contextmanager
def lookups(ground: Ground) -> Iterator[Sequence[Case]]:
    """The question as it came over the wire; the cube says which data it has now, as it does for each request."""
    kept = AnswerCache(64 << 20)
    for limit in range(OTHERS):
        _keep(kept, ground, {**QUESTION, "limit": limit})
    body = _keep(kept, ground, QUESTION)

    def found_ms() -> float:
        cube, questions = ground.cube, kept.questions
        started = time.perf_counter()
        for _ in range(BLOCK):
            question = questions.get(cube, JSON, body)
            assert question is not None, "it was kept"
            assert kept.peek(question.tag()) is not None, "its answer was kept"
        return (time.perf_counter() - started) * 1000 / BLOCK

    yield [
        Case(
            "lookup", "A look for a kept answer, its key included, in process", found_ms, target=Target(0.002, of="ms")
        )
    ]


def _keep(kept: AnswerCache, ground: Ground, document: dict[str, object]) -> bytes:
    body = json.dumps(document).encode()
    question = Question(ground.cube, CubeQuery(**document), JSON)  # type: ignore[arg-type]
    kept.questions.keep(body, question)
    kept.keep(question.tag(), Answer(body, JSON))
    return body
