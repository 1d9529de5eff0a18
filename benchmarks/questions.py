"""The questions that a pivot asks of six million facts: to our cube, and as SQL for those who speak it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from app_framework.olap import CubeQuery

Checksum = tuple[int, int]
"""How many rows an answer has, and the sum of its first whole number: engines that agree in both answer the same."""


@dataclass(frozen=True, slots=True)
class SuiteQuestion:
    """A question with its answers in other languages.

    Args:
        name: what it is.
        query: as our cube is asked; its first measure is a whole number.
        sql: the same for engines of SQL, as far as they agree on it.
        rollup: whether subtotals are asked for: dialects differ in what they write in their rows.
    """

    name: str
    query: Mapping[str, object]
    sql: str
    rollup: bool = field(default=False)

    @property
    def asked(self) -> CubeQuery:
        """The query of a cube in this process."""
        return CubeQuery(**self.query)  # type: ignore[arg-type]


SUITE = (
    SuiteQuestion(
        "grand total, 4 measures",
        {"measures": ["lines", "quantity", "revenue", "mean_discount"]},
        "SELECT count(*) AS lines, sum(quantity), sum(revenue), avg(discount) FROM sales",
    ),
    SuiteQuestion(
        "1 level",
        {"measures": ["lines", "revenue"], "levels": ["channel"]},
        "SELECT channel, count(*) AS lines, sum(revenue) FROM sales GROUP BY channel ORDER BY channel",
    ),
    SuiteQuestion(
        "2 levels, 4 measures",
        {"measures": ["lines", "quantity", "revenue", "cost"], "levels": ["department", "year"]},
        "SELECT department, year, count(*) AS lines, sum(quantity), sum(revenue), sum(cost) FROM sales "
        "GROUP BY department, year ORDER BY department, year",
    ),
    SuiteQuestion(
        "3 levels",
        {"measures": ["lines", "revenue"], "levels": ["region", "country", "year"]},
        "SELECT region, country, year, count(*) AS lines, sum(revenue) FROM sales "
        "GROUP BY region, country, year ORDER BY region, country, year",
    ),
    SuiteQuestion(
        "3 levels with all subtotals",
        {"measures": ["lines", "revenue"], "levels": ["region", "country", "year"], "totals": "all"},
        "SELECT region, country, year, count(*) AS lines, sum(revenue) FROM sales "
        "GROUP BY ROLLUP(region, country, year) ORDER BY region, country, year",
        rollup=True,
    ),
    SuiteQuestion(
        "filter by region and year",
        {"measures": ["lines", "revenue"], "levels": ["category"], "where": {"region": "region 2", "year": 2023}},
        "SELECT category, count(*) AS lines, sum(revenue) FROM sales WHERE region = 'region 2' AND year = 2023 "
        "GROUP BY category ORDER BY category",
    ),
    SuiteQuestion(
        "one month",
        {"measures": ["lines", "revenue"], "levels": ["carrier"], "where": {"year": 2022, "month": 7}},
        "SELECT carrier, count(*) AS lines, sum(revenue) FROM sales WHERE year = 2022 AND month = 7 "
        "GROUP BY carrier ORDER BY carrier",
    ),
    SuiteQuestion(
        "exact distinct, 20 groups",
        {"measures": ["customers"], "levels": ["region", "year"]},
        "SELECT region, year, count(DISTINCT customer) AS customers FROM sales "
        "GROUP BY region, year ORDER BY region, year",
    ),
    SuiteQuestion(
        "top 10 of 100,000 customers",
        {
            "measures": ["quantity"],
            "levels": ["customer"],
            "order": [{"by": "quantity", "descending": True}],
            "limit": 10,
        },
        "SELECT customer, sum(quantity) AS quantity FROM sales GROUP BY customer ORDER BY quantity DESC LIMIT 10",
    ),
    SuiteQuestion(
        "median",
        {"measures": ["lines", "median_delay"], "levels": ["status"]},
        "SELECT status, count(*) AS lines, median(delay) FROM sales GROUP BY status ORDER BY status",
    ),
    SuiteQuestion(
        "join, 250 cities",
        {"measures": ["lines", "revenue"], "levels": ["city"]},
        "SELECT city, count(*) AS lines, sum(revenue) FROM sales JOIN stores ON sales.store = stores.store "
        "GROUP BY city ORDER BY city",
    ),
    SuiteQuestion(
        "1,000 products by year",
        {"measures": ["quantity", "revenue"], "levels": ["product", "year"]},
        "SELECT product, year, sum(quantity) AS quantity, sum(revenue) FROM sales "
        "GROUP BY product, year ORDER BY product, year",
    ),
)


def documents() -> Sequence[Mapping[str, object]]:
    """Return the questions as they are asked over HTTP."""
    return [question.query for question in SUITE]
