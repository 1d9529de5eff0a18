"""The rows behind cells, as query cubes may see them: without the columns of what is concealed."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from app_framework.olap.model import CubeModel, Keeping

if TYPE_CHECKING:
    from app_framework.distribution.concealment import Concealed
    from app_framework.olap.join import JoinTree


def drillable(model: CubeModel, concealed: Concealed) -> CubeModel:
    """Return a model without what is concealed, in which the columns that only concealed levels read are unknown."""
    visible = concealed.visible(model)
    shown = {name for level in visible.levels for name in level.expression.names}
    hidden = {
        name
        for hierarchy in model.hierarchies
        if hierarchy.full_name in concealed.hierarchies
        for level in hierarchy.levels
        for name in level.expression.names
    }
    return replace(visible, joins=_without(model.joins, frozenset(hidden - shown)), keeping=Keeping(automatic=False))


def _without(tree: JoinTree, hidden: frozenset[object]) -> JoinTree:
    """Return a tree whose tables lack some columns, each a path and a name; the SQL of levels needs no tree."""
    bare = copy(tree)
    bare.joins = {
        path: replace(
            join,
            table=replace(
                join.table,
                columns=MappingProxyType(
                    {name: column for name, column in join.table.columns.items() if (path, name) not in hidden}
                ),
            ),
        )
        for path, join in tree.joins.items()
    }
    bare.base = bare.joins[()].table
    return bare
