"""Aggregates: groups of rows that a cube keeps, so that most questions need not read the rows.

cube.aggregates.build(cube.aggregates.shape(["origin", "month"])).result()
cube.query_sync(CubeQuery(measures=["flights"], levels=["month"]))     # reads the aggregate
"""

from __future__ import annotations

from app_framework.olap.aggregates.advisor import Advice, Choice
from app_framework.olap.aggregates.aggregate import Aggregate, AggregateShape
from app_framework.olap.aggregates.covering import covers, needs_of
from app_framework.olap.aggregates.store import AggregateStore

__all__ = [
    "Advice",
    "Aggregate",
    "AggregateShape",
    "AggregateStore",
    "Choice",
    "covers",
    "needs_of",
]
