"""What a data cube keeps to itself: hierarchies, measures and branches that no query cube hears of (A8, AA3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from app_framework.database.branches import MASTER
from app_framework.database.errors import ModelError, ModelProblem
from app_framework.errors import near_matches

if TYPE_CHECKING:
    from app_framework.olap.definition import ConfigurationPath
    from app_framework.olap.dimension import Hierarchy
    from app_framework.olap.model import CubeModel


@dataclass(frozen=True, slots=True)
class Concealed:
    """What is concealed of one cube.

    Args:
        hierarchies: their full names.
        measures: their names.
        branches: their names; they need not exist.
    """

    hierarchies: frozenset[str] = frozenset()
    measures: frozenset[str] = frozenset()
    branches: frozenset[str] = frozenset()

    def visible(self, model: CubeModel) -> CubeModel:
        """Return the model without what is concealed: names of that are unknown there, and near to nothing."""
        dimensions = [
            replace(
                dimension, hierarchies=tuple(h for h in dimension.hierarchies if h.full_name not in self.hierarchies)
            )
            for dimension in model.dimensions
        ]
        measures = {name: measure for name, measure in model.measures.items() if name not in self.measures}
        return replace(
            model,
            dimensions=tuple(dimension for dimension in dimensions if dimension.hierarchies),
            measures=MappingProxyType(measures),
        )


@dataclass(frozen=True, slots=True)
class Concealment:
    """What is to be concealed, by the names that a configuration writes.

    Args:
        hierarchies: ``Hierarchy`` or ``Dimension.Hierarchy``.
        measures: by name.
        branches: by name.
        path: of the data cube in the configuration.
    """

    hierarchies: Sequence[str] = ()
    measures: Sequence[str] = ()
    branches: Sequence[str] = ()
    path: ConfigurationPath = ()

    def of(self, model: CubeModel) -> Concealed:
        """Return what the names mean in a cube.

        Raises:
            ModelError: one of them means nothing, or what must not be concealed.
        """
        reader = _ConcealmentReader(self, model)
        hierarchies = [reader.hierarchy(i, name) for i, name in enumerate(self.hierarchies)]
        measures = [reader.measure(i, name) for i, name in enumerate(self.measures)]
        branches = [reader.branch(i, name) for i, name in enumerate(self.branches)]
        if reader.problems:
            raise ModelError(reader.problems)
        return Concealed(frozenset(hierarchies), frozenset(measures), frozenset(branches))


class _ConcealmentReader:
    """Looks up names in a model and keeps what is wrong with them."""

    def __init__(self, concealment: Concealment, model: CubeModel) -> None:
        self.problems: list[ModelProblem] = []
        self._path = concealment.path
        self._model = model

    def hierarchy(self, position: int, name: str) -> str:
        place, found = ("concealed-hierarchies", position), self._model.find_hierarchies(name)
        if len(found) == 1:
            self._refuse_slicing(place, found[0])
            return found[0].full_name
        if found:
            choices = [each.full_name for each in found]
            text = f"hierarchy {name!r} is ambiguous: it may be {', '.join(choices)}."
            self._add(place, "AMBIGUOUS_HIERARCHY", text, choices, name)
        else:
            known = [spelling for each in self._model.hierarchies for spelling in (each.name, each.full_name)]
            text = f"cube {self._model.name!r} has no hierarchy {name!r}."
            self._add(place, "UNKNOWN_HIERARCHY", text, near_matches(name, known), name)
        return name

    def measure(self, position: int, name: str) -> str:
        if name not in self._model.measures:
            text = f"cube {self._model.name!r} has no measure {name!r}."
            near = near_matches(name, self._model.measures)
            self._add(("concealed-measures", position), "UNKNOWN_MEASURE", text, near, name)
        return name

    def branch(self, position: int, name: str) -> str:
        if name == MASTER:
            text = f"branch {MASTER!r} cannot be concealed: it answers for every branch that is not there."
            self._add(("concealed-branches", position), "CONCEALED_MASTER", text)
        return name

    def _refuse_slicing(self, place: tuple[str, int], hierarchy: Hierarchy) -> None:
        if hierarchy.slicing:
            text = (
                f"hierarchy {hierarchy.full_name} is slicing: a query cube that does not know it would add up what"
                " must never be added up."
            )
            self._add(place, "SLICING_HIERARCHY", text)

    def _add(self, place: tuple[str, int], code: str, text: str, near: Sequence[str] = (), word: str = "") -> None:
        self.problems.append(ModelProblem((*self._path, *place), code, text, tuple(near), word=word))
