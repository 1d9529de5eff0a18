"""`/cubes/{cube}/distribution`: whether a cube takes part in distributed ones, and which members it is asked for.

curl -X POST http://localhost:8080/cubes/sales/distribution/stop
curl -X POST http://localhost:8080/cubes/sales/distribution/mask -d '{"level": "day", "members": ["2026-11-20"]}'
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated

from fastapi import APIRouter, Path
from starlette.requests import Request
from starlette.responses import Response

from app_framework.distribution import DataCube, Distribution, MaskReport, NotDistributedError, QueryCube
from app_framework.errors import near_matches
from app_framework.olap import Manager
from app_framework.web.autowired import Autowired
from app_framework.web.encoding import dumps, loads
from app_framework.web.errors import InvalidBodyError
from app_framework.web.openapi import documented
from app_framework.web.routes.cube_schema import JSON
from app_framework.web.routes.distribution_schema import MASK_BODY, REPORT_ANSWER, ROLL_OVER_BODY, STATE_ANSWER

CubeName = Annotated[str, Path(description="The name of a data cube or query cube.")]
DataCubeName = Annotated[str, Path(description="The name of a data cube.")]
Find = Callable[[], Distribution | None]

_CODES = ("UNKNOWN_CUBE", "CONFLICT", "NO_QUORUM")
_MASK_CODES = (*_CODES, "INVALID_REQUEST", "INVALID_QUERY", "UNKNOWN_LEVEL")


def distribution_router(find: Find) -> APIRouter:
    """Return the routes.

    Args:
        find: returns the distributed cubes of the node, None where there are none.
    """
    router = APIRouter(tags=["distribution"])
    _add_states(router, find)
    _add_masks(router, find)
    return router


def _add_states(router: APIRouter, find: Find) -> None:
    @router.get(
        "/cubes/{cube}/distribution",
        operation_id="readDistribution",
        summary="Read how a cube takes part",
        responses=documented("UNKNOWN_CUBE", "CONFLICT"),
        openapi_extra=STATE_ANSWER,
    )
    async def read_distribution(cube: CubeName, manager: Autowired[Manager]) -> Response:
        """The state of a data cube, or what a query cube knows of every data cube."""
        return _json(_found(cube, manager, find).describe(cube))

    @router.post(
        "/cubes/{cube}/distribution/start",
        operation_id="startDistribution",
        summary="Let a cube take part",
        responses=documented(*_CODES),
        openapi_extra=STATE_ANSWER,
    )
    async def start_distribution(cube: CubeName, manager: Autowired[Manager]) -> Response:
        """A data cube joins, a query cube answers; from now on, also after restarts."""
        found = _found(cube, manager, find)
        await found.cube(cube).start_distribution()
        return _json(found.describe(cube))

    @router.post(
        "/cubes/{cube}/distribution/stop",
        operation_id="stopDistribution",
        summary="Take a cube out",
        responses=documented(*_CODES),
        openapi_extra=STATE_ANSWER,
    )
    async def stop_distribution(cube: CubeName, manager: Autowired[Manager]) -> Response:
        """A data cube leaves, so that nobody waits for its rows; a query cube answers no more; until it is started."""
        found = _found(cube, manager, find)
        await found.cube(cube).stop_distribution()
        return _json(found.describe(cube))


def _add_masks(router: APIRouter, find: Find) -> None:
    @router.post(
        "/cubes/{cube}/distribution/mask",
        operation_id="maskMembers",
        summary="Hide members of a data cube",
        responses=documented(*_MASK_CODES),
        openapi_extra={**MASK_BODY, **REPORT_ANSWER},
    )
    async def mask_members(cube: DataCubeName, request: Request, manager: Autowired[Manager]) -> Response:
        """No query cube asks this data cube for the members any more; once all know, their rows may be dropped."""
        data_cube = _data_cube(cube, manager, find)
        level, lists = await _read(request, members=True)
        return _report(data_cube, await data_cube.mask(level, lists["members"]))

    @router.post(
        "/cubes/{cube}/distribution/unmask",
        operation_id="unmaskMembers",
        summary="Show members of a data cube again",
        responses=documented(*_MASK_CODES),
        openapi_extra={**MASK_BODY, **REPORT_ANSWER},
    )
    async def unmask_members(cube: DataCubeName, request: Request, manager: Autowired[Manager]) -> Response:
        """Query cubes may ask this data cube for the members again."""
        data_cube = _data_cube(cube, manager, find)
        level, lists = await _read(request, members=True)
        return _report(data_cube, await data_cube.unmask(level, lists["members"]))

    @router.post(
        "/cubes/{cube}/distribution/roll-over",
        operation_id="rollOver",
        summary="Hide some members and show others in one step",
        responses=documented(*_MASK_CODES),
        openapi_extra={**ROLL_OVER_BODY, **REPORT_ANSWER},
    )
    async def roll_over(cube: DataCubeName, request: Request, manager: Autowired[Manager]) -> Response:
        """No question sees only one of the two changes."""
        data_cube = _data_cube(cube, manager, find)
        level, lists = await _read(request, mask=False, unmask=False)
        return _report(data_cube, await data_cube.roll_over(level, mask=lists["mask"], unmask=lists["unmask"]))


def _found(cube: str, manager: Manager, find: Find) -> Distribution:
    """Return the distributed cubes of the node, of which this is one."""
    manager.cube(cube)
    distribution = find()
    if distribution is None:
        raise NotDistributedError(cube)
    distribution.cube(cube)
    return distribution


def _data_cube(cube: str, manager: Manager, find: Find) -> DataCube:
    found: DataCube | QueryCube = _found(cube, manager, find).cube(cube)
    if not isinstance(found, DataCube):
        raise NotDistributedError(cube, needed="data cube")
    return found


async def _read(request: Request, **lists: bool) -> tuple[str, Mapping[str, list[object]]]:
    """Read a level, and lists of its members by their keys; each key with whether it has to be there."""
    try:
        document = loads(await request.body())
    except ValueError as error:
        raise InvalidBodyError(f"the body is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise InvalidBodyError("the body is an object")
    for key in document:
        if key not in ("level", *lists):
            near = near_matches(key, ("level", *lists))
            raise InvalidBodyError(f"there is no key {key!r} here.", field=key, near=near)
    level = document.get("level")
    if not isinstance(level, str):
        raise InvalidBodyError("`level` is the name of a level.", field="level")
    return level, {key: _members(document, key, needed) for key, needed in lists.items()}


def _members(document: Mapping[str, object], key: str, needed: bool) -> list[object]:
    members = document.get(key, None if needed else [])
    if not isinstance(members, list) or any(isinstance(member, list | dict) for member in members):
        raise InvalidBodyError(f"`{key}` is a list of members.", field=key)
    return members


def _report(cube: DataCube, report: MaskReport) -> Response:
    return _json(
        {
            "cube": cube.cube.name,
            "version": report.version,
            "complete": report.complete,
            "acknowledged": list(report.acknowledged),
            "failures": dict(report.failures),
            "masks": {level: list(members) for level, members in cube.masks.items()},
        }
    )


def _json(body: object) -> Response:
    return Response(dumps(body), media_type=JSON)
