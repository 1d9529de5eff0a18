"""The cubes of a node or a cluster, by name."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from app_framework.client.answer import Answer, CellRows
from app_framework.client.distribution import CubeDistribution
from app_framework.client.errors import ProblemError, problem_error
from app_framework.client.frames import read_arrow
from app_framework.errors import ServiceUnavailableError

if TYPE_CHECKING:
    import pyarrow

    from app_framework.client.client import Client
    from app_framework.client.following import Following

ARROW = "application/vnd.apache.arrow.stream"
TRAVEL_S = 5.0
"""How much longer than a node may work on it an answer may take."""

_DURATION = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h)\s*")
_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


class Cubes(Mapping[str, "Cube"]):
    """What can be asked: ``client.cubes["tpch"]``; names are completed where they are typed.

    Args:
        client: asks the nodes.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    def discovery(self) -> dict[str, Any]:
        """Return every catalog with its cubes: dimensions, hierarchies, levels and measures."""
        found: dict[str, Any] = self._client.get_json("/cubes")
        return found

    def query_all(self, questions: Sequence[Mapping[str, Any]]) -> list[Answer | ProblemError]:
        """Ask several questions at once; in the place of one that cannot be answered is why.

        Args:
            questions: each with its ``cube``, and beside it what a question says: ``measures``, ``levels``, ….

        Raises:
            ProblemError: the batch is too long.
            UnavailableProblemError: the node has too much to do for any of them.
        """
        body = self._client.post("/cubes/query", [dict(each) for each in questions], replaces=True)
        answers = json.loads(body, parse_float=Decimal)
        url = f"{self._client.url}/cubes/query"
        return [problem_error(url, int(a["status"]), a) if "code" in a else Answer(a) for a in answers]

    def __getitem__(self, name: str) -> Cube:
        """Return a cube; whether there is one of that name is told when it is asked."""
        return Cube(self._client, name)

    def __iter__(self) -> Iterator[str]:
        catalogs = self.discovery().get("catalogs", ())
        names = (str(cube["name"]) for catalog in catalogs for cube in catalog.get("cubes", ()))
        yield from dict.fromkeys(names)  # a cube may be in several catalogs

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __repr__(self) -> str:
        names = ", ".join(self._ipython_key_completions_())
        return f"<Cubes of {self._client.url}{': ' if names else ''}{names}>"

    def _ipython_key_completions_(self) -> list[str]:
        """Return what may stand in the brackets; nothing where the node does not answer."""
        try:
            return list(self)
        except (ProblemError, ServiceUnavailableError):
            return []


