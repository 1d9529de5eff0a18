"""A named group of cubes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

from app_framework.olap.queryable import Queryable


class Catalog:
    """Some cubes under one name; a cube may be in several catalogs (A14)."""

    def __init__(self, name: str, cubes: Iterable[Queryable]) -> None:
        self.name = name
        self.cubes: Mapping[str, Queryable] = MappingProxyType({cube.name: cube for cube in cubes})

    def discovery(
        self, describe: Callable[[Queryable], Mapping[str, object]] = lambda cube: cube.discovery()
    ) -> dict[str, object]:
        """Describe the catalog and its cubes."""
        return {"name": self.name, "cubes": [describe(cube) for cube in self.cubes.values()]}

    def __repr__(self) -> str:
        return f"<Catalog {self.name!r}: {', '.join(self.cubes)}>"
