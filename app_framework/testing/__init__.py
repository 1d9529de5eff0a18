"""What our own tests and a user's tests are written with.

def test_the_starter_backs_off():
    with ContextRunner(auto=[GreetingAutoConfiguration]).sources(MyGreeter).run() as context:
        assert isinstance(context[Greeter], MyGreeter)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app_framework.testing.client import AsyncClient, Client
    from app_framework.testing.golden import GoldenFiles, GoldenMismatchError
    from app_framework.testing.runner import ContextRunner

_HOME_OF = {
    "AsyncClient": "client",
    "Client": "client",
    "ContextRunner": "runner",
    "GoldenFiles": "golden",
    "GoldenMismatchError": "golden",
}

__all__ = ["AsyncClient", "Client", "ContextRunner", "GoldenFiles", "GoldenMismatchError"]


def __getattr__(name: str) -> object:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(importlib.import_module(f".{home}", __name__), name)
    globals()[name] = value
    return value
