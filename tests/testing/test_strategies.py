"""What hypothesis draws for tests of distributed cubes is worth asking."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app_framework.olap import CubeQuery, QueryError
from app_framework.testing import CubeTester, ResultMismatchError
from app_framework.testing.generated_models import AGGREGATES, HypothesisMissingError
from app_framework.testing.strategies import check_same, distributed_cubes, models, questions, rows, splits


@settings(max_examples=5)
@given(st.data())
def test_a_split_keeps_what_belongs_together(data: st.DataObject) -> None:
    """All rows of one member are on one node; with copies each row is somewhere at least."""
    found = data.draw(rows())
    parts = data.draw(splits(found, "city", nodes_max=3))
    assert sorted(map(repr, found)) == sorted(repr(row) for part in parts for row in part)
    for city in {row["city"] for row in found}:
        assert sum(any(row["city"] == city for row in part) for part in parts) == 1
    copied = data.draw(splits(found, "city", copies=2))
    assert {repr(row) for row in found} == {repr(row) for part in copied for row in part}


@settings(max_examples=5)
@given(st.data())
def test_a_question_that_was_drawn_can_be_asked(data: st.DataObject) -> None:
    model = data.draw(models())
    tables = {"facts": data.draw(rows())}
    columns = {"facts": model.columns}
    with CubeTester.of(
        tables, columns=columns, derive=False, dimensions=model.dimensions, measures=model.measures
    ) as cube:
        asked = data.draw(questions(model))
        names = [name for name in asked["measures"] if name in model.measures] or ["rows"]
        order = [each for each in asked["order"] if each["by"] in [*names, *asked["levels"]]]
        assert len(cube.ask(CubeQuery.parse({**asked, "measures": names, "order": order})).columns) > 0


def test_every_kind_of_aggregation_is_drawn() -> None:
    """AA1: for every measure kind."""
    from app_framework.olap.aggregation import AGGREGATIONS

    assert {kind for body in AGGREGATES.values() for kind in body} >= set(AGGREGATIONS)


def test_differences_are_found() -> None:
    """A comparison that never fails would prove nothing."""
    with CubeTester.of({"t": [{"x": 1}]}) as one, CubeTester.of({"t": [{"x": 2}]}) as other:
        check_same(one, one, CubeQuery(["x.sum"]))
        check_same(one, other, CubeQuery(["nothing"]))
        with pytest.raises(ResultMismatchError, match=r"x\.sum 1 \| 2"):
            check_same(one, other, CubeQuery(["x.sum"]))
        more = other.with_measures({"most": {"max": "x"}})
        with pytest.raises(AssertionError, match="is to be refused"):
            check_same(more, one, CubeQuery(["most"]))
        with pytest.raises(QueryError):
            check_same(one, more, CubeQuery(["most"]))


@settings(max_examples=5)
@given(distributed_cubes(nodes_max=3))
def test_a_case_shows_what_it_holds(case: object) -> None:
    """It is printed when a test fails."""
    assert repr(case).startswith("DistributedCase(model=")


def test_whoever_lacks_hypothesis_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "hypothesis", None)
    monkeypatch.delitem(sys.modules, "app_framework.testing.generated_models")
    monkeypatch.delitem(sys.modules, "app_framework.testing.strategies")
    with pytest.raises(ImportError, match="needs hypothesis") as failed:
        import app_framework.testing.strategies  # noqa: F401
    assert type(failed.value).__name__ == HypothesisMissingError.__name__
