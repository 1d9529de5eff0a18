"""What a user may set about cubes: the sections ``schemas``, ``catalogs``, ``manager`` and ``olap``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import WithJsonSchema

from app_framework.boot import ConfigProperties, DataSize, Duration, Field
from app_framework.olap.aggregate_limits import AggregateLimits
from app_framework.olap.aggregation import AGGREGATIONS, FORMULA
from app_framework.olap.calendar import PARTS
from app_framework.olap.cellreader import ROWS_MAX
from app_framework.olap.language import FORMS, LOOKUP, PYTHON
from app_framework.olap.manager import BATCH_MAX

_AGGREGATE_LIMITS = AggregateLimits()
_TEXT = {"type": "string"}
_ABOUT = {"caption": _TEXT, "description": _TEXT}


def _object(properties: dict[str, object], **more: object) -> dict[str, object]:
    return {"type": "object", "properties": properties, "additionalProperties": False, **more}


def _mapping(values: object) -> dict[str, object]:
    return {"type": "object", "additionalProperties": values}


_VISIBLE = {"type": "boolean"}
_ORDER = {"anyOf": [{"type": "array"}, _object({"by": _TEXT, "descending": {"type": "boolean"}})]}
_SEEN = {"order": _ORDER, "format": _TEXT, "visible": _VISIBLE, **_ABOUT}
_LEVEL = {"anyOf": [_TEXT, _object({"column": _TEXT, "expression": _TEXT, "part": {"enum": [*PARTS]}, **_SEEN})]}
_LEVELS = {"anyOf": [_TEXT, {"type": "array", "items": {"anyOf": [_TEXT, _mapping(_LEVEL)]}}, _mapping(_LEVEL)]}
_HIERARCHY = {
    "anyOf": [
        _LEVELS["anyOf"][1],
        _object({
            "levels": _LEVELS, "date": _TEXT, "slicing": {"type": "boolean"}, "default": {}, "folder": _TEXT,
            "visible": _VISIBLE, **_ABOUT,
        }),
    ]
}  # fmt: skip
_DIMENSION = {"anyOf": [*_HIERARCHY["anyOf"], _object({"hierarchies": _mapping(_HIERARCHY), **_ABOUT})]}
_SHOWN = {"format": _TEXT, "folder": _TEXT, "visible": _VISIBLE, **_ABOUT}
_FACTORS = {"type": "array", "items": _TEXT, "minItems": 2}
_FRACTION = {"type": "number", "minimum": 0, "maximum": 1}
_KINDS = {
    **{name: _FACTORS if known.factors > 1 else _TEXT for name, known in AGGREGATIONS.items()},
    FORMULA: _TEXT,
    **{key: dict(form.argument.schema) for key, form in FORMS.items()},
}


def _options() -> dict[str, object]:
    """Return what the keys beside what is computed may hold; one key may be told differently to different measures."""
    found: dict[str, list[Mapping[str, object]]] = {}
    for known in AGGREGATIONS.values():
        for key in known.columns:
            found.setdefault(key, [_TEXT])
        for key in known.fractions:
            found.setdefault(key, [_FRACTION])
    for form in FORMS.values():
        for option in form.options:
            schemas, schema = found.setdefault(option.name, []), dict(option.shape.schema)
            if schema not in schemas:
                schemas.append(schema)
    return {key: schemas[0] if len(schemas) == 1 else {"anyOf": schemas} for key, schemas in found.items()}


_OPTIONS = _options()
_MEASURE = _object({**_KINDS, **_OPTIONS, **_SHOWN}, minProperties=1)
_NEEDS_ROWS = (*AGGREGATIONS, LOOKUP, PYTHON)


def measure_schema(*, over_rows: bool = True) -> dict[str, object]:
    """Return the JSON schema of measures by name; with `over_rows` off, of those that are computed from others."""
    if over_rows:
        return _mapping(_MEASURE)
    kinds = {name: schema for name, schema in _KINDS.items() if name not in _NEEDS_ROWS}
    return _mapping(_object({**kinds, **_OPTIONS, **_SHOWN}, minProperties=1))


_AGGREGATES = {
    "anyOf": [{"enum": ["auto", "none"]}, {"type": "array", "items": {"type": "array", "items": _TEXT, "minItems": 1}}]
}
_CUBE = {
    "anyOf": [
        {"const": "auto"},
        _object({
            "auto": {"type": "boolean"}, "dimensions": _mapping(_DIMENSION), "measures": measure_schema(),
            "aggregates": _AGGREGATES, "facts": {"enum": ["rows", "flat"]}, **_ABOUT,
        }),
    ]
}  # fmt: skip
_SCHEMA = _object({"base": _TEXT, "cubes": _mapping(_CUBE), **_ABOUT}, required=["base"])
_CATALOG = _object({"cubes": {"anyOf": [{"const": "all"}, {"type": "array", "items": _TEXT}]}})


class ManagerProperties(ConfigProperties):
    """The manager of all cubes."""

    name: str = Field(default="Manager", min_length=1, description="Name of the manager.")


class FollowProperties(ConfigProperties):
    """The bounds of continuous queries."""

    max_rows: int = Field(default=50_000, ge=1, description="Rows of an answer that is followed.")
    pace: Duration = Field(
        default="100ms", description="Least time between two answers to one question; commits meanwhile are one."
    )


class AggregatesProperties(ConfigProperties):
    """The aggregates that are kept of large cubes."""

    min_rows: int = Field(
        default=_AGGREGATE_LIMITS.rows_min, ge=0, description="Rows of a base table from which aggregates are chosen."
    )
    max_share: float = Field(
        default=_AGGREGATE_LIMITS.share_max, gt=0, le=1, description="Groups of one, as a part of the rows."
    )
    max_rows: int = Field(
        default=_AGGREGATE_LIMITS.rows_max, ge=1, description="Groups of all aggregates of a cube together."
    )
    questions: int = Field(
        default=_AGGREGATE_LIMITS.questions, ge=1, description="Questions that read rows before it is chosen again."
    )

    tile_memory: DataSize = Field(
        default=_AGGREGATE_LIMITS.tile_bytes, ge=0, description="Memory of a cube's tiles, 0 for none."
    )

    flat_rows: int = Field(default=_AGGREGATE_LIMITS.flat_rows, ge=1, description="Rows of flat facts.")
    flat_memory: DataSize = Field(
        default=_AGGREGATE_LIMITS.flat_bytes, ge=0, description="Memory of a cube's flat facts, as estimated."
    )

    @property
    def limits(self) -> AggregateLimits:
        """The bounds that these properties set."""
        return AggregateLimits(
            self.min_rows,
            self.max_share,
            self.max_rows,
            self.questions,
            tile_bytes=self.tile_memory,
            flat_rows=self.flat_rows,
            flat_bytes=self.flat_memory,
        )


class OlapLimitsProperties(ConfigProperties):
    """The bounds of answers and of what is kept for them."""

    max_rows: int = Field(default=ROWS_MAX, ge=1, description="Rows of an answer; a larger one answers 413 TOO_LARGE.")
    max_batch: int = Field(
        default=BATCH_MAX, ge=1, description="Questions of one batch; their answers have `max-rows` rows together."
    )
    follow: FollowProperties = Field(default_factory=FollowProperties, description="Continuous queries.")
    aggregates: AggregatesProperties = Field(
        default_factory=AggregatesProperties, description="The aggregates that are kept of large cubes."
    )


class OlapProperties(ConfigProperties, prefix=""):
    """Cubes: schemas declare them, catalogs group them.

    The insides of schemas and catalogs are read by `app_framework.olap.reading`, which keeps every mistake.
    """

    schemas: Annotated[dict[str, object], WithJsonSchema(_mapping(_SCHEMA))] = Field(
        default_factory=dict, description="Schemas by name: a base table and the cubes over it."
    )
    catalogs: Annotated[dict[str, object], WithJsonSchema(_mapping(_CATALOG))] = Field(
        default_factory=dict, description="Catalogs by name: `{cubes: all}` or a list; without any, one holds all."
    )
    manager: ManagerProperties = Field(default_factory=ManagerProperties, description="The manager of all cubes.")
    olap: OlapLimitsProperties = Field(default_factory=OlapLimitsProperties, description="The bounds of answers.")
