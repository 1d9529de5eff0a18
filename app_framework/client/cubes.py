"""The cubes of a node or a cluster, by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from app_framework.client.answer import Answer

if TYPE_CHECKING:
    from app_framework.client.client import Client


class Cubes(Mapping[str, "Cube"]):
    """What can be asked: ``client.cubes["tpch"]``.

    Args:
        client: asks the nodes.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    def __getitem__(self, name: str) -> Cube:
        """Return a cube; whether there is one of that name is told when it is asked."""
        return Cube(self._client, name)

    def __iter__(self) -> Iterator[str]:
        catalogs = self._client.get_json("/cubes").get("catalogs", ())
        names = (str(cube["name"]) for catalog in catalogs for cube in catalog.get("cubes", ()))
        yield from dict.fromkeys(names)  # a cube may be in several catalogs

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __repr__(self) -> str:
        return f"<Cubes of {self._client.url}>"


class Cube:
    """One cube.

    Args:
        client: asks the nodes.
        name: of the cube.
    """

    def __init__(self, client: Client, name: str) -> None:
        self._client = client
        self.name = name

    def describe(self) -> dict[str, Any]:
        """Return its dimensions, hierarchies, levels and measures."""
        found: dict[str, Any] = self._client.get_json(f"/cubes/{quote(self.name, safe='')}")
        return found

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
            **more: what a question may say beyond: ``offset``, ``branch``, ``version``, ``timeout``, ``unavailable``.

        Raises:
            ProblemError: the question has mistakes; its ``errors`` list them all.
            UnavailableProblemError: a node that is needed does not answer.
        """
        question: dict[str, Any] = {"measures": list(measures), "levels": list(levels), "totals": totals, **more}
        optional = {"where": where, "order": [dict(each) for each in order], "limit": limit}
        question |= {key: value for key, value in optional.items() if value}
        # A question changes nothing, so it may be asked again elsewhere.
        body = self._client.post(f"/cubes/{quote(self.name, safe='')}/query", question, replaces=True)
        return Answer.of_json(body)

    def __repr__(self) -> str:
        return f"<Cube {self.name!r} of {self._client.url}>"
