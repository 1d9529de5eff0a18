"""Analytic tables in DuckDB: loaded from files, linked by references, read by cubes.

with Database.open(tables=[Table("orders", Source.of(parquet="orders.parquet"), key=["id"])]) as database:
    database.query("SELECT count(*) FROM orders")
"""

from __future__ import annotations

from app_framework.database.changes import BadRow, Commit, Condition, Delete, Insert
from app_framework.database.database import Database, DatabaseLimits
from app_framework.database.datatype import DataType
from app_framework.database.errors import (
    BranchConflictError,
    BranchExistsError,
    DatabaseError,
    DatabaseLockedError,
    EngineError,
    ExpressionError,
    InvalidRowsError,
    ModelError,
    ModelProblem,
    NoSuchBranchError,
    OverloadedError,
    QueryTimeoutError,
    ResultTooLargeError,
    RowProblem,
    TooManyCommitsError,
    TooManyStreamsError,
    UnknownTableError,
    VersionGoneError,
)
from app_framework.database.expression import Expression, ExpressionParser
from app_framework.database.listening import CommitListener, CommitNews
from app_framework.database.schema import Column, Reference, Table, TableSchema
from app_framework.database.source import Source
from app_framework.database.stream import RowStream
from app_framework.database.version import Branch

__all__ = [
    "BadRow",
    "Branch",
    "BranchConflictError",
    "BranchExistsError",
    "Column",
    "Commit",
    "CommitListener",
    "CommitNews",
    "Condition",
    "DataType",
    "Database",
    "DatabaseError",
    "DatabaseLimits",
    "DatabaseLockedError",
    "Delete",
    "EngineError",
    "Expression",
    "ExpressionError",
    "ExpressionParser",
    "Insert",
    "InvalidRowsError",
    "ModelError",
    "ModelProblem",
    "NoSuchBranchError",
    "OverloadedError",
    "QueryTimeoutError",
    "Reference",
    "ResultTooLargeError",
    "RowProblem",
    "RowStream",
    "Source",
    "Table",
    "TableSchema",
    "TooManyCommitsError",
    "TooManyStreamsError",
    "UnknownTableError",
    "VersionGoneError",
]
