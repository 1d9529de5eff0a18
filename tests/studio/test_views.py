"""A pivot is right: Perspective's own client against the cube, and against plain Python."""

from __future__ import annotations

import gc
import weakref
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from perspective import PerspectiveError

from app_framework.database import QueryTimeoutError
from app_framework.olap import Cube, CubeQuery
from app_framework.web.pivot.columns import PivotColumns
from app_framework.web.pivot.conversation import Conversation
from app_framework.web.pivot.frame import Bounds
from tests.studio.shop import Browser, plain, shop_cube


def test_the_table_offers_levels_and_visible_measures(browser: Browser) -> None:
    """Numbers that are members are texts, 2 is a month and no amount; a hidden measure is not there."""
    assert browser.client.get_hosted_table_names() == ["sales"]
    assert browser.table.schema() == {
        "city": "string",
        "month": "string",
        "day": "date",
        "item": "string",
        "version": "string",
        "lines": "integer",
        "items": "integer",
        "amount": "integer",
        "revenue": "float",
        "each": "float",
        "first_day": "date",
    }


def test_totals_are_answers_and_no_sums(browser: Browser) -> None:
    """Three items in all, though the cities have two, two, one and one."""
    assert browser.rows(group_by=["city"], columns=["items", "each"]) == [
        ((), 3, pytest.approx(90.68 / 22)),
        (("Oslo",), 2, pytest.approx(13.5 / 7)),
        (("Rome",), 2, pytest.approx(2.75 / 6)),
        (("a|b",), 1, 2.25),
        ((None,), 1, 9.99),
    ]
    assert [query.totals for query in browser.asked] == ["all"]


def test_each_depth_of_a_tree_is_an_answer(browser: Browser) -> None:
    """Members as the cube orders them, numbers as numbers, the missing one last."""
    paths = [row[0] for row in browser.rows(group_by=["city", "month"], columns=["lines"])]
    assert paths[:7] == [(), ("Oslo",), ("Oslo", "1"), ("Oslo", "2"), ("Rome",), ("Rome", "2"), ("Rome", "10")]
    assert paths[-2:] == [(None,), (None, "2")]


def test_a_chart_gets_no_row_of_totals(browser: Browser) -> None:
    """Charts ask for flat rows; a grand total would be one more bar."""
    view = browser.view(group_by=["city"], columns=["amount"], group_rollup_mode="flat")
    assert view.num_rows() == 4
    assert [row["__ROW_PATH__"] for row in view.to_json()] == [["Oslo"], ["Rome"], ["a|b"], [None]]


def test_one_number_for_everything(browser: Browser) -> None:
    """As charts for one figure ask, also where rows are grouped."""
    assert browser.rows(group_by=["city"], columns=["items"], group_rollup_mode="total") == [((), 3)]
    assert browser.rows(columns=["items"]) == [(3,)]


def test_levels_among_the_columns_make_a_plain_table(browser: Browser) -> None:
    """One row for each combination of members, as a table shows it."""
    assert browser.rows(columns=["month", "lines"]) == [("1", 1), ("2", 4), ("10", 1)]


def test_a_level_beside_the_group_is_empty_where_it_has_no_one_member(browser: Browser) -> None:
    """And shown where the row is of one of its members."""
    assert browser.rows(group_by=["item"], columns=["item", "city", "lines"])[:2] == [
        ((), None, None, 6),
        (("cup",), "cup", None, 3),
    ]


def test_a_split_has_a_column_for_each_member_in_the_order_of_the_members(browser: Browser) -> None:
    """10 comes after 2, though Perspective orders columns as texts."""
    view = browser.view(group_by=["city"], split_by=["month"], columns=["items", "lines"])
    assert plain(view.column_paths()) == [
        (month, measure) for month in ("1", "2", "10") for measure in ("items", "lines")
    ]
    assert list(view.to_json()[0].values()) == [[], 1, 1, 2, 4, 1, 1]


