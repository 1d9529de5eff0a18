"""Flat facts: the rows of a cube with what they refer to beside them, and numbers in the place of texts.

cube.flat.build().result()
cube.query_sync(CubeQuery(measures=["median_delay"], levels=["carrier"]))     # reads no base table, joins no rows
"""

from __future__ import annotations

from app_framework.olap.flat.shape import FlatFacts, FlatShape
from app_framework.olap.flat.store import FlatStore

__all__ = ["FlatFacts", "FlatShape", "FlatStore"]
