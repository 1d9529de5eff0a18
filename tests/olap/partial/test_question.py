"""What a node is asked travels as words, and what is no question is refused before anything is read."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from app_framework.olap.filter import AtPath, Between, In, NotIn, StartsWith
from app_framework.olap.partial import (
    PartialCell,
    PartialFrame,
    PartialQuestion,
    PartialQuestionError,
    Restriction,
)

INSTANT = datetime(2024, 2, 29, 12, tzinfo=UTC)
QUESTION = PartialQuestion(
    frames=(
        PartialFrame(
            levels=("Geo.Geo.city", "Date.Date.day"),
            where=(
                Restriction("Geo.Geo", AtPath((("AT", "Graz"), (None,)))),
                Restriction("Geo.Geo.city", NotIn(("Bern", None))),
                Restriction("Date.Date.day", Between(3, None)),
                Restriction("Name.Name.name", StartsWith("é")),
            ),
            contexts=((), (Restriction("Geo.Geo.city", In(("Rome",))),)),
            cells=(PartialCell("sold"), PartialCell("sold", 1)),
        ),
        PartialFrame(),
    ),
    branch="scenario",
    version=7,
    timeout_s=0.5,
    rows_max=10,
    dictionaries={"3f": 7},
)


def test_a_question_is_the_same_after_it_travelled() -> None:
    """AA1: levels, filters of every kind, contexts, measures, branch, version and limits."""
    assert PartialQuestion.parse(QUESTION.to_bytes()) == QUESTION


@pytest.mark.parametrize(
    ("member", "text"),
    [
        (date(2024, 2, 29), "2024-02-29"),
        (time(12, 30), "12:30:00"),
        (INSTANT, "2024-02-29T12:00:00+00:00"),
        (Decimal("1.50"), "1.50"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (2**70, 2**70),
        (True, True),
        (None, None),
    ],
)
def test_a_member_travels_as_a_query_writes_it(member: object, text: object) -> None:
    """AA1: the node that answers reads it as one of the level's own type."""
    frame = PartialFrame(where=(Restriction("a.b.c", In((member, "x"))),))
    [arrived] = PartialQuestion.parse(PartialQuestion((frame,)).to_bytes()).frames
    assert arrived.where == (Restriction("a.b.c", In((text, "x"))),)


def test_more_members_than_a_query_may_list_travel_to_a_node_that_answers_for_them() -> None:
    """AA5: where nodes share members, each is told all those that it answers for."""
    frame = PartialFrame(where=(Restriction("a.b.c", In(tuple(range(20_000)))),))
    assert PartialQuestion.parse(PartialQuestion((frame,)).to_bytes()).frames == (frame,)


def changed(*path: str | int, to: object) -> bytes:
    document: Any = json.loads(QUESTION.to_bytes())
    place = document
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = to
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\xff", "it is not JSON"),
        (b"[" * 100_000, "it is not JSON"),
        (b"[]", "it is no mapping"),
        (b"{}", "frames is no list"),
        (changed("frames", to=[7]), "a frame is no mapping"),
        (changed("frames", to=[{}] * 1001), "frames has more than 1,000 entries"),
        (changed("frames", 0, "levels", 0, to=3), "the name of a level is no text"),
        (changed("frames", 0, "where", 0, to=["a.b.c"]), "a restriction is no list of 2"),
        (changed("frames", 0, "where", 0, to=["a.b.c", {"sql": "1=1"}]), "a filter has no key 'sql'"),
        (changed("frames", 0, "where", 0, to=["a.b.c", [[1]]]), "a member is a plain value"),
        (changed("frames", 0, "contexts", to=[]), "its first context has conditions"),
        (changed("frames", 0, "cells", 0, to=["sold", 9]), "there is no context 9"),
        (changed("frames", 0, "cells", 0, to=["sold", -1]), "the context of a cell is no whole number"),
        (changed("version", to="new"), "the version is no whole number"),
        (changed("timeout_s", to=0), "`timeout_s` is no number of seconds"),
        (changed("timeout_s", to=float("nan")), "`timeout_s` is no number of seconds"),
        (changed("rows_max", to=True), "`rows_max` is no whole number"),
        (changed("dictionaries", to={"3f": -1}), "the length of a dictionary is no whole number"),
    ],
)
def test_what_is_no_question_is_refused(data: bytes, reason: str) -> None:
    """A4: from whomever it comes, with the reason."""
    with pytest.raises(PartialQuestionError) as caught:
        PartialQuestion.parse(data)
    assert reason in str(caught.value)
