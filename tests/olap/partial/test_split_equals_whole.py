"""AA1: the same rows in one cube and split over several give the same answers (the merge itself, without messages)."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from app_framework.olap import CubeQuery
from tests.olap import test_calculations_oracle as calculations
from tests.olap import test_cube_oracle as plain
from tests.olap.partial.splitting import EXAMPLES, split_cube


@st.composite
def splits(draw: st.DrawFn) -> tuple[dict[str, Any], list[int]]:
    """Generated tables, and the node of each fact."""
    strategies = {"facts": plain.FACTS, "shops": plain.SHOPS, "regions": plain.REGIONS, "cities": plain.CITIES}
    rows = {name: draw(strategy) for name, strategy in strategies.items()}
    nodes = st.integers(0, draw(st.sampled_from([1, 2, 4])))
    return rows, [draw(nodes) for _ in rows["facts"]]


QUESTIONS = st.lists(st.one_of(plain.questions(), calculations.questions()), min_size=1, max_size=8)


@settings(max_examples=EXAMPLES)
@given(splits(), QUESTIONS)
def test_what_several_nodes_answer_is_what_one_would(
    split: tuple[dict[str, Any], list[int]], asked: list[dict[str, Any]]
) -> None:
    """AA1: every measure kind and calculation, with filters, totals, order, limit and nulls."""
    rows, nodes = split
    with split_cube(calculations.WITH_CALCULATIONS, rows, nodes) as cube:
        for question in asked:
            query = CubeQuery.parse(question)
            if cube.whole.check(query):
                continue
            whole, merged = cube.whole.query_sync(query), cube.query(query)
            assert merged.columns == whole.columns, question
            assert merged.grouping == whole.grouping, question
            assert len(merged) == len(whole), question
            assert all(map(plain.same, merged.rows, whole.rows)), (question, merged, whole)
