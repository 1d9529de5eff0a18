"""Polars: frames in memory, categorical texts, lazy queries."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl

from benchmarks.questions import SUITE, Checksum, SuiteQuestion

Query = Callable[["PolarsFrames"], pl.LazyFrame]


class PolarsFrames:
    """The facts as a frame.

    Args:
        files: the folder of the Parquet files.
    """

    def __init__(self, files: Path) -> None:
        sales = pl.read_parquet(files / "sales.parquet")
        self.sales = sales.with_columns(pl.col(pl.String).cast(pl.Categorical)).rechunk().lazy()
        self.stores = pl.read_parquet(files / "stores.parquet").lazy()

    def by(self, *levels: str, frame: pl.LazyFrame | None = None) -> pl.LazyFrame:
        """Return lines and revenue by levels, in their order."""
        rows = self.sales if frame is None else frame
        grouped = rows.group_by(levels).agg(pl.len().alias("lines"), pl.col("revenue").sum())
        return grouped.with_columns(pl.col(pl.Categorical).cast(pl.String)).sort(levels)

    def run(self, question: SuiteQuestion) -> pl.DataFrame:
        """Answer a question."""
        return QUERIES[question.name](self).collect()

    def checksum(self, question: SuiteQuestion) -> Checksum:
        """Answer it, and sum its first measure."""
        answer = self.run(question)
        return len(answer), int(answer[str(question.asked.measures[0])].sum())

    def close(self) -> None:
        """Let go of the frames."""
        del self.sales, self.stores


def _subtotals(frames: PolarsFrames) -> pl.LazyFrame:
    """Polars has no ROLLUP: four queries that it runs together, one after the other in the answer."""
    levels = ("region", "country", "year")
    parts = [frames.by(*levels[:count]) for count in (3, 2, 1)]
    total = frames.sales.select(pl.len().alias("lines"), pl.col("revenue").sum())
    return pl.concat([*parts, total], how="diagonal")


def _grouped(*levels: str, **measures: pl.Expr) -> Query:
    def query(frames: PolarsFrames) -> pl.LazyFrame:
        grouped = frames.sales.group_by(levels).agg(**measures)
        return grouped.with_columns(pl.col(pl.Categorical).cast(pl.String)).sort(levels)

    return query


_LINES = pl.len()
_QUANTITY, _REVENUE, _COST = (pl.col(name).sum() for name in ("quantity", "revenue", "cost"))
_BEST_FIRST = {"by": "quantity", "descending": True}

QUERIES: dict[str, Query] = dict(
    zip(
        (question.name for question in SUITE),
        (
            lambda f: f.sales.select(
                lines=_LINES, quantity=_QUANTITY, revenue=_REVENUE, mean_discount=pl.col("discount").mean()
            ),
            lambda f: f.by("channel"),
            _grouped("department", "year", lines=_LINES, quantity=_QUANTITY, revenue=_REVENUE, cost=_COST),
            lambda f: f.by("region", "country", "year"),
            _subtotals,
            lambda f: f.by("category", frame=f.sales.filter(pl.col("region") == "region 2", pl.col("year") == 2023)),
            lambda f: f.by("carrier", frame=f.sales.filter(pl.col("year") == 2022, pl.col("month") == 7)),
            _grouped("region", "year", customers=pl.col("customer").n_unique()),
            lambda f: f.sales.group_by("customer").agg(quantity=_QUANTITY).sort("quantity", descending=True).head(10),
            _grouped("status", lines=_LINES, median_delay=pl.col("delay").median()),
            lambda f: f.by("city", frame=f.sales.join(f.stores, on="store")),
            _grouped("product", "year", quantity=_QUANTITY, revenue=_REVENUE),
        ),
        strict=True,
    )
)