def test_the_members_of_a_split_may_be_missing_or_have_the_separator(browser: Browser) -> None:
    """`a|b` is one member, and the missing one has a name."""
    view = browser.view(split_by=["city"], columns=["lines"])
    assert plain(view.column_paths()) == [
        ("Oslo", "lines"), ("Rome", "lines"), ("a¦b", "lines"), ("N/A", "lines")
    ]  # fmt: skip
    assert view.to_json() == [dict(zip(view.to_json()[0], (2, 2, 1, 1), strict=True))]


def test_totals_of_a_split_are_answers_too(browser: Browser) -> None:
    """The first column is over all months; three items, though the months have one, two and one."""
    view = browser.view(group_by=["city"], split_by=["month"], columns=["items"], split_rollup_mode="rollup")
    assert plain(view.column_paths()) == [(None, "items"), ("1", "items"), ("2", "items"), ("10", "items")]
    assert [list(row.values())[1] for row in view.to_json()] == [3, 2, 2, 1, 1]


def test_rows_are_sorted_by_a_measure_within_their_parent(browser: Browser) -> None:
    """By the total over the split, which is asked for; what has none is last."""
    layout: dict[str, Any] = {"group_by": ["city"], "columns": ["amount"], "sort": [["revenue", "desc"]]}
    paths = [row[0] for row in browser.rows(**layout)]
    assert paths == [(), (None,), ("Oslo",), ("a|b",), ("Rome",)]
    assert [row[0] for row in browser.rows(**layout, split_by=["month"])] == paths


def test_columns_of_a_split_are_sorted_by_a_measure(browser: Browser) -> None:
    """The months by their amounts, largest first: 14, 5, 3."""
    view = browser.view(group_by=["city"], split_by=["month"], columns=["amount"], sort=[["amount", "col desc"]])
    assert [path[0] for path in plain(view.column_paths())] == ["2", "10", "1"]


def test_a_level_is_sorted_the_other_way_round(browser: Browser) -> None:
    """The missing member is last in both directions."""
    rows = browser.rows(group_by=["city"], columns=["lines"], sort=[["city", "desc"]])
    assert [row[0] for row in rows] == [(), ("a|b",), ("Rome",), ("Oslo",), (None,)]


@pytest.mark.parametrize(
    ("filters", "lines"),
    [
        ([["city", "==", "Rome"]], 2),
        ([["city", "!=", "Rome"]], 4),
        ([["city", "in", ["Rome", "Oslo"]]], 4),
        ([["city", "not in", ["Rome", "Oslo"]]], 2),
        ([["city", "is null", None]], 1),
        ([["city", "is not null", None]], 5),
        ([["city", "begins with", "R"]], 2),
        ([["month", "==", "2"]], 4),
        ([["month", ">=", "2"], ["month", "<=", "9"]], 4),
        ([["month", "==", "2"], ["city", "==", "Rome"]], 1),
        ([["city", "in", ["Rome", "Oslo"]], ["city", "!=", "Rome"]], 2),
        ([["day", "==", "2025-02-01"]], 2),
        ([["day", ">=", "2025-02-01"]], 4),
        ([["city", "==", None]], 6),
    ],
)
def test_a_filter_keeps_what_a_query_keeps(browser: Browser, filters: list[list[object]], lines: int) -> None:
    """Every operator that is offered; a filter whose value is not typed yet keeps everything."""
    assert browser.rows(columns=["lines"], filter=filters) == [(lines,)]


def test_members_are_listed_for_the_field_of_a_filter(browser: Browser) -> None:
    """Perspective asks for a group without a column."""
    assert [row[0] for row in browser.rows(group_by=["item"], columns=[])] == [(), ("cup",), ("pot",), ("tea",)]


def test_nothing_is_shown_where_nothing_passes(browser: Browser) -> None:
    """Neither rows nor a split is a failure."""
    nowhere = [["city", "==", "nowhere"]]
    assert browser.rows(group_by=["item"], columns=["lines"], filter=nowhere) == [((), 0)]
    assert browser.rows(columns=["item", "lines"], filter=nowhere) == []
    assert browser.view(group_by=["item"], split_by=["city"], columns=["lines"], filter=nowhere).num_columns() == 0


