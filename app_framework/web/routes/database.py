"""`/database`: rows that are put into tables or deleted, in master or in a branch, and the branches."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from app_framework.database import Branch, Database, TableSchema, UnknownTableError
from app_framework.database.branches import MASTER
from app_framework.errors import near_matches
from app_framework.olap import delete_where
from app_framework.olap.row_formats import RowFormatError, read_rows
from app_framework.web.autowired import Autowired
from app_framework.web.disconnect import while_connected
from app_framework.web.encoding import dumps, loads
from app_framework.web.errors import InvalidBodyError
from app_framework.web.openapi import documented
from app_framework.web.routes.database_schema import (
    BRANCH,
    BRANCH_BODY,
    BRANCHES,
    DELETE_BODY,
    DELETED,
    FORWARD_BODY,
    INSERTED,
    ROWS_BODY,
)
from app_framework.web.row_formats import bad_body, read_format
from app_framework.web.spool import spooled_body

router = APIRouter(tags=["database"])
_ROW_CODES = ("INVALID_REQUEST", "INVALID_ROWS", "UNKNOWN_BRANCH", "UNKNOWN_TABLE", "UNSUPPORTED_MEDIA_TYPE")

TableName = Annotated[str, Path(description="The name of a table.")]
OnErrorChoice = Annotated[
    Literal["refuse", "reject"],
    Query(
        alias="on-error", description="Whether a bad row refuses all, or is left out and kept in a file of the node."
    ),
]
BranchChoice = Annotated[str, Query(description="The branch that is changed.")]
BranchName = Annotated[str, Path(description="The name of a branch.")]


@router.post(
    "/database/tables/{table}/rows",
    operation_id="insertRows",
    summary="Put rows into a table",
    responses=documented(
        "INVALID_REQUEST", "INVALID_ROWS", "UNKNOWN_BRANCH", "UNKNOWN_TABLE", "UNSUPPORTED_MEDIA_TYPE"
    ),
    openapi_extra={**ROWS_BODY, **INSERTED},
)
async def insert_rows(
    table: TableName,
    request: Request,
    database: Autowired[Database],
    on_error: OnErrorChoice = "refuse",
    branch: BranchChoice = MASTER,
) -> Response:
    """Rows become part of a table in one commit; one with the key of a row that is there takes its place."""
    schema = _schema(database, table)
    headers = request.headers
    row_format = read_format(headers.get("content-type", ""), headers.get("content-encoding", ""))
    async with spooled_body(request) as body:
        try:
            insert = await asyncio.to_thread(read_rows, body, row_format, schema)
            commit = await while_connected(
                request, database.submit_commit([insert], branch=branch, on_error=on_error).wait()
            )
        except RowFormatError as error:
            raise bad_body(error) from None
    answer: dict[str, object] = {"table": table, "rows": commit.rows[0], "version": commit.version}
    if on_error == "reject":
        answer |= {"rejected": commit.rejected, "rejects": str(commit.rejects) if commit.rejects else None}
    return _json(answer)


@router.post(
    "/database/tables/{table}/delete",
    operation_id="deleteRows",
    summary="Delete rows of a table",
    responses=documented("INVALID_REQUEST", "INVALID_QUERY", "UNKNOWN_BRANCH", "UNKNOWN_TABLE"),
    openapi_extra={**DELETE_BODY, **DELETED},
)
async def delete_rows(
    table: TableName, request: Request, database: Autowired[Database], branch: BranchChoice = MASTER
) -> Response:
    """The rows that pass all filters leave the table in one commit; older versions keep them."""
    change = delete_where(_schema(database, table), _where(await request.body()))
    commit = await while_connected(request, database.submit_commit([change], branch=branch).wait())
    answer = {"table": table, "rows": commit.rows[0], "version": commit.version}
    return _json(answer)


@router.get(
    "/database/branches",
    operation_id="listBranches",
    summary="List the branches",
    openapi_extra=BRANCHES,
)
async def list_branches(database: Autowired[Database]) -> Response:
    """Master and the branches beside it, each with its newest version and the one of master it is laid over."""
    master = {"name": MASTER, "version": database.version, "base": None}
    return _json({"branches": [master, *(_described(branch) for branch in database.branches.values())]})


@router.post(
    "/database/branches",
    operation_id="createBranch",
    summary="Make a branch",
    responses=documented("INVALID_REQUEST", "CONFLICT", "ALREADY_EXISTS", "UNKNOWN_VERSION"),
    openapi_extra={**BRANCH_BODY, **BRANCH},
)
async def create_branch(request: Request, database: Autowired[Database]) -> Response:
    """A branch is laid over the newest version of master, or an older one that is kept; it takes no room."""
    document = _document(await request.body(), {"name": str, "version": int}, required="name")
    return _json(_described(await database.create_branch(str(document["name"]), _version(document)).wait()))


@router.delete(
    "/database/branches/{name}",
    operation_id="deleteBranch",
    summary="Delete a branch",
    responses=documented("INVALID_REQUEST", "UNKNOWN_BRANCH"),
    openapi_extra=BRANCH,
)
async def delete_branch(name: BranchName, database: Autowired[Database]) -> Response:
    """What the branch has of its own is gone; master is not touched."""
    return _json(_described(await database.delete_branch(name).wait()))


@router.post(
    "/database/branches/{name}/fast-forward",
    operation_id="fastForwardBranch",
    summary="Make master what a branch is",
    responses=documented("INVALID_REQUEST", "UNKNOWN_BRANCH", "CONFLICT"),
    openapi_extra={**FORWARD_BODY, **BRANCH},
)
async def fast_forward_branch(name: BranchName, request: Request, database: Autowired[Database]) -> Response:
    """In one commit, unless master was changed since the branch was made, or the branch is not at the version given."""
    document = _document(await request.body() or b"{}", {"version": int})
    return _json(_described(await database.fast_forward(name, _version(document)).wait()))


def _json(answer: object) -> Response:
    return Response(dumps(answer), media_type="application/json")


def _described(branch: Branch) -> dict[str, object]:
    return {"name": branch.name, "version": branch.version, "base": branch.base}


def _schema(database: Database, table: str) -> TableSchema:
    schema = database.tables.get(table)
    if schema is None:
        raise UnknownTableError(table, near_matches(table, database.tables))
    return schema


def _where(body: bytes) -> Mapping[str, object]:
    where = _document(body, {"where": Mapping}, required="where")["where"]
    assert isinstance(where, Mapping)
    return where


def _version(document: Mapping[str, object]) -> int | None:
    version = document.get("version")
    return version if isinstance(version, int) else None


def _document(body: bytes, fields: Mapping[str, type], required: str = "") -> Mapping[str, object]:
    """Return a body that is an object with some of these fields, whatever media type it is said to be."""
    try:
        document = loads(body)
    except ValueError as error:
        raise InvalidBodyError(f"the body is not JSON: {error}") from None
    if not isinstance(document, Mapping):
        raise InvalidBodyError(f"the body is an object with {' and '.join(map(repr, fields))}")
    for key, value in document.items():
        if key not in fields:
            raise InvalidBodyError(f"there is no field {key!r}", field=str(key), near=near_matches(str(key), fields))
        if not isinstance(value, fields[key]) or isinstance(value, bool):
            raise InvalidBodyError(f"{key!r} is {_KINDS[fields[key]]}", field=str(key))
    if required and required not in document:
        raise InvalidBodyError(f"{required!r} is missing: it is {_KINDS[fields[required]]}", field=required)
    return document


_KINDS: Mapping[type, str] = {str: "a text", int: "a whole number", Mapping: "an object of filters by column"}
