"""Questions to two data nodes with one engine thread each, against one node with two threads and the same facts."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median

from app_framework.olap import CellSet, CubeQuery
from app_framework.olap.cellset import same_value
from app_framework.olap.queryable import Queryable
from benchmarks.comparison import Case, Target
from benchmarks.distribution_nodes import Distributed
from benchmarks.facts import Ground

ASKED_BEFORE = 3
BLOCK = 5
SLOW_BLOCK = 2


@dataclass(frozen=True, slots=True)
class Question:
    """What both are asked.

    Args:
        name: what ``--only`` calls the case, after ``distributed-``.
        title: for the report.
        query: the question.
        limit: by how much the two nodes may be slower.
        block: how many answers make a sample.
    """

    name: str
    title: str
    query: Mapping[str, object]
    limit: float
    block: int = BLOCK

    @property
    def asked(self) -> CubeQuery:
        """The question as cubes are asked it."""
        return CubeQuery(**self.query)  # type: ignore[arg-type]


FOUR = ["lines", "quantity", "revenue", "mean_discount"]
GROUPS = {"levels": ["region", "year"]}
SUMS = (
    Question("total", "grand total, 4 measures", {"measures": FOUR}, 1.2),
    Question("level", "1 level", {"measures": ["lines", "revenue"], "levels": ["category"]}, 1.2),
    Question("levels", "2 levels, 4 measures", {"measures": FOUR, "levels": ["department", "year"]}, 1.2),
    Question("products", "1,000 products", {"measures": ["lines", "revenue"], "levels": ["product"]}, 1.2),
    Question(
        "filter",
        "2 levels, filtered by region and year",
        {
            "measures": ["lines", "revenue"],
            "levels": ["category", "month"],
            "where": {"region": "region 2", "year": 2023},
        },
        1.2,
    ),
    Question(
        "rollup",
        "3 levels with all subtotals",
        {"measures": ["lines", "revenue"], "levels": ["region", "country", "year"], "totals": "all"},
        1.2,
    ),
)
STATES = (
    Question("stddev", "standard deviation, 20 groups", {"measures": ["price_spread"], **GROUPS}, 1.5),
    Question("sketch", "approximate distinct, 20 groups", {"measures": ["customers_about"], **GROUPS}, 1.5),
    Question("distinct", "exact distinct of integers, 20 groups", {"measures": ["customers"], **GROUPS}, 1.5),
    Question("texts", "exact distinct of texts, 20 groups", {"measures": ["buyers"], **GROUPS}, 1.5, SLOW_BLOCK),
    Question("median", "exact median, 4 groups", {"measures": ["median_delay"], "levels": ["status"]}, 2.5, SLOW_BLOCK),
)
OVERHEAD = SUMS[2]


@contextlib.contextmanager
def two_nodes(ground: Ground) -> Iterator[Sequence[Case]]:
    """A query cube in this process asks two others over NATS; the one node is a cube in this process."""
    with Distributed(ground) as cubes:
        for question in (*SUMS, *STATES):
            for _ in range(ASKED_BEFORE):
                compare(question.title, cubes.world.query_sync(question.asked), cubes.whole.query_sync(question.asked))
        yield [
            *(
                Case(
                    f"distributed-{question.name}",
                    f"Two data nodes: {question.title}",
                    partial(_p50_ms, cubes.world, question),
                    {"one node, two threads": partial(_p50_ms, cubes.whole, question)},
                    Target(question.limit),
                )
                for question in (*SUMS, *STATES)
            ),
            Case(
                "distributed-overhead",
                f"Own overhead of two data nodes: {OVERHEAD.title}, less the slower node",
                partial(_overhead_ms, cubes),
                target=Target(4.0, of="ms"),
            ),
        ]


def compare(title: str, ours: CellSet, theirs: CellSet) -> None:
    """Refuse to measure what is wrong.

    Raises:
        RuntimeError: the answers differ.
    """
    same = len(ours) == len(theirs) and all(
        same_value(a, b)
        for row, other in zip(ours.rows, theirs.rows, strict=True)
        for a, b in zip(row, other, strict=True)
    )
    if not same or ours.columns != theirs.columns:
        raise RuntimeError(f"{title}: the answers differ\n{ours}\n{theirs}")


def _p50_ms(cube: Queryable, question: Question) -> float:
    asked, taken = question.asked, []
    for _ in range(question.block):
        started = time.perf_counter()
        cube.query_sync(asked)
        taken.append(time.perf_counter() - started)
    return median(taken) * 1000


def _overhead_ms(cubes: Distributed) -> float:
    """Return the median of what questions took longer than the node that took longest to read."""
    taken = []
    for _ in range(BLOCK):
        told = cubes.loop.run(cubes.world.explain(OVERHEAD.asked))
        taken.append(float(str(told["elapsed_ms"])) - max(float(str(node["elapsed_ms"])) for node in nodes_of(told)))
    return median(taken)


def nodes_of(told: Mapping[str, object]) -> Sequence[Mapping[str, object]]:
    """Return what each data cube did for a question that was explained."""
    nodes = told["nodes"]
    assert isinstance(nodes, list)
    return nodes