def test_a_slicing_level_is_never_added_up(tmp_path: Path) -> None:
    """The rows above its members are there, and empty; below it there are totals."""
    with shop_cube(tmp_path, slicing=True) as cube, closing(Browser(cube)) as browser:
        rows = browser.rows(group_by=["version", "month"], columns=["lines"])
        split = browser.view(group_by=["city"], split_by=["version"], columns=["lines"], split_rollup_mode="rollup")
        assert rows[:3] == [((), None), (("fact",), 3), (("fact", "2"), 3)]
        assert plain(split.column_paths()) == [("fact", "lines"), ("plan", "lines")]
        assert list(split.to_json()[0].values()) == [[], 3, 3]


def test_rows_are_closed_and_opened(browser: Browser) -> None:
    """What Perspective's own virtual server does not know."""
    view = browser.view(group_by=["city", "month"], columns=["lines"])
    assert (view.num_rows(), view.collapse(1), view.num_rows()) == (11, 2, 9)
    assert [row["__ROW_PATH__"] for row in view.to_json(start_row=1, end_row=3)] == [["Oslo"], ["Rome"]]
    assert (view.expand(1), view.num_rows()) == (2, 11)
    assert (view.collapse(0), view.num_rows(), view.expand(0)) == (10, 1, 10)


def test_a_window_is_sent_and_not_the_whole(browser: Browser) -> None:
    """Rows and columns as Perspective counts them."""
    view = browser.view(group_by=["city"], split_by=["month"], columns=["items"])
    window = view.to_columns(start_row=1, end_row=3, start_col=2, end_col=3)
    assert list(window.values()) == [[["Oslo"], ["Rome"]], [None, 1]]
    assert view.get_min_max(list(view.to_json()[0])[2]) == (1, 2)


