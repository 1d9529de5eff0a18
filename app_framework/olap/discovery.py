"""What a cube tells about itself: the documents of ``GET /cubes`` and ``GET /cubes/{cube}``."""

from __future__ import annotations

from app_framework.olap.dimension import Dimension, Hierarchy, Level
from app_framework.olap.measure import Measure
from app_framework.olap.model import CubeModel


def describe_model(model: CubeModel) -> dict[str, object]:
    """Return dimensions, hierarchies, levels with types, and measures with caption, format, kind, partial form."""
    return {
        "name": model.name,
        "caption": model.caption or model.name,
        "description": model.description,
        "schema": model.schema,
        "base": model.joins.base.name,
        "dimensions": [_dimension(dimension) for dimension in model.dimensions],
        "measures": [_measure(measure) for measure in model.measures.values()],
    }


def _dimension(dimension: Dimension) -> dict[str, object]:
    return {
        "name": dimension.name,
        "caption": dimension.caption or dimension.name,
        "description": dimension.description,
        "hierarchies": [_hierarchy(hierarchy) for hierarchy in dimension.hierarchies],
    }


def _hierarchy(hierarchy: Hierarchy) -> dict[str, object]:
    return {
        "name": hierarchy.name,
        "caption": hierarchy.caption or hierarchy.name,
        "description": hierarchy.description,
        "folder": hierarchy.folder,
        "visible": hierarchy.visible,
        "slicing": hierarchy.slicing,
        "default": hierarchy.default,
        "levels": [_level(level) for level in hierarchy.levels],
    }


def _level(level: Level) -> dict[str, object]:
    return {
        "name": level.name,
        "full_name": level.full_name,
        "caption": level.caption or level.name,
        "description": level.description,
        "format": level.format,
        "visible": level.visible,
        "type": level.type.answered.name,
        "order": level.order.told("").strip() or None,
        "expression": level.expression.text,
    }


def _measure(measure: Measure) -> dict[str, object]:
    return {
        "name": measure.name,
        "caption": measure.caption or measure.name,
        "description": measure.description,
        "folder": measure.folder,
        "format": measure.format,
        "visible": measure.visible,
        "type": measure.type.answered.name,
        "kind": measure.kind,
        "expression": measure.text,
        "partial": {"form": measure.partial, "parts": list(measure.parts)},
    }
