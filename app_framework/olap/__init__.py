"""Cubes: dimensions and measures over the tables of a database, asked by one `CubeQuery` behind every door.

cube = Cube.of(CubeDefinition.of("flights", base="flights", dimensions={"Origin": ["origin"]},
                                 measures={"flights": {"count": "*"}}), database)
cube.query_sync(CubeQuery(measures=["flights"], levels=["origin"], totals="grand"))
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app_framework.menu import open_menu

if TYPE_CHECKING:
    from app_framework.database.errors import ModelError, ModelProblem, OverloadedError, QueryTimeoutError
    from app_framework.olap.aggregate_limits import AggregateLimits
    from app_framework.olap.aggregation import AGGREGATIONS, Aggregation, Aggregations
    from app_framework.olap.catalog import Catalog
    from app_framework.olap.cellset import CellColumn, CellSet
    from app_framework.olap.cellstream import CellStream
    from app_framework.olap.cube import Cube
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
    from app_framework.olap.manager import FixedModelError, Manager
    from app_framework.olap.measure import Measure
    from app_framework.olap.model import CubeModel
    from app_framework.olap.modeler import ModelChange, Modeler, build_catalogs, build_cubes
    from app_framework.olap.plan import QueryPlan
    from app_framework.olap.query import CubeQuery, Order, Top
    from app_framework.olap.queryable import Queryable
    from app_framework.olap.reading import read_model
    from app_framework.olap.rowset import RowSet, RowSetColumn

__all__ = [
    "AGGREGATIONS",
    "AggregateLimits",
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
    "FixedModelError",
    "Hierarchy",
    "Level",
    "Manager",
    "Measure",
    "MeasureFunctionError",
    "MeasureOverflowError",
    "ModelChange",
    "ModelError",
    "ModelProblem",
    "Modeler",
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
    "Top",
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

_HOME_OF: dict[str, str] = {
    "AGGREGATIONS": "aggregation",
    "AggregateLimits": "aggregate_limits",
    "Aggregation": "aggregation",
    "Aggregations": "aggregation",
    "Catalog": "catalog",
    "CatalogDefinition": "definition",
    "CellColumn": "cellset",
    "CellSet": "cellset",
    "CellStream": "cellstream",
    "Cube": "cube",
    "CubeDefinition": "definition",
    "CubeModel": "model",
    "CubeQuery": "query",
    "Dimension": "dimension",
    "Drillthrough": "drillthrough",
    "FixedModelError": "manager",
    "Hierarchy": "dimension",
    "Level": "dimension",
    "Manager": "manager",
    "Measure": "measure",
    "MeasureFunctionError": "errors",
    "MeasureOverflowError": "errors",
    "ModelChange": "modeler",
    "ModelError": ".database.errors",
    "ModelProblem": ".database.errors",
    "Modeler": "modeler",
    "Order": "query",
    "OverloadedError": ".database.errors",
    "QueryError": "errors",
    "QueryPlan": "plan",
    "QueryProblem": "errors",
    "QueryTimeoutError": ".database.errors",
    "Queryable": "queryable",
    "RowSet": "rowset",
    "RowSetColumn": "rowset",
    "TooLargeError": "errors",
    "TooManyCellsError": "errors",
    "TooManyQuestionsError": "errors",
    "Top": "query",
    "UnknownBranchError": "errors",
    "UnknownCubeError": "errors",
    "UnknownLevelError": "errors",
    "UnknownMeasureError": "errors",
    "UnknownVersionError": "errors",
    "build_catalogs": "modeler",
    "build_cubes": "modeler",
    "delete_where": "deletion",
    "read_model": "reading",
}
"""Where each name lives; a module is loaded when one of its names is first asked for."""

__getattr__, __dir__ = open_menu(__name__, _HOME_OF)
