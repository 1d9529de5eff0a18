"""Cubes: dimensions and measures over the tables of a database, asked by one `CubeQuery` behind every door.

cube = Cube.of(CubeDefinition.of("flights", base="flights", dimensions={"Origin": ["origin"]},
                                 measures={"flights": {"count": "*"}}), database)
cube.query_sync(CubeQuery(measures=["flights"], levels=["origin"], totals="grand"))
"""

from __future__ import annotations

from app_framework.database.errors import ModelError, ModelProblem, OverloadedError, QueryTimeoutError
from app_framework.olap.aggregation import AGGREGATIONS, Aggregation, Aggregations
from app_framework.olap.catalog import Catalog
from app_framework.olap.cellset import CellColumn, CellSet
from app_framework.olap.cellstream import CellStream
from app_framework.olap.cube import Cube, build_cubes
from app_framework.olap.definition import CatalogDefinition, CubeDefinition
from app_framework.olap.deletion import delete_where
from app_framework.olap.dimension import Dimension, Hierarchy, Level
from app_framework.olap.drillthrough import Drillthrough
from app_framework.olap.errors import (
    MeasureFunctionError,
    MeasureOverflowError,
    QueryError,
    QueryProblem,
    TooLargeError,
    TooManyCellsError,
    TooManyQuestionsError,
    UnknownBranchError,
    UnknownCubeError,
    UnknownLevelError,
    UnknownMeasureError,
    UnknownVersionError,
)
from app_framework.olap.manager import Manager, build_catalogs
from app_framework.olap.measure import Measure
from app_framework.olap.model import CubeModel
from app_framework.olap.plan import QueryPlan
from app_framework.olap.query import CubeQuery, Order
from app_framework.olap.queryable import Queryable
from app_framework.olap.reading import read_model
from app_framework.olap.rowset import RowSet, RowSetColumn

__all__ = [
    "AGGREGATIONS",
    "Aggregation",
    "Aggregations",
    "Catalog",
    "CatalogDefinition",
    "CellColumn",
    "CellSet",
    "CellStream",
    "Cube",
    "CubeDefinition",
    "CubeModel",
    "CubeQuery",
    "Dimension",
    "Drillthrough",
    "Hierarchy",
    "Level",
    "Manager",
    "Measure",
    "MeasureFunctionError",
    "MeasureOverflowError",
    "ModelError",
    "ModelProblem",
    "Order",
    "OverloadedError",
    "QueryError",
    "QueryPlan",
    "QueryProblem",
    "QueryTimeoutError",
    "Queryable",
    "RowSet",
    "RowSetColumn",
    "TooLargeError",
    "TooManyCellsError",
    "TooManyQuestionsError",
    "UnknownBranchError",
    "UnknownCubeError",
    "UnknownLevelError",
    "UnknownMeasureError",
    "UnknownVersionError",
    "build_catalogs",
    "build_cubes",
    "delete_where",
    "read_model",
]
