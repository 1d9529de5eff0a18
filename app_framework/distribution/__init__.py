"""Cubes over several nodes: data cubes hold rows, query cubes hold none and answer for all of them.

A query cube has a world, a model without rows that is made of what its data cubes publish. A question is planned on
the world, its cells are asked of the data cubes that can contribute, and everything else is computed from those.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app_framework.menu import open_menu

if TYPE_CHECKING:
    from app_framework.distribution.concealment import Concealment
    from app_framework.distribution.contribution import Contribution, DataCubeId
    from app_framework.distribution.outline import Outline
    from app_framework.distribution.outlining import outline_of
    from app_framework.distribution.world import World

__all__ = ["Concealment", "Contribution", "DataCubeId", "Outline", "World", "outline_of"]

_HOME_OF: dict[str, str] = {
    "Concealment": "concealment",
    "Contribution": "contribution",
    "DataCubeId": "contribution",
    "Outline": "outline",
    "World": "world",
    "outline_of": "outlining",
}
"""Where each name lives; a module is loaded when one of its names is first asked for."""

__getattr__, __dir__ = open_menu(__name__, _HOME_OF)
