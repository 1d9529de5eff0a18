"""Questions: what JSON may write, and that every problem of one is told at once with its field."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app_framework.olap import (
    Catalog,
    Cube,
    CubeQuery,
    Manager,
    QueryError,
    UnknownBranchError,
    UnknownLevelError,
    UnknownMeasureError,
    UnknownVersionError,
)

FULL = {
    "measures": ["lines", "avg_qty"],
    "levels": ["l_returnflag", "Date.Calendar.year"],
    "where": {
        "l_linestatus": "F", "year": [1993, 1994], "c_mktsegment": {"not": ["MACHINERY", None]},
        "month": {"from": 3, "to": 5}, "name": {"prefix": "p"}, "none": None, "Date": {"path": [[1993, 1], [1994]]},
    },
    "totals": "grand",
    "order": [{"by": "lines", "descending": True}],
    "limit": 100,
    "offset": 20,
    "branch": "master",
    "version": 3,
    "timeout": "500ms",
    "unavailable": "partial",
}  # fmt: skip


def problems(document: object) -> list[tuple[str, str]]:
    with pytest.raises(QueryError) as caught:
        CubeQuery.parse(document)
    return [(problem.code, problem.field) for problem in caught.value.problems]


def test_the_whole_shape_is_read() -> None:
    query = CubeQuery.parse(FULL)
    assert (query.timeout_s, query.limit, query.unavailable, query.orders[0].descending) == (0.5, 100, "partial", True)
    assert CubeQuery.parse(query.to_dict()) == query
    assert hash(CubeQuery.parse(query.to_dict())) == hash(query)


def test_only_measures_are_required() -> None:
    query = CubeQuery.parse({"measures": ["lines"]})
    defaults = (query.levels, dict(query.filters), query.totals, query.orders, query.limit, query.offset)
    assert defaults == ((), {}, "none", (), None, 0)
    assert (query.branch, query.version, query.timeout_s, query.unavailable) == ("master", None, 30.0, "fail")


def test_every_problem_of_the_shape_is_told_at_once() -> None:
    assert problems({
        "mesures": [], "levels": "year", "where": {"a": {"form": 1}, "b": {"not": 1, "from": 2}, "c": {"prefix": 3},
        "d": [[1]], "e": {}, "f": {"path": [1]}}, "order": [{"by": "x", "descendin": True}, "y"], "limit": -1,
        "offset": 1.5, "totals": "some", "timeout": "soon", "version": "new", "branch": 3, "unavailable": "never",
    }) == [
        ("INVALID_REQUEST", "mesures"), ("INVALID_REQUEST", "levels"),
        ("INVALID_REQUEST", "where.a.form"), ("INVALID_REQUEST", "where.b"), ("INVALID_REQUEST", "where.c.prefix"),
        ("INVALID_REQUEST", "where.d[0]"), ("INVALID_REQUEST", "where.e"), ("INVALID_REQUEST", "where.f.path[0]"),
        ("INVALID_QUERY", "totals"), ("INVALID_REQUEST", "order[0].descendin"), ("INVALID_REQUEST", "order[1]"),
        ("INVALID_QUERY", "limit"), ("INVALID_QUERY", "offset"), ("INVALID_REQUEST", "branch"),
        ("INVALID_REQUEST", "version"), ("INVALID_REQUEST", "timeout"), ("INVALID_QUERY", "unavailable"),
    ]  # fmt: skip


@pytest.mark.parametrize("document", [None, [], "x", 3, {"measures": "lines"}, {"measures": [1]}])
def test_what_is_no_question_is_a_wrong_shape(document: object) -> None:
    assert {code for code, _ in problems(document)} == {"INVALID_REQUEST"}


@pytest.mark.parametrize("timeout", ["0s", "-1", 0, -3, "25h", float("inf"), float("nan")])
def test_a_timeout_has_bounds(timeout: object) -> None:
    assert ("timeout" in {field for _, field in problems({"measures": ["m"], "timeout": timeout})}) is True


@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["measures", "levels", "where", "order", "limit", "by", "from", "not", "path", "x"]), inner
    ),
))  # fmt: skip
def test_no_document_breaks_the_reader(document: object) -> None:
    """Whatever a client sends is a question or refused as one."""
    with suppress(QueryError):
        assert isinstance(CubeQuery.parse(document), CubeQuery)


def test_names_and_values_are_checked_against_the_cube_all_at_once(flights: Cube) -> None:
    """With the code of each, its field, and what was probably meant (FA2)."""
    with pytest.raises(QueryError) as caught:
        flights.plan(CubeQuery.parse({
            "measures": ["flightz", "planes"], "levels": ["orgin", "month"],
            "where": {"yeer": 1, "month": ["May", None], "carrier": {"from": 1}, "day": {"prefix": "1"},
                      "time_hour": "yesterday", "Calender": {"path": [[2013]]}, "Week": {"path": [["Monday", 1]]}},
            "order": [{"by": "distance"}], "branch": "what-if", "version": 1,
        }))  # fmt: skip
    assert caught.value.code == "INVALID_QUERY"
    assert [(p.code, p.field, p.near[:1]) for p in caught.value.problems] == [
        ("UNKNOWN_MEASURE", "measures[0]", ("flights",)),
        ("UNKNOWN_LEVEL", "levels[0]", ("origin",)),
        ("UNKNOWN_LEVEL", "where.yeer", ("year",)),
        ("INVALID_QUERY", "where.month[0]", ()),
        ("INVALID_QUERY", "where.carrier.from", ()),
        ("INVALID_QUERY", "where.day.prefix", ()),
        ("INVALID_QUERY", "where.time_hour", ()),
        ("UNKNOWN_LEVEL", "where.Calender", ("Calendar",)),
        ("INVALID_QUERY", "where.Week.path[0]", ()),
        ("INVALID_QUERY", "order[0].by", ()),
        ("UNKNOWN_BRANCH", "branch", ("master",)),
        ("UNKNOWN_VERSION", "version", ()),
    ]


def test_wrong_shapes_and_wrong_names_are_told_together(flights: Cube) -> None:
    """A question that cannot be read in full is still held against the cube (FA2)."""
    with pytest.raises(QueryError) as caught:
        Manager([Catalog("All", [flights])]).read("flights", {
            "measures": [1, "flightz", "planes", "planes"], "levels": ["month", "month", "orgin"], "limit": -1,
            "where": {"yeer": {"form": 1}, "Calender": {"path": 3}, "dest": {"prefix": 3}, "month": "May"},
            "order": [{"by": "flights"}, {"by": "origin"}, {"by": "monht"}], "branch": 3, "version": "new",
        })  # fmt: skip
    assert [(p.code, p.field, p.near[:1]) for p in caught.value.problems] == [
        ("INVALID_REQUEST", "measures[0]", ()),
        ("INVALID_QUERY", "measures[3]", ()),
        ("INVALID_QUERY", "levels[1]", ()),
        ("INVALID_REQUEST", "where.yeer.form", ("from",)),
        ("INVALID_REQUEST", "where.Calender.path", ()),
        ("INVALID_REQUEST", "where.dest.prefix", ()),
        ("INVALID_QUERY", "limit", ()),
        ("INVALID_REQUEST", "branch", ()),
        ("INVALID_REQUEST", "version", ()),
        ("UNKNOWN_MEASURE", "measures[1]", ("flights",)),
        ("UNKNOWN_LEVEL", "levels[2]", ("origin",)),
        ("UNKNOWN_LEVEL", "where.yeer", ("year",)),
        ("UNKNOWN_LEVEL", "where.Calender", ("Calendar",)),
        ("INVALID_QUERY", "where.month", ()),
        ("INVALID_QUERY", "order[2].by", ("month",)),
    ]


@pytest.mark.parametrize(
    ("question", "fields"),
    [
        ({"mesures": ["flights"], "order": [{"by": "flights"}]}, ["mesures"]),
        ({"measures": "flights", "order": [{"by": "flights"}]}, ["measures"]),
        ({"measures": ["flights"], "levels": "month", "order": [{"by": "month"}]}, ["levels"]),
        ({"measures": ["flights"], "levels": ["mnth"], "order": [{"by": "month"}]}, ["levels[0]"]),
        ({"measures": ["flights"], "levels": ["Calendar.mnth"], "order": [{"by": "month"}]}, ["levels[0]"]),
        ({"measures": ["flights"], "levels": ["mnth"], "order": [{"by": "dest"}]}, ["levels[0]", "order[0].by"]),
        ({"measures": [], "limit": -1}, ["limit", "measures"]),
        ([], [""]),
    ],
)
def test_what_follows_from_a_mistake_of_a_question_is_not_told_beside_it(
    flights: Cube, question: object, fields: list[str]
) -> None:
    """A column that is there once the name is right is not missing."""
    with pytest.raises(QueryError) as caught:
        flights.plan(Manager([Catalog("All", [flights])]).read("flights", question))
    assert [problem.field for problem in caught.value.problems] == fields


@pytest.mark.parametrize(
    ("question", "error", "code"),
    [
        ({"measures": ["nope"]}, UnknownMeasureError, "UNKNOWN_MEASURE"),
        ({"measures": ["nope", "nada"]}, UnknownMeasureError, "UNKNOWN_MEASURE"),
        ({"measures": ["flights"], "levels": ["nope"]}, UnknownLevelError, "UNKNOWN_LEVEL"),
        ({"measures": ["flights"], "branch": "nope"}, UnknownBranchError, "UNKNOWN_BRANCH"),
        ({"measures": ["flights"], "version": {"local": 1}}, UnknownVersionError, "UNKNOWN_VERSION"),
        ({"measures": ["nope"], "levels": ["nope"]}, QueryError, "INVALID_QUERY"),
        ({"measures": ["flights"], "levels": ["month", "Calendar.month"]}, QueryError, "INVALID_QUERY"),
    ],
)
def test_the_only_code_is_the_errors_own(
    flights: Cube, question: dict[str, object], error: type[QueryError], code: str
) -> None:
    with pytest.raises(error) as caught:
        flights.query_sync(CubeQuery.parse(question))
    assert caught.value.code == code


def test_the_newest_version_may_be_asked_for_by_number(flights: Cube) -> None:
    versions = flights.query_sync(CubeQuery(measures=["flights"])).versions
    assert flights.query_sync(CubeQuery(measures=["flights"], version=versions)).versions == versions
    assert flights.query_sync(CubeQuery(measures=["flights"], version=versions["local"])).rows == [(336_776,)]
