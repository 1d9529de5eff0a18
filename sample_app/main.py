"""The application: its model is in `application.yml`; here is the one route that YAML cannot say.

af run sample_app.main:app
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query

from app_framework import Application, Autowired
from app_framework.errors import UserError
from app_framework.olap import CubeQuery, Manager

router = APIRouter(prefix="/ops", tags=["operations"])

HERE, ALL = "flights", "nyc"
"""The cube over the flights that this node holds, and, where there are several, the one over those of all nodes."""


@dataclass(frozen=True, slots=True)
class OriginReport:
    """How the flights out of one airport did."""

    origin: str
    flights: int
    avg_dep_delay: float | None
    cancelled_pct: float | None


class NoFlightsError(UserError):
    """The question is sound, but no flight matches it."""

    code = "NOT_FOUND"


@router.get("/worst-origin", response_model=OriginReport, summary="The airport whose flights leave latest")
async def worst_origin(
    manager: Autowired[Manager],
    month: Annotated[int | None, Query(ge=1, le=12)] = None,
    carrier: Annotated[str | None, Query(max_length=2)] = None,
) -> dict[str, object]:
    """The origin with the highest mean departure delay, over the year or one month, for all carriers or one."""
    query = CubeQuery(
        measures=["flights", "avg_dep_delay", "cancelled_pct"],
        levels=["origin"],
        where={name: value for name, value in {"month": month, "carrier": carrier}.items() if value is not None},
        order=[{"by": "avg_dep_delay", "descending": True}],
        limit=1,
    )
    answer = await manager.query(ALL if ALL in manager.cubes else HERE, query)
    if not answer.rows:
        raise NoFlightsError("No flight left in that month with that carrier.")
    return dict(zip((column.name for column in answer.columns), answer.rows[0], strict=True))


app = Application(name="nyc-ops", sources=[router])

if __name__ == "__main__":
    raise SystemExit(app.run())
