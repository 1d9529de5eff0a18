"""From the shapes of YAML to definitions: every mistake of shape is kept with its path, the rest is read on.

What follows from a mistake is no mistake of its own: with `mesures:` a cube does not lack its measures as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from app_framework.olap.aggregation import AGGREGATIONS, Aggregations
from app_framework.olap.definition import (
    AggregatesDefinition,
    CatalogDefinition,
    ConfigurationPath,
    CubeDefinition,
    ModelDefinition,
)
from app_framework.olap.reading_dimensions import DimensionReader
from app_framework.olap.reading_measures import MeasureReader
from app_framework.olap.shapes import TEXTS, ShapeReader, lacks

CUBE_KEYS = ("auto", "dimensions", "measures", "aggregates", "facts", *TEXTS)


def read_model(
    schemas: Mapping[str, object], catalogs: Mapping[str, object], aggregations: Aggregations = AGGREGATIONS
) -> ModelDefinition:
    """Return the cubes and catalogs that the sections ``schemas`` and ``catalogs`` declare."""
    reader = ModelReader(aggregations)
    cubes = [
        cube
        for name, document in schemas.items()
        for cube in reader.schema(str(name), document, ("schemas", str(name)))
    ]
    named = [reader.catalog(str(name), document, ("catalogs", str(name))) for name, document in catalogs.items()]
    return ModelDefinition(tuple(cubes), tuple(catalog for catalog in named if catalog), tuple(reader.problems))


class ModelReader(ShapeReader):
    """Reads parts of a model; what has the wrong shape is left out and its problem kept."""

    def __init__(self, aggregations: Aggregations = AGGREGATIONS) -> None:
        super().__init__([])
        self._measures = MeasureReader(self.problems, aggregations)
        self._dimensions = DimensionReader(self.problems)

    def schema(self, name: str, document: object, path: ConfigurationPath) -> list[CubeDefinition]:
        """Return the cubes of a schema."""
        entries = self.mapping(document, path, "a schema", ("base", "cubes", *TEXTS))
        base = self.text(entries, "base", path)
        if lacks(document, "base"):
            self.add(path, "BASE_REQUIRED", f"schema {name!r} needs `base`, the table its cubes count.", of_key=True)
        cubes = entries.get("cubes") or {}
        if not isinstance(cubes, Mapping):
            self.add((*path, "cubes"), "INVALID_SHAPE", "`cubes` maps names to cubes.")
            return []
        for cube in cubes:
            if "/" in str(cube):
                text = f"a cube cannot be called {str(cube)!r}: its name is a part of URLs, without `/`."
                self.add((*path, "cubes", str(cube)), "INVALID_NAME", text, of_key=True)
        read = [
            self.cube(str(cube), body, base or "", (*path, "cubes", str(cube)), (*path, "base"), name)
            for cube, body in cubes.items()
        ]
        return [cube for cube in read if cube is not None and base]

    def cube(
        self,
        name: str,
        document: object,
        base: str,
        path: ConfigurationPath,
        base_path: ConfigurationPath,
        schema: str | None = None,
    ) -> CubeDefinition | None:
        """Return a cube, None when it is neither a mapping nor `auto`."""
        if document == "auto":
            document = {"auto": True}
        if not isinstance(document, Mapping):
            text = f"a cube is `auto`, or a mapping with the keys {', '.join(CUBE_KEYS)}."
            self.add(path, "INVALID_SHAPE", text)
            return None
        entries = self.mapping(document, path, "a cube", CUBE_KEYS)
        dimensions = self.entries(entries, "dimensions", path)
        measures = self.entries(entries, "measures", path)
        auto = self.flag(entries, "auto", path)
        if lacks(document, "measures") and not auto:
            self.add(path, "MEASURE_REQUIRED", f"cube {name!r} has no measures.", of_key=True)
        read = {key: self._measures.measure(key, value, (*path, "measures", key)) for key, value in measures.items()}
        return CubeDefinition(
            name,
            base,
            tuple(
                self._dimensions.dimension(key, value, (*path, "dimensions", key)) for key, value in dimensions.items()
            ),
            tuple(measure for measure in read.values() if measure is not None),
            path,
            base_path,
            schema,
            self.text(entries, "caption", path),
            self.text(entries, "description", path),
            frozenset(name for name, measure in read.items() if measure is None),
            auto,
            self._aggregates(entries, (*path, "aggregates")),
            self._flat(entries, (*path, "facts")),
        )

    def _flat(self, entries: Mapping[str, object], path: ConfigurationPath) -> bool:
        value = entries.get("facts", "rows")
        if value not in ("rows", "flat"):
            self.add(path, "INVALID_SHAPE", "`facts` is `rows` or `flat`.")
        return value == "flat"

    def _aggregates(self, entries: Mapping[str, object], path: ConfigurationPath) -> AggregatesDefinition:
        value = entries.get("aggregates", "auto")
        if value in ("auto", "none"):
            return AggregatesDefinition(path, automatic=value == "auto")
        lists = value if isinstance(value, list | tuple) else ()
        levels = tuple(tuple(each) for each in lists if isinstance(each, list | tuple) and each)
        if not lists or len(levels) < len(lists) or not all(isinstance(name, str) for each in levels for name in each):
            text = "`aggregates` is `auto`, `none`, or a list of lists of levels: `[[month, shop], [item]]`."
            self.add(path, "INVALID_SHAPE", text)
            return AggregatesDefinition(path)
        return AggregatesDefinition(path, automatic=False, levels=levels)

    def catalog(self, name: str, document: object, path: ConfigurationPath) -> CatalogDefinition | None:
        """Return a catalog."""
        entries = self.mapping(document, path, "a catalog", ("cubes",))
        cubes = entries.get("cubes", "all")
        if cubes == "all":
            return CatalogDefinition(name, None, path)
        if isinstance(cubes, Sequence) and not isinstance(cubes, str) and all(isinstance(c, str) for c in cubes):
            return CatalogDefinition(name, tuple(cubes), path)
        self.add((*path, "cubes"), "INVALID_SHAPE", "`cubes` is `all` or a list of cube names.")
        return None
