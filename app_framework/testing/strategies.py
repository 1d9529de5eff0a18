"""Models, rows, splits and questions for hypothesis: whatever is drawn, a world must equal its parts (AA1).

from hypothesis import given
from app_framework.testing import strategies

@given(strategies.distributed_cubes())
def test_world_equals_its_parts(case):
    with DistributionTestHelper() as distribution:
        case.check(distribution)

Floating numbers are drawn so that sums of them are exact: which rows are added first makes no difference.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from app_framework.olap.errors import QueryError
from app_framework.olap.query import CubeQuery
from app_framework.testing.generated_models import GeneratedModel, draw_model

# What is missing without it says so by now.
from hypothesis import strategies as st  # isort: skip

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

    from app_framework.testing.asking import Asking
    from app_framework.testing.distribution_helper import DistributionTestHelper
    from app_framework.testing.distribution_nodes import QueryNode

Row = Mapping[str, object]
Question = Mapping[str, Any]
CITIES = {"Graz": "AT", "Wien": "AT", "Bern": "CH", "Genf": None, "": "CH", "É": "FR"}
WORDS = ("", "a", "A", "ab", "b", "é", "Ω", "\U0001f6e9", "z'\"z")
NODES_MAX = 5
ROWS_MAX = 14
QUESTIONS_MAX = 6


@dataclass(frozen=True)
class DistributedCase:
    """A model, its rows on several nodes, and questions.

    Args:
        model: of every node.
        parts: the rows of each node.
        questions: as documents of `CubeQuery`.
        overlap: whether several nodes hold the same rows.
        later: of each node, how many of its rows come after some of the questions.
    """

    model: GeneratedModel
    parts: tuple[tuple[Row, ...], ...]
    questions: tuple[Question, ...] = ()
    overlap: bool = False
    later: tuple[int, ...] = ()

    def open(self, distribution: DistributionTestHelper) -> QueryNode:
        """Make the nodes ``n0``, ``n1``, …, and return the query node ``world``."""
        model = self.model
        for number, rows in enumerate(self._parts(later=False)):
            distribution.data_node(
                f"n{number}",
                {"facts": rows},
                columns={"facts": model.columns},
                cube="facts",
                derive=False,
                dimensions=model.dimensions,
                measures=model.measures,
            )
        applications = {"app": [model.distributing]}
        return distribution.query_node("world", applications, data_overlap=self.overlap, measures=model.world_measures)

    def check(self, distribution: DistributionTestHelper) -> None:
        """Ask the world and one cube over all rows the same, before and after the rest of the rows has come.

        Raises:
            ResultMismatchError: they answer differently.
            AssertionError, QueryError: only one of them does.
        """
        world = self.open(distribution)
        half = len(self.questions) // 2 if any(self.later) else 0
        self._ask(world, distribution, self.questions[:half])
        for number, rows in enumerate(self._parts(later=True)):
            if rows:
                distribution.commit(f"n{number}", "facts", rows)
        self._ask(world, distribution, self.questions[half:])

    def _ask(self, world: QueryNode, distribution: DistributionTestHelper, questions: Sequence[Question]) -> None:
        if questions:
            oracle = distribution.oracle().with_measures(self.model.world_measures)
            for question in questions:
                check_same(world, oracle, CubeQuery.parse(question))

    def _parts(self, *, later: bool) -> list[tuple[Row, ...]]:
        cuts = [len(rows) - late for rows, late in zip(self.parts, self.later or [0] * len(self.parts), strict=True)]
        return [rows[cut:] if later else rows[:cut] for rows, cut in zip(self.parts, cuts, strict=True)]


def check_same(world: Asking, oracle: Asking, question: CubeQuery) -> None:
    """Ask two the same: they give the same answer, or refuse for the same reasons.

    Raises:
        ResultMismatchError: they answer differently.
        QueryError: only one of them refuses.
    """
    try:
        expected = oracle.ask(question)
    except QueryError as refused:
        try:
            answer = world.ask(question)
        except QueryError as error:
            if _reasons(error) != _reasons(refused):
                raise
            return
        raise AssertionError(f"{question} is to be refused ({refused}) and was answered:\n{answer!r}") from refused
    world.ask(question).assert_equals(expected)


def distributed_cubes(
    nodes_max: int = NODES_MAX, questions_max: int = QUESTIONS_MAX
) -> SearchStrategy[DistributedCase]:
    """Return a strategy of models, rows on up to so many nodes, and up to so many questions."""

    @st.composite
    def case(draw: DrawFn) -> DistributedCase:
        model = draw(models())
        found = draw(rows())
        copies = draw(st.sampled_from([1, 1, 1, 2]))
        parts = draw(splits(found, model.distributing_column, nodes_max, copies))
        # Copies of rows are the same at any time, so nothing comes later where there are some.
        later = tuple(draw(st.integers(0, len(part))) for part in parts) if copies == 1 else ()
        asked = draw(st.lists(questions(model), min_size=3, max_size=questions_max))
        return DistributedCase(model, parts, tuple(asked), copies > 1, later)

    return case()


def models() -> SearchStrategy[GeneratedModel]:
    """Return a strategy of models over the columns of `rows`: every kind of level, measure and calculation."""
    return st.composite(draw_model)()


def rows(rows_max: int = ROWS_MAX) -> SearchStrategy[list[Row]]:
    """Return a strategy of rows: with nulls, words that sort badly, decimals, dates and large integers."""

    def maybe(strategy: SearchStrategy[Any]) -> SearchStrategy[Any]:
        return st.one_of(st.none(), strategy)

    values = {
        "city": maybe(st.sampled_from(sorted(CITIES))),
        "shop": maybe(st.integers(0, 4)),
        "word": maybe(st.sampled_from(WORDS)),
        "flag": maybe(st.booleans()),
        "day": maybe(st.dates(date(2024, 1, 30), date(2024, 3, 2))),
        "period": st.integers(2023, 2025),
        "small": maybe(st.integers(-32_768, 32_767)),
        "big": maybe(st.integers(-(2**56), 2**56)),
        "price": maybe(st.integers(-(10**6), 10**6).map(lambda cents: Decimal(cents).scaleb(-2))),
        "weight": maybe(st.integers(-8_000, 8_000).map(lambda eighths: eighths / 8)),
    }

    eighth = st.integers(-800, 800).map(lambda eighths: eighths / 8)
    values["sizes"] = maybe(st.lists(maybe(eighth), min_size=3, max_size=3))

    def with_country(row: dict[str, object]) -> Row:
        return {**row, "country": CITIES.get(str(row["city"])) if row["city"] is not None else None}

    return st.lists(st.fixed_dictionaries(values).map(with_country), max_size=rows_max)


def splits(
    found: Sequence[Row], column: str, nodes_max: int = NODES_MAX, copies: int = 1
) -> SearchStrategy[tuple[tuple[Row, ...], ...]]:
    """Return a strategy of the same rows on two or more nodes: all rows of one member are on one of them.

    Args:
        found: the rows.
        column: that the distributing level reads.
        nodes_max: how many nodes there may be.
        copies: on up to how many of them a row may be.
    """

    @st.composite
    def split(draw: DrawFn) -> tuple[tuple[Row, ...], ...]:
        nodes = draw(st.integers(2, nodes_max))
        some = st.lists(st.integers(0, nodes - 1), min_size=1, max_size=copies, unique=True)
        homes = {member: draw(some) for member in dict.fromkeys(row[column] for row in found)}
        return tuple(tuple(row for row in found if node in homes[row[column]]) for node in range(nodes))

    return split()


def questions(model: GeneratedModel) -> SearchStrategy[Question]:
    """Return a strategy of questions to a generated model: filters, totals, order, limits and top rows."""

    def maybe(strategy: SearchStrategy[Any]) -> SearchStrategy[Any]:
        return st.one_of(st.none(), strategy)

    filters = st.fixed_dictionaries({}, optional=_filters(model, maybe))
    names = sorted([*model.measures, *model.world_measures])

    @st.composite
    def question(draw: DrawFn) -> Question:
        levels = draw(st.lists(st.sampled_from(model.levels), max_size=3, unique=True))
        measures = draw(st.lists(st.sampled_from(names), min_size=1, max_size=4, unique=True))
        totals = draw(st.sampled_from(["none", "grand", "all"]))
        if totals != "none":
            levels = [level for level in levels if level not in model.slicing]
        sortable = [*levels, *(name for name in measures if name in model.exact)]
        order = st.fixed_dictionaries({"by": st.sampled_from(sortable or ["-"]), "descending": st.booleans()})
        asked: dict[str, Any] = {
            "measures": measures,
            "levels": levels,
            "where": draw(filters),
            "totals": totals,
            "order": draw(st.lists(order, max_size=2 if sortable else 0)),
            "limit": draw(maybe(st.integers(0, 5))),
            "offset": draw(st.sampled_from([0, 0, 0, 1, 3])),
        }
        has_top = draw(st.sampled_from([True, False, False, False]))
        if levels and has_top:
            per = draw(st.lists(st.sampled_from(levels), min_size=1, max_size=2, unique=True))
            asked["top"] = {"count": draw(st.integers(0, 3)), "per": per}
        return asked

    return question()


def _filters(
    model: GeneratedModel, maybe: Callable[[SearchStrategy[Any]], SearchStrategy[Any]]
) -> dict[str, SearchStrategy[Any]]:
    """Return what each level may be filtered by, of those that the model has."""
    cities = maybe(st.sampled_from(sorted(CITIES)))
    words = maybe(st.sampled_from(WORDS))
    days = st.dates(date(2024, 1, 28), date(2024, 3, 4)).map(str)
    negated = st.fixed_dictionaries({"not": st.lists(words, max_size=3)})
    found: dict[str, SearchStrategy[Any]] = {
        "city": st.one_of(cities, st.lists(cities, max_size=4), st.fixed_dictionaries({"prefix": st.just("G")})),
        "country": maybe(st.sampled_from(["AT", "CH"])),
        "shop": st.one_of(maybe(st.integers(0, 5)), st.fixed_dictionaries({"from": st.integers(0, 4)})),
        "word": st.one_of(words, st.lists(words, max_size=3), negated),
        "flag": maybe(st.booleans()),
        "day": st.fixed_dictionaries({"from": days, "to": days}),
        "period": st.integers(2023, 2025),
        "price": st.fixed_dictionaries({"from": st.integers(-5000, 5000)}),
    }
    paths = st.lists(st.tuples(maybe(st.sampled_from(["AT", "CH"])), cities).map(list), max_size=2)
    kept = {name: strategy for name, strategy in found.items() if name in model.levels}
    return {**kept, "City": st.fixed_dictionaries({"path": paths})} if "City" in model.dimensions else kept


def _reasons(error: QueryError) -> set[tuple[str, str]]:
    return {(problem.code, problem.field) for problem in error.problems}
