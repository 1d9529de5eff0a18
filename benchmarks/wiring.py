"""How long it takes to plan, check and create a graph of components."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import Iterator, Sequence
from types import ModuleType

from app_framework.testing import ContextRunner
from benchmarks.comparison import Case

COMPONENTS = 200
LAYER = 20
"""Components of one layer need two of the layer before."""


@contextlib.contextmanager
def many_components(count: int = COMPONENTS) -> Iterator[Sequence[Case]]:
    """New classes each time, because what is read from a class is read once."""
    yield [
        Case(
            "wiring",
            f"Wiring of {count} components: plan, check, create, start",
            lambda: _ours_ms(count),
            {"a context without any of them": lambda: _ours_ms(0)},
        )
    ]


def _ours_ms(count: int) -> float:
    module = _components(count)
    try:
        return asyncio.run(_start_ms(module))
    finally:
        del sys.modules[module.__name__]


async def _start_ms(module: ModuleType) -> float:
    started = time.perf_counter()
    async with ContextRunner(sources=[module]).start():
        return (time.perf_counter() - started) * 1000


def _components(count: int) -> ModuleType:
    """Return a module with so many component classes in layers."""
    module = sys.modules["benchmarks_components"] = ModuleType("benchmarks_components")
    source = "from app_framework import component\n" + "".join(_component(number) for number in range(count))
    exec(compile(source, __file__, "exec"), module.__dict__)
    return module


def _component(number: int) -> str:
    below = number - LAYER
    needs = [f"C{below}", f"C{below - below % LAYER + (below + 7) % LAYER}"] if below >= 0 else []
    needed = "".join(f", a{position}: {name}" for position, name in enumerate(dict.fromkeys(needs)))
    return f"@component\nclass C{number}:\n    def __init__(self{needed}): pass\n"
