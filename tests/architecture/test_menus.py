"""Each room's `__init__.py` is its menu: sorted, importable, and every name on it explained."""

from __future__ import annotations

import importlib
import inspect
import re
from types import ModuleType

import pytest

from tests.architecture.source_tree import PACKAGE, modules

CODE = re.compile(r"    \S|>>> |@\w|[\w, ]+ = |(from|import|(async )?(def|with)|class) \S.*[:\w]$")

MENUS = [
    module.name
    for module in modules()
    if module.path.name == "__init__.py"
    and module.name.count(".") <= 1
    and "__all__" in module.path.read_text(encoding="utf-8")
]


@pytest.fixture(params=MENUS)
def menu(request: pytest.FixtureRequest) -> ModuleType:
    return importlib.import_module(request.param)


def test_a_menu_explains_its_room_with_an_example(menu: ModuleType) -> None:
    """The docstring is what `help()` shows first: what the room is for, and a few lines that use it."""
    lines = (menu.__doc__ or "").splitlines()[1:]
    assert any(CODE.match(line) for line in lines), f"{menu.__name__}: no docstring with an example"


def test_a_menu_is_sorted_and_names_nothing_twice(menu: ModuleType) -> None:
    assert list(menu.__all__) == sorted(set(menu.__all__))


def test_every_name_on_a_menu_can_be_imported_and_is_explained(menu: ModuleType) -> None:
    """Classes and functions have a docstring of their own; a dataclass's generated one does not count."""
    assert [name for name in menu.__all__ if not is_explained(getattr(menu, name))] == []


def test_every_room_has_a_menu() -> None:
    """A room that others may import says what they may use."""
    rooms = {module.room for module in modules() if module.local_name.count(".") and not module.is_edge}
    quiet = {"cli"}
    assert {f"{PACKAGE}.{room}" for room in rooms - quiet} <= set(MENUS)


def is_explained(value: object) -> bool:
    if not (inspect.isclass(value) or inspect.isroutine(value)):
        return True  # an alias or a constant is explained where it stands
    if getattr(value, "__module__", "").partition(".")[0] != PACKAGE:
        return True  # re-exported from a library, with that library's own words
    text = value.__doc__ or ""
    return bool(text.strip()) and not text.startswith(f"{value.__name__}(")