class Cube:
    """One cube.

    Args:
        client: asks the nodes.
        name: of the cube.
    """

    def __init__(self, client: Client, name: str) -> None:
        self._client = client
        self._path = f"/cubes/{quote(name, safe='')}"
        self.name = name

    def discovery(self) -> dict[str, Any]:
        """Return its dimensions, hierarchies, levels and measures."""
        found: dict[str, Any] = self._client.get_json(self._path)
        return found

    @property
    def measures(self) -> list[str]:
        """The names of its measures, as the node has them now."""
        return [str(measure["name"]) for measure in self.discovery()["measures"]]

    @property
    def levels(self) -> dict[str, str]:
        """The types of its levels by full name, as the node has them now."""
        hierarchies = (h for dimension in self.discovery()["dimensions"] for h in dimension["hierarchies"])
        return {str(level["full_name"]): str(level["type"]) for h in hierarchies for level in h["levels"]}

    @property
    def distribution(self) -> CubeDistribution:
        """How it takes part in distributed cubes, on the node that the client was given."""
        return CubeDistribution(self._client, self._path)

    def query(
        self,
        measures: Sequence[str],
        *,
        levels: Sequence[str] = (),
        where: Mapping[str, Any] | None = None,
        totals: str = "none",
        order: Sequence[Mapping[str, Any]] = (),
        limit: int | None = None,
        **more: Any,
    ) -> Answer:
        """Ask for measures by levels.

        Args:
            measures: what to calculate.
            levels: what to group by.
            where: a filter for each level or hierarchy.
            totals: ``none``, ``grand`` or ``all``.
            order: ``{"by": name, "descending": true}``, the first counts most.
            limit: the most detail rows.
            **more: what a question may say beyond: ``top``, ``offset``, ``branch``, ``version``, ``timeout``,
                ``unavailable``.

        Raises:
            ProblemError: the question has mistakes; its ``errors`` list them all.
            UnavailableProblemError: a node that is needed does not answer.
        """
        question = _question(measures, levels, where, totals, order, limit, more)
        return Answer.of_json(self.ask("query", question))

    def follow(
        self,
        measures: Sequence[str],
        *,
        levels: Sequence[str] = (),
        where: Mapping[str, Any] | None = None,
        totals: str = "none",
        order: Sequence[Mapping[str, Any]] = (),
        limit: int | None = None,
        **more: Any,
    ) -> Following:
        """Ask the same and go on: iterate over the answers, one at once and one whenever a commit has changed it.

        Raises:
            MissingLibraryError: websockets is not installed.
            UnreachableError: no node answers.
            ProblemError: the node refuses; mistakes of the question are told with the first answer.
        """
        from app_framework.client.following import Following

        return Following(self._client, self._path, _question(measures, levels, where, totals, order, limit, more))

    def query_arrow(
        self,
        measures: Sequence[str],
        *,
        levels: Sequence[str] = (),
        where: Mapping[str, Any] | None = None,
        totals: str = "none",
        order: Sequence[Mapping[str, Any]] = (),
        limit: int | None = None,
        **more: Any,
    ) -> pyarrow.Table:
        """Ask the same; the answer travels as Arrow, which is what many rows are for. Its last column is ``grouping``.

        Raises:
            MissingLibraryError: pyarrow is not installed.
        """
        question = _question(measures, levels, where, totals, order, limit, more)
        return read_arrow(self.ask("query", question, ARROW))

    def explain(
        self,
        measures: Sequence[str],
        *,
        levels: Sequence[str] = (),
        where: Mapping[str, Any] | None = None,
        totals: str = "none",
        order: Sequence[Mapping[str, Any]] = (),
        limit: int | None = None,
        **more: Any,
    ) -> dict[str, Any]:
        """Ask the same and return how it is answered: ``plan``, ``sql``, ``parameters``, ``nodes``, ``elapsed_ms``."""
        question = _question(measures, levels, where, totals, order, limit, more)
        found: dict[str, Any] = json.loads(self.ask("explain", question))
        return found

    def drillthrough(
        self,
        coordinates: Mapping[str, Any] | None = None,
        *,
        columns: Sequence[str] = (),
        where: Mapping[str, Any] | None = None,
        limit: int | None = None,
        **more: Any,
    ) -> CellRows:
        """Return exactly the rows that a cell counts.

        Args:
            coordinates: the member of each level that is not rolled up in it, such as `Answer.coordinates` returns.
            columns: of the base table, or of others by their path; the base table's when empty.
            where: of the question that the cell is from.
            limit: the most rows.
            **more: ``branch``, ``version``, ``timeout``.
        """
        return CellRows.of_json(self.ask("drillthrough", _drillthrough(coordinates, columns, where, limit, more)))

    def drillthrough_arrow(
        self,
        coordinates: Mapping[str, Any] | None = None,
        *,
        columns: Sequence[str] = (),
        where: Mapping[str, Any] | None = None,
        limit: int | None = None,
        **more: Any,
    ) -> pyarrow.Table:
        """Return the same rows; they travel as Arrow.

        Raises:
            MissingLibraryError: pyarrow is not installed.
        """
        return read_arrow(self.ask("drillthrough", _drillthrough(coordinates, columns, where, limit, more), ARROW))

    def members(self, level: str, *, prefix: str | None = None, limit: int = 100, **more: Any) -> list[Any]:
        """Return the members of a level in order, None last; `prefix` keeps the texts that begin so.

        Args:
            level: as in a question.
            prefix: how they begin.
            limit: how many at most.
            more: ``branch`` and ``version``; the newest version of master unless given.
        """
        wanted = {"level": level, "limit": limit, **more} | ({"prefix": prefix} if prefix is not None else {})
        found: list[Any] = self._client.get_json(f"{self._path}/members?{urlencode(wanted)}")["members"]
        return found

    def ask(self, door: str, question: Mapping[str, Any], accept: str | None = None) -> bytes:
        """Return what a door of the cube answers to a question, as it travels.

        Args:
            door: ``query``, ``explain`` or ``drillthrough``.
            question: the JSON document.
            accept: the media type that is wanted.
        """
        # A question changes nothing, so it may be asked again elsewhere.
        path, patience_s = f"{self._path}/{door}", _patience_s(question.get("timeout"))
        return self._client.post(path, question, replaces=True, accept=accept, timeout_s=patience_s)

    def __repr__(self) -> str:
        return f"<Cube {self.name!r} of {self._client.url}>"


def _patience_s(timeout: object) -> float | None:
    """Return how long to wait for an answer that may take as long as its question says; None where that is not clear.

    >>> _patience_s("2m"), _patience_s(0.5), _patience_s(None), _patience_s("soon")
    (125.0, 5.5, None, None)
    """
    if isinstance(timeout, int | float):
        return timeout + TRAVEL_S
    found = _DURATION.fullmatch(timeout) if isinstance(timeout, str) else None
    return float(found[1]) * _UNITS_S[found[2]] + TRAVEL_S if found else None


def _question(
    measures: Sequence[str],
    levels: Sequence[str],
    where: Mapping[str, Any] | None,
    totals: str,
    order: Sequence[Mapping[str, Any]],
    limit: int | None,
    more: Mapping[str, Any],
) -> dict[str, Any]:
    question: dict[str, Any] = {"measures": list(measures), "levels": list(levels), "totals": totals, **more}
    optional = {"where": where, "order": [dict(each) for each in order] or None, "limit": limit}
    return question | {key: value for key, value in optional.items() if value is not None}


def _drillthrough(
    coordinates: Mapping[str, Any] | None,
    columns: Sequence[str],
    where: Mapping[str, Any] | None,
    limit: int | None,
    more: Mapping[str, Any],
) -> dict[str, Any]:
    question = {"coordinates": dict(coordinates or {}), "columns": list(columns), **more}
    optional = {"where": where, "limit": limit}
    return question | {key: value for key, value in optional.items() if value is not None}
