"""Budgets 11 and 12: all subtotals at once, and distinct counts, by the cube against simpler questions to it."""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Iterator, Sequence

from app_framework.olap import CubeQuery
from benchmarks.comparison import Case, Target
from benchmarks.facts import Ground

LEVELS = ("region", "country", "year")
DISTINCT = "SELECT region, year, count(DISTINCT customer) FROM sales WHERE day(day) <> ? GROUP BY ALL ORDER BY ALL"


def _one_day_less() -> dict[str, object]:
    """Return a filter that leaves most facts, so that nothing which was computed before helps."""
    return {"day_of_month": {"not": sorted(random.sample(range(1, 32), 2))}}


@contextlib.contextmanager
def subtotals_and_distinct(ground: Ground) -> Iterator[Sequence[Case]]:
    """Everything in this process."""

    def asked_ms(measure: str, levels: Sequence[str], totals: str = "none") -> float:
        query = CubeQuery(measures=[measure], levels=list(levels), totals=totals, where=_one_day_less())  # type: ignore[arg-type]
        started = time.perf_counter()
        ground.cube.query_sync(query)
        return (time.perf_counter() - started) * 1000

    def raw_ms() -> float:
        started = time.perf_counter()
        ground.raw.execute(DISTINCT, [random.randint(1, 31)]).fetchall()
        return (time.perf_counter() - started) * 1000

    def distinct_ms() -> float:
        return asked_ms("customers", ["region", "year"])

    distinct_ms(), raw_ms()
    yield [
        Case(
            "totals",
            "All subtotals of 3 levels, `totals: all`",
            lambda: asked_ms("revenue", LEVELS, "all"),
            {"the leaves alone": lambda: asked_ms("revenue", LEVELS)},
            Target(1.3),
        ),
        Case(
            "distinct",
            "Exact distinct customers, 20 groups",
            distinct_ms,
            {"approximate, the same cube": lambda: asked_ms("customers_about", ["region", "year"])},
            Target(2.0),
        ),
        Case(
            "distinct-raw",
            "Exact distinct customers, 20 groups, the same",
            distinct_ms,
            {"COUNT(DISTINCT) in raw DuckDB": raw_ms},
            Target(0.4),
        ),
    ]
