"""`/database`: rows that are put into tables, and rows that are deleted."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from app_framework.database import Change, Commit, Database, TableSchema, UnknownTableError
from app_framework.database.changes import OnError
from app_framework.errors import near_matches
from app_framework.olap import delete_where
from app_framework.web.autowired import Autowired
from app_framework.web.disconnect import while_connected
from app_framework.web.encoding import dumps, loads
from app_framework.web.errors import InvalidBodyError
from app_framework.web.openapi import documented
from app_framework.web.routes.database_schema import DELETE_BODY, DELETED, INSERTED, ROWS_BODY
from app_framework.web.row_formats import read_format, read_rows
from app_framework.web.spool import spooled_body

router = APIRouter(tags=["database"])

TableName = Annotated[str, Path(description="The name of a table.")]
OnErrorChoice = Annotated[
    Literal["refuse", "reject"],
    Query(
        alias="on-error", description="Whether a bad row refuses all, or is left out and kept in a file of the node."
    ),
]


@router.post(
    "/database/tables/{table}/rows",
    operation_id="insertRows",
    summary="Put rows into a table",
    responses=documented("INVALID_REQUEST", "INVALID_ROWS", "UNKNOWN_TABLE", "UNSUPPORTED_MEDIA_TYPE"),
    openapi_extra={**ROWS_BODY, **INSERTED},
)
async def insert_rows(
    table: TableName, request: Request, database: Autowired[Database], on_error: OnErrorChoice = "refuse"
) -> Response:
    """Rows become part of a table in one commit; one with the key of a row that is there takes its place."""
    schema = _schema(database, table)
    headers = request.headers
    media_type = read_format(headers.get("content-type", ""), headers.get("content-encoding", ""))
    async with spooled_body(request) as body:
        insert = await asyncio.to_thread(read_rows, body, media_type, schema)
        commit = await _wait(request, database, [insert], on_error)
    answer: dict[str, object] = {"table": table, "rows": commit.rows[0], "version": commit.version}
    if on_error == "reject":
        answer |= {"rejected": commit.rejected, "rejects": str(commit.rejects) if commit.rejects else None}
    return Response(dumps(answer), media_type="application/json")


@router.post(
    "/database/tables/{table}/delete",
    operation_id="deleteRows",
    summary="Delete rows of a table",
    responses=documented("INVALID_REQUEST", "INVALID_QUERY", "UNKNOWN_TABLE"),
    openapi_extra={**DELETE_BODY, **DELETED},
)
async def delete_rows(table: TableName, request: Request, database: Autowired[Database]) -> Response:
    """The rows that pass all filters leave the table in one commit; older versions keep them."""
    change = delete_where(_schema(database, table), _where(await request.body()))
    commit = await _wait(request, database, [change], "refuse")
    answer = {"table": table, "rows": commit.rows[0], "version": commit.version}
    return Response(dumps(answer), media_type="application/json")


async def _wait(request: Request, database: Database, changes: list[Change], on_error: OnError) -> Commit:
    """Wait for a commit; when the client goes away before it is made, it is not made."""
    return await while_connected(request, database.submit_commit(changes, on_error=on_error).wait())


def _schema(database: Database, table: str) -> TableSchema:
    schema = database.tables.get(table)
    if schema is None:
        raise UnknownTableError(table, near_matches(table, database.tables))
    return schema


def _where(body: bytes) -> Mapping[str, object]:
    try:
        document = loads(body)
    except ValueError as error:
        raise InvalidBodyError(f"the body is not JSON: {error}") from None
    if not isinstance(document, Mapping) or not isinstance(document.get("where"), Mapping):
        raise InvalidBodyError('the body is {"where": {column: filter}}', field="where")
    for key in document:
        if key != "where":
            raise InvalidBodyError(f"there is no field {key!r}", field=str(key), near=near_matches(str(key), ["where"]))
    where: Mapping[str, object] = document["where"]
    return where
