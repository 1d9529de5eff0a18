"""Analytic tables in DuckDB: loaded from files, linked by references, read by cubes.

with Database.open(tables=[Table("orders", Source.of(parquet="orders.parquet"), key=["id"])]) as database:
    database.query("SELECT count(*) FROM orders")
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app_framework.menu import open_menu

if TYPE_CHECKING:
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
        RejectsFullError,
        ResultTooLargeError,
        RowProblem,
        TooManyCommitsError,
        TooManyRejectedError,
        TooManyStreamsError,
        UnknownTableError,
        VersionGoneError,
    )
    from app_framework.database.expression import Expression, ExpressionParser
    from app_framework.database.listening import CommitListener, CommitNews
    from app_framework.database.receipt import Receipt
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
    "Receipt",
    "Reference",
    "RejectsFullError",
    "ResultTooLargeError",
    "RowProblem",
    "RowStream",
    "Source",
    "Table",
    "TableSchema",
    "TooManyCommitsError",
    "TooManyRejectedError",
    "TooManyStreamsError",
    "UnknownTableError",
    "VersionGoneError",
]

_HOME_OF: dict[str, str] = {
    "BadRow": "changes",
    "Branch": "version",
    "BranchConflictError": "errors",
    "BranchExistsError": "errors",
    "Column": "schema",
    "Commit": "changes",
    "CommitListener": "listening",
    "CommitNews": "listening",
    "Condition": "changes",
    "DataType": "datatype",
    "Database": "database",
    "DatabaseError": "errors",
    "DatabaseLimits": "database",
    "DatabaseLockedError": "errors",
    "Delete": "changes",
    "EngineError": "errors",
    "Expression": "expression",
    "ExpressionError": "errors",
    "ExpressionParser": "expression",
    "Insert": "changes",
    "InvalidRowsError": "errors",
    "ModelError": "errors",
    "ModelProblem": "errors",
    "NoSuchBranchError": "errors",
    "OverloadedError": "errors",
    "QueryTimeoutError": "errors",
    "Receipt": "receipt",
    "Reference": "schema",
    "RejectsFullError": "errors",
    "ResultTooLargeError": "errors",
    "RowProblem": "errors",
    "RowStream": "stream",
    "Source": "source",
    "Table": "schema",
    "TableSchema": "schema",
    "TooManyCommitsError": "errors",
    "TooManyRejectedError": "errors",
    "TooManyStreamsError": "errors",
    "UnknownTableError": "errors",
    "VersionGoneError": "errors",
}
"""Where each name lives; a module is loaded when one of its names is first asked for."""

__getattr__, __dir__ = open_menu(__name__, _HOME_OF)
