"""From the shapes of YAML to definitions: every mistake of shape is kept with its path, the rest is read on.

What follows from a mistake is no mistake of its own: with `mesures:` a cube does not lack its measures as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from app_framework.errors import near_matches
from app_framework.olap.aggregation import AGGREGATIONS, ANNOUNCED, FORMULA, Aggregation, Aggregations
from app_framework.olap.definition import (
    CatalogDefinition,
    ConfigurationPath,
    CubeDefinition,
    MeasureDefinition,
    ModelDefinition,
)
from app_framework.olap.reading_dimensions import DimensionReader
from app_framework.olap.shapes import TEXTS, ShapeReader, lacks


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
        self._aggregations = aggregations
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
            text = "a cube is `auto`, or a mapping with the keys auto, dimensions, measures, caption, description."
            self.add(path, "INVALID_SHAPE", text)
            return None
        entries = self.mapping(document, path, "a cube", ("auto", "dimensions", "measures", *TEXTS))
        dimensions = self.entries(entries, "dimensions", path)
        measures = self.entries(entries, "measures", path)
        auto = self.flag(entries, "auto", path)
        if lacks(document, "measures") and not auto:
            self.add(path, "MEASURE_REQUIRED", f"cube {name!r} has no measures.", of_key=True)
        read = {key: self._measure(key, value, (*path, "measures", key)) for key, value in measures.items()}
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

    def _measure(self, name: str, document: object, path: ConfigurationPath) -> MeasureDefinition | None:
        if not isinstance(document, Mapping):
            self.add(path, "INVALID_SHAPE", f"measure {name!r} is written `{{sum: column}}` or `{{formula: …}}`.")
            return None
        kind = self._kind(name, document, path)
        if kind is None:
            return None
        aggregation = self._aggregations.get(kind)
        options = aggregation.options if aggregation else ()
        entries = self.mapping(document, path, "a measure", (kind, *options, "format", "folder", "visible", *TEXTS))
        argument = self._argument(entries.get(kind), kind, aggregation, path)
        given = self._options(name, entries, aggregation, path) if aggregation else {}
        if argument is None or given is None:
            return None
        return MeasureDefinition(
            name,
            kind,
            argument,
            (*path, kind),
            self.text(entries, "caption", path),
            self.text(entries, "format", path),
            self.text(entries, "description", path),
            self.text(entries, "folder", path),
            self.flag(entries, "visible", path, default=True),
            given,
        )

    def _argument(
        self, written: object, kind: str, aggregation: Aggregation | None, path: ConfigurationPath
    ) -> str | None:
        """Return the expression that is aggregated; a list is one of factors, where the aggregation takes them."""
        least = aggregation.factors if aggregation else 1
        factors = written if least > 1 and isinstance(written, list) else [written]
        if len(factors) < least:
            text = f"`{kind}` takes a list of {least} columns or expressions or more, which are multiplied."
            self.add((*path, kind), "INVALID_SHAPE", text)
            return None
        texts = [str(factor) for factor in factors if _is_text(factor)]
        if len(texts) < len(factors):
            self.add((*path, kind), "INVALID_SHAPE", f"`{kind}` takes a column or an expression as text.")
            return None
        return aggregation.expression(texts) if aggregation else texts[0]

    def _options(
        self, name: str, entries: Mapping[str, object], aggregation: Aggregation, path: ConfigurationPath
    ) -> dict[str, str | float] | None:
        """Return what the aggregation is told beside its argument; None when some of it is missing or wrong."""
        given: dict[str, str | float] = {}
        for key in aggregation.columns:
            value = entries.get(key)
            if _is_text(value):
                given[key] = str(value)
            elif value is None:
                text = f"measure {name!r} needs `{key}`: the column or expression that says which row is meant."
                self.add(path, "OPTION_REQUIRED", text, of_key=True)
            else:
                self.add((*path, key), "INVALID_SHAPE", f"`{key}` takes a column or an expression as text.")
        for key in aggregation.fractions:
            value = entries.get(key)
            if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1:
                given[key] = float(value)
            elif value is None:
                text = f"measure {name!r} needs `{key}`, a number from 0 to 1, such as 0.9."
                self.add(path, "OPTION_REQUIRED", text, of_key=True)
            else:
                self.add((*path, key), "INVALID_SHAPE", f"`{key}` is a number from 0 to 1.")
        return given if len(given) == len(aggregation.options) else None

    def _kind(self, name: str, document: Mapping[object, object], path: ConfigurationPath) -> str | None:
        """Return the one key of a measure that says what it computes."""
        kinds = [*self._aggregations, FORMULA]
        written = [str(key) for key in document if key in kinds]
        if len(written) == 1:
            return written[0]
        if written:
            self.add(
                path, "INVALID_SHAPE", f"measure {name!r} computes one thing, not {' and '.join(written)}.", of_key=True
            )
            return None
        announced = [str(key) for key in document if key in ANNOUNCED]
        if announced:
            text = f"the aggregation {announced[0]!r} is not available in this version; there are: {', '.join(kinds)}."
            self.add((*path, announced[0]), "UNSUPPORTED_AGGREGATION", text, of_key=True)
            return None
        options = {option for aggregation in self._aggregations.values() for option in aggregation.options}
        extra = [str(key) for key in document if key not in ("format", "folder", "visible", *TEXTS, *options)]
        if not extra:
            text = f"measure {name!r} does not say what it computes: {', '.join(kinds)}."
            self.add(path, "AGGREGATION_REQUIRED", text, of_key=True)
        for key in extra:
            near = near_matches(key, [*kinds, "format", "folder", "visible", *TEXTS])
            self.add((*path, key), "UNKNOWN_AGGREGATION", f"there is no aggregation {key!r}.", near, of_key=True)
        return None


def _is_text(value: object) -> bool:
    """Whether a value of YAML writes an expression; ``1`` is one too."""
    return isinstance(value, str | int | float) and not isinstance(value, bool)
