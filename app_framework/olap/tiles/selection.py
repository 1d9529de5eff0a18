"""What the conditions of a question keep of a tile."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from app_framework.olap.condition import AnyPath, Condition, Predicate, Slice
from app_framework.olap.tiles.axis import Codes
from app_framework.olap.tiles.parts import NotHereError

if TYPE_CHECKING:
    from app_framework.olap.tiles.tile import Tile


PATHS_MAX = 1_000
"""Each path is looked up on its own."""


class Selection:
    """The members that are kept, axis by axis; and, where paths of several levels are asked for, the combinations.

    Raises:
        KeyError: a condition is about a level that is no axis.
        NotHereError: there are too many paths.
    """

    def __init__(self, tile: Tile, conditions: Sequence[Condition]) -> None:
        self._tile = tile
        self._kept: dict[int, set[int]] = {}
        self._masks: list[Any] = []
        for condition in conditions:
            self._add(condition)
        self._codes: dict[int, Codes] = {
            axis: np.array(sorted(codes), dtype=np.intp) for axis, codes in self._kept.items()
        }

    def codes(self, axis: int) -> Codes | None:
        """Return the codes that are kept of an axis, None for all."""
        return self._codes.get(axis)

    def of(self, array: Any, neutral: Any) -> Any:
        """Return what is kept of an array: a part of it along its axes, `neutral` at combinations that are not."""
        for mask in self._masks:
            array = np.where(mask, array, neutral)
        basic = [slice(None)] * array.ndim
        listed = []
        for axis, codes in self._codes.items():
            if len(codes) and codes[-1] - codes[0] + 1 == len(codes):
                basic[axis] = slice(int(codes[0]), int(codes[-1]) + 1)
            else:
                listed.append((axis, codes))
        array = array[tuple(basic)]
        for axis, codes in listed:
            array = np.take(array, codes, axis)
        return array

    def _add(self, condition: Condition) -> None:
        if isinstance(condition, Slice):
            condition = condition.default
        if isinstance(condition, AnyPath):
            self._add_paths(condition)
            return
        axis = self._tile.places[condition.level.full_name]
        if isinstance(condition, Predicate) and condition.level != self._tile.axes[axis].level:
            raise KeyError(condition.level.full_name)
        self._keep(axis, self._tile.axes[axis].kept(condition))

    def _add_paths(self, condition: AnyPath) -> None:
        if len(condition.paths) > PATHS_MAX:
            raise NotHereError
        depth = max((len(path) for path in condition.paths), default=1)
        axes = [self._tile.places[level.full_name] for level in condition.levels[:depth]]
        coded = []
        for path in condition.paths:
            steps = zip(axes, path, strict=False)
            codes = [code for axis, member in steps if (code := self._tile.axes[axis].code_of.get(member)) is not None]
            if len(codes) == len(path):
                coded.append(codes)
        if depth == 1 or len(coded) <= 1:
            for i, axis in enumerate(axes[: len(coded[0])] if len(coded) == 1 else axes[:1]):
                self._keep(axis, [codes[i] for codes in coded])
            return
        self._masks.append(self._mask(axes, coded))

    def _mask(self, axes: Sequence[int], paths: Sequence[Sequence[int]]) -> Any:
        """Return the combinations under any of several paths, along the axes of the tile."""
        mask = np.zeros([len(self._tile.axes[axis]) for axis in axes], dtype=np.bool_)
        for path in paths:
            mask[tuple(path)] = True
        order = np.argsort(axes)
        shape = [len(axis) if i in axes else 1 for i, axis in enumerate(self._tile.axes)]
        return mask.transpose(order).reshape(shape)

    def _keep(self, axis: int, codes: Sequence[int]) -> None:
        self._kept[axis] = self._kept[axis].intersection(codes) if axis in self._kept else set(codes)
