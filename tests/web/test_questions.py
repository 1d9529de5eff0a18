"""A question that was asked in the same bytes before is not read again, as long as it is the same question."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from app_framework.database import Database, Insert, Table
from app_framework.olap import Cube, CubeDefinition, CubeQuery
from app_framework.web.questions import BODY_BYTES_MAX, QUESTIONS_MAX, Question, Questions

QUERY = CubeQuery(measures=["lines"])
JSON, CSV = "application/json", "text/csv"


@pytest.fixture
def database() -> Iterator[Database]:
    with Database.open(tables=[Table("sales", columns={"city": "varchar"})]) as opened:
        yield opened


@pytest.fixture
def cube(database: Database) -> Cube:
    return Cube.of(
        CubeDefinition.of("sales", base="sales", dimensions={"City": ["city"]}, measures={"lines": {"count": "*"}}),
        database,
    )


def test_a_question_is_found_by_cube_media_type_and_bytes(cube: Cube, database: Database) -> None:
    """Another cube may have the same name: the model that it was read with counts."""
    questions, question = Questions(), Question(cube, QUERY, JSON)
    questions.keep(b"{}", question)
    assert questions.get(cube, JSON, b"{}") is question
    other = Cube(cube.model, database)
    assert [questions.get(*key) for key in ((cube, CSV, b"{}"), (cube, JSON, b"{ }"), (other, JSON, b"{}"))] == [
        None
    ] * 3


def test_what_was_asked_longest_ago_is_forgotten_and_what_is_long_is_not_kept(cube: Cube) -> None:
    questions, question = Questions(), Question(cube, QUERY, JSON)
    for number in range(QUESTIONS_MAX):
        questions.keep(str(number).encode(), question)
    assert questions.get(cube, JSON, b"0") is question
    questions.keep(b"one more", question)
    assert (questions.get(cube, JSON, b"0"), questions.get(cube, JSON, b"1")) == (question, None)
    questions.keep(b" " * (BODY_BYTES_MAX + 1), question)
    assert len(questions) == QUESTIONS_MAX


def test_its_tag_is_that_of_the_data(cube: Cube, database: Database) -> None:
    question = Question(cube, QUERY, JSON)
    first = question.tag()
    assert (question.tag(), question.tag_at(cube.versions())) == (first, first)
    before = cube.versions()
    database.commit([Insert("sales", [{"city": "Oslo"}])])
    assert question.tag() != first
    assert question.tag_at(before) == first == Question(cube, QUERY, JSON).tag_at(before)
    assert Question(cube, QUERY, CSV).tag_at(before) != first
