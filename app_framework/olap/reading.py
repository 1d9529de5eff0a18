"""From the shapes of YAML to definitions: every mistake of shape is kept with its path, the rest is read on.

What follows from a mistake is no mistake of its own: with `mesures:` a cube does not lack its measures as well.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from app_framework.olap.aggregation import AGGREGATIONS, Aggregations
from app_framework.olap.definition import (
    CatalogDefinition,
    ConfigurationPath,
    CubeDefinition,
    DimensionDefinition,
    HierarchyDefinition,
    LevelDefinition,
    ModelDefinition,
)
from app_framework.olap.reading_measures import MeasureReader
from app_framework.olap.shapes import TEXTS, ShapeReader, lacks

_COLUMN = re.compile(r'(?:[^\W\d]\w*|"[^"]+")(?:\.(?:[^\W\d]\w*|"[^"]+"))*')


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
    """Reads parts of a model; what has the wrong shape is left out and its problem kept.

    Attributes:
        problems: everything wrong so far.
    """

    def __init__(self, aggregations: Aggregations = AGGREGATIONS) -> None:
        super().__init__([])
        self._measures = MeasureReader(self.problems, aggregations)

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
        """Return a cube, None when it is not even a mapping."""
        entries = self.mapping(document, path, "a cube", ("dimensions", "measures", *TEXTS))
        if not isinstance(document, Mapping):
            return None
        dimensions = self.entries(entries, "dimensions", path)
        measures = self.entries(entries, "measures", path)
        if lacks(document, "measures"):
            self.add(path, "MEASURE_REQUIRED", f"cube {name!r} has no measures.", of_key=True)
        read = {key: self._measures.measure(key, value, (*path, "measures", key)) for key, value in measures.items()}
        return CubeDefinition(
            name,
            base,
            tuple(self._dimension(key, value, (*path, "dimensions", key)) for key, value in dimensions.items()),
            tuple(measure for measure in read.values() if measure is not None),
            path,
            base_path,
            schema,
            self.text(entries, "caption", path),
            self.text(entries, "description", path),
            frozenset(name for name, measure in read.items() if measure is None),
        )

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

    def _dimension(self, name: str, document: object, path: ConfigurationPath) -> DimensionDefinition:
        """Read a dimension: a list of levels is the short form of one hierarchy with the dimension's name."""
        if isinstance(document, Mapping) and "hierarchies" in document:
            entries = self.mapping(document, path, "a dimension", ("hierarchies", *TEXTS))
            found = self.entries(entries, "hierarchies", path)
            hierarchies = tuple(
                self._hierarchy(key, value, name, (*path, "hierarchies", key)) for key, value in found.items()
            )
            texts = self.text(entries, "caption", path), self.text(entries, "description", path)
            return DimensionDefinition(name, hierarchies, path, *texts)
        if isinstance(document, Mapping) and "levels" not in document:
            self.refuse_keys(document, ("hierarchies", "levels", *TEXTS), path, "a dimension")
            if lacks(document, "levels") and lacks(document, "hierarchies"):
                self.add(path, "LEVELS_REQUIRED", f"dimension {name!r} needs `levels` or `hierarchies`.", of_key=True)
            return DimensionDefinition(name, (), path)
        return DimensionDefinition(name, (self._hierarchy(name, document, name, path),), path)

    def _hierarchy(self, name: str, document: object, dimension: str, path: ConfigurationPath) -> HierarchyDefinition:
        if not isinstance(document, Mapping):
            return HierarchyDefinition(name, self._levels(document, path), path)
        known = ("levels", "slicing", "default", "folder", *TEXTS)
        entries = self.mapping(document, path, "a hierarchy", known)
        if lacks(document, "levels"):
            self.add(path, "LEVELS_REQUIRED", f"hierarchy {dimension}.{name} needs `levels`.", of_key=True)
        slicing = self.flag(entries, "slicing", path)
        if "default" in entries and not slicing:
            self.add((*path, "default"), "NOT_SLICING", "only a slicing hierarchy has a default member.", of_key=True)
        return HierarchyDefinition(
            name,
            self._levels(() if entries.get("levels") is None else entries["levels"], (*path, "levels")),
            path,
            slicing,
            entries.get("default"),
            self.text(entries, "caption", path),
            self.text(entries, "description", path),
            self.text(entries, "folder", path),
        )

    def _levels(self, document: object, path: ConfigurationPath) -> tuple[LevelDefinition, ...]:
        if isinstance(document, str):
            document = [document]
        if isinstance(document, Mapping):
            read = [self._level(str(name), body, (*path, str(name))) for name, body in document.items()]
        elif isinstance(document, Sequence):
            read = [self._listed_level(item, (*path, position)) for position, item in enumerate(document)]
        else:
            self.add(path, "INVALID_SHAPE", "levels are a list of columns, or map names to expressions.")
            return ()
        return tuple(level for level in read if level is not None)

    def _listed_level(self, item: object, path: ConfigurationPath) -> LevelDefinition | None:
        if isinstance(item, Mapping) and len(item) == 1:
            ((name, body),) = item.items()
            return self._level(str(name), body, (*path, str(name)))
        if not isinstance(item, str):
            self.add(path, "INVALID_SHAPE", "a level is a column, or `name: expression`.")
            return None
        if not _COLUMN.fullmatch(item.strip()):
            self.add(
                path, "NAME_REQUIRED", f"a level by an expression needs a name: write `name: {item}` or {{name: …}}."
            )
            return None
        name = re.findall(r'"[^"]+"|\w+', item)[-1].strip('"')
        return LevelDefinition(name, item.strip(), path)

    def _level(self, name: str, body: object, path: ConfigurationPath) -> LevelDefinition | None:
        if isinstance(body, str):
            return LevelDefinition(name, body, path)
        entries = self.mapping(body, path, "a level", ("expression", "column", *TEXTS))
        written = [key for key in ("expression", "column") if key in entries]
        if len(written) != 1:
            if written or (lacks(body, "column") and lacks(body, "expression")):
                self.add(path, "INVALID_SHAPE", f"level {name!r} needs one of `column` and `expression`.", of_key=True)
            return None
        text = self.text(entries, written[0], path)
        if text is None:
            return None
        texts = self.text(entries, "caption", path), self.text(entries, "description", path)
        return LevelDefinition(name, text, (*path, written[0]), *texts)
