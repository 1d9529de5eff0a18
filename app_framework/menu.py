"""Menus of rooms, whose modules are loaded when one of their names is first asked for (PEP 562).

In the `__init__.py` of a room:

__getattr__, __dir__ = open_menu(__name__, {"Cube": "cube"})
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping


def open_menu(room: str, homes: Mapping[str, str]) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """Return what a room answers with when a name is asked for that is not loaded yet, and which names there are.

    Args:
        room: the package.
        homes: each name with the module of the room that it lives in; one more dot is the package above.

    >>> ask, names = open_menu("app_framework.olap", {"Cube": "cube"})
    >>> ask("Cube"), names()
    (<class 'app_framework.olap.cube.Cube'>, ['Cube'])
    """

    def ask(name: str) -> object:
        home = homes.get(name)
        if home is None:
            raise AttributeError(f"module {room!r} has no attribute {name!r}")
        value: object = getattr(importlib.import_module(f".{home}", room), name)
        setattr(sys.modules[room], name, value)
        return value

    return ask, lambda: sorted(homes)
