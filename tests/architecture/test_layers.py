"""Imports climb one way, and the page that shows the layers is true."""

from __future__ import annotations

import pytest

from app_framework.testing.golden import GoldenFiles
from tests.architecture import layers
from tests.architecture.source_tree import ROOT, rooms


def test_every_room_has_its_place_in_the_layers() -> None:
    """A new room is given a layer and a row before it is written."""
    placed = {room for layer in layers.LAYERS for room in layer}
    assert set(rooms()) - {"__main__"} <= placed
    assert placed == set(layers.MAY_IMPORT)


def test_the_table_itself_climbs_one_way() -> None:
    """What a room may import lies in a lower layer, so no permission can close a circle."""
    height = {room: number for number, layer in enumerate(layers.LAYERS) for room in layer}
    assert [
        f"{room} may not import {target}"
        for room, targets in layers.MAY_IMPORT.items()
        for target in targets
        if height[target] >= height[room]
    ] == []


def test_no_import_goes_up_or_sideways() -> None:
    """Also inside functions and for type checkers: a room does not know what is above it."""
    assert list(layers.wrong_imports()) == []


def test_no_modules_import_each_other() -> None:
    assert layers.cycles() == []


def test_every_library_is_imported_at_its_home_only() -> None:
    """So one room changes when a library does, and a library that is missing switches off one room."""
    assert list(layers.homeless_libraries()) == []


def test_the_drawing_of_the_layers_is_current(request: pytest.FixtureRequest) -> None:
    """`docs/internals/layers.md` is made from the imports; `--rewrite` makes it again."""
    pages = GoldenFiles(ROOT / "docs" / "internals", rewrite=bool(request.config.getoption("--rewrite")))
    pages("layers.md", layers.drawing())
