"""What our own tests and a user's tests are written with.

def test_the_starter_backs_off():
    with ContextRunner(auto=[GreetingAutoConfiguration]).sources(MyGreeter).run() as context:
        assert isinstance(context[Greeter], MyGreeter)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app_framework.menu import open_menu

if TYPE_CHECKING:
    from app_framework.testing.asking import RowsResult
    from app_framework.testing.client import AsyncClient, Client
    from app_framework.testing.cube_tester import CubeTester
    from app_framework.testing.golden import GoldenFiles, GoldenMismatchError
    from app_framework.testing.results import CubeResult, ResultMismatchError
    from app_framework.testing.runner import ContextRunner

_HOME_OF = {
    "AsyncClient": "client",
    "Client": "client",
    "ContextRunner": "runner",
    "CubeResult": "results",
    "CubeTester": "cube_tester",
    "GoldenFiles": "golden",
    "GoldenMismatchError": "golden",
    "ResultMismatchError": "results",
    "RowsResult": "asking",
}

__all__ = [
    "AsyncClient",
    "Client",
    "ContextRunner",
    "CubeResult",
    "CubeTester",
    "GoldenFiles",
    "GoldenMismatchError",
    "ResultMismatchError",
    "RowsResult",
]

__getattr__, __dir__ = open_menu(__name__, _HOME_OF)