@pytest.mark.parametrize(
    ("layout", "sentence"),
    [
        ({"columns": ["lines"], "group_by": ["ciy"]}, "There is no column 'ciy'. Did you mean: city?"),
        ({"columns": ["lines"], "group_by": ["amount"]}, "'amount' is a measure"),
        ({"columns": ["lines"], "filter": [["amount", ">", 3]]}, "'amount' is a measure"),
        ({"columns": ["lines"], "filter": [["month", "==", "May"]]}, "'May' is not a number"),
        ({"columns": ["lines"], "filter": [["month", "begins with", "1"]]}, "not text"),
        ({"columns": ["lines"], "filter": [["city", "LIKE", "R%"]]}, "cannot be filtered by 'LIKE'"),
        ({"columns": ["x"], "expressions": {"x": "1 + 1"}}, "Formulas belong to the cube"),
        ({"columns": ["lines"], "group_by": ["city"], "split_by": ["city"]}, "cannot group rows and split columns"),
        (
            {"columns": ["lines"], "filter": [["city", "==", "Rome"], ["item", "==", "cup"]], "filter_op": "or"},
            "hold together",
        ),
    ],
)
def test_a_mistake_is_a_sentence_and_no_traceback(
    browser: Browser, layout: dict[str, Any], sentence: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """In the browser, above the pivot; nothing of ours is named, and nothing is printed."""
    with pytest.raises(PerspectiveError) as failure:
        browser.view(**layout)
    assert sentence in str(failure.value)
    assert browser.told is not None
    assert sentence in str(browser.told["problem"])
    assert "File" not in str(failure.value)
    assert capfd.readouterr() == ("", "")
    assert browser.rows(columns=["lines"]) == [(6,)], "the conversation goes on"


def test_what_a_node_cannot_do_is_told_too(cube: Cube, caplog: pytest.LogCaptureFixture) -> None:
    """A timeout in its own words; a defect in none, and in full in the log."""
    errors: list[Exception] = [QueryTimeoutError(30.0), ValueError("secret")]

    def fail(_: CubeQuery) -> Any:
        raise errors.pop(0)

    with closing(Browser(cube, ask=fail)) as browser:
        for expected in ("30", "its log has the reason"):
            with pytest.raises(PerspectiveError, match=expected) as failure:
                browser.view(columns=["lines"])
            assert "secret" not in str(failure.value)
    assert "secret" in caplog.text


@pytest.mark.parametrize(
    ("bounds", "layout", "sentence"),
    [
        (Bounds(columns=3), {"split_by": ["city"], "columns": ["lines"]}, "more than 3 columns"),
        (Bounds(cells=9), {"group_by": ["city"], "columns": ["lines", "items"]}, "more than 9 cells"),
    ],
)
def test_a_pivot_is_bounded(cube: Cube, bounds: Bounds, layout: dict[str, Any], sentence: str) -> None:
    """And says what to do."""
    with closing(Browser(cube, bounds)) as browser, pytest.raises(PerspectiveError, match=sentence):
        browser.view(**layout)


def test_a_view_that_is_gone_is_said_to_be_gone(browser: Browser) -> None:
    """Perspective's server would break off; the viewer makes the view again."""
    view = browser.view(columns=["lines"])
    for _ in range(40):
        browser.view(columns=["lines"])
    with pytest.raises(PerspectiveError, match="not found"):
        view.to_json()


def test_a_cube_is_not_written_to(browser: Browser) -> None:
    """New tables, updates and deletions are refused before they reach Perspective."""
    with pytest.raises(PerspectiveError, match="only looked at"):
        browser.client.table({"x": [1]})
    with pytest.raises(PerspectiveError, match="other"):
        browser.client.open_table("other").schema()


def test_a_conversation_that_is_over_is_forgotten(cube: Cube) -> None:
    """It is held from both sides of the library's border, where no collector looks."""

    class Asker:
        def ask(self, query: CubeQuery) -> Any:
            return cube.query_sync(query)

    asker = Asker()
    conversation = Conversation("sales", PivotColumns.of(cube.discovery()), asker.ask, Bounds())
    gone = weakref.ref(asker)
    conversation.close()
    del asker
    gc.collect()
    assert gone() is None
    assert conversation


LINES = st.tuples(
    st.sampled_from(["Oslo", "Rome", "", "Zürich", "x y"]),
    st.integers(1, 12),
    st.sampled_from(["tea", "cup", "pot"]),
    st.integers(-5, 2**40),
)


@settings(max_examples=25, suppress_health_check=list(HealthCheck))
@given(lines=st.lists(LINES, min_size=1, max_size=30), split_totals=st.booleans())
def test_every_cell_is_what_plain_python_makes_of_its_rows(
    lines: list[tuple[str, int, str, int]], split_totals: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Rows by city and item, columns by month, totals of both: the rows of a cell counted one by one."""
    rows = "".join(f"{city},{month},2025-01-01,plan,{item},{amount},1.00\n" for city, month, item, amount in lines)
    mode = "rollup" if split_totals else "flat"
    layout = {"group_by": ["city", "item"], "split_by": ["month"], "columns": ["items", "amount"]}
    header = "city,month,day,version,item,amount,price\n"
    with shop_cube(tmp_path_factory.mktemp("made"), header + rows) as cube, closing(Browser(cube)) as browser:
        view = browser.view(**layout, split_rollup_mode=mode)
        heads, found = plain(view.column_paths()), view.to_json()
    for row in found:
        path, *values = row.values()
        for (month, measure), value in zip(heads, values, strict=True):
            cell = [
                line
                for line in lines
                if (line[0] or None, line[2])[: len(path)] == tuple(path) and month in (None, str(line[1]))
            ]
            expected = len({line[2] for line in cell}) if measure == "items" else sum(line[3] for line in cell)
            assert value == (expected if cell else None), (path, month, measure)
    months = sorted({line[1] for line in lines})
    assert [head[0] for head in heads[::2]] == [None] * split_totals + [str(month) for month in months]
