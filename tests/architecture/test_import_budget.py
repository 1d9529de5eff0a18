"""What importing a room may load. A command, a starter that is off and a REPL pay for what they use only."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import pytest

from tests.architecture.source_tree import PACKAGE, ROOT, modules

ENGINES = {"duckdb", "pyarrow", "numpy", "pandas"}
SERVERS = {"fastapi", "starlette", "uvicorn", "orjson", "jinja2", "prometheus_client"}
CLIENTS = {"httpx", "nats", "prompt_toolkit", "pytest", "hypothesis"}
COMMANDS = {"click"}
WIRING = {"pydantic", "yaml", "dependency_injector"}

MAY_NOT_LOAD: dict[str, set[str]] = {
    "": ENGINES | SERVERS | CLIENTS | COMMANDS | WIRING,
    "errors": ENGINES | SERVERS | CLIENTS | COMMANDS | WIRING,
    "cli": ENGINES | SERVERS | CLIENTS | WIRING,
    "boot": ENGINES | SERVERS | CLIENTS | COMMANDS,
    "security": ENGINES | SERVERS | CLIENTS | COMMANDS,
    "messaging": ENGINES | SERVERS | CLIENTS | COMMANDS | WIRING,
    "database": ENGINES | SERVERS | CLIENTS | COMMANDS | WIRING,
    "cluster": ENGINES | SERVERS | CLIENTS | COMMANDS | WIRING,
    "olap": ENGINES | SERVERS | CLIENTS | COMMANDS | WIRING,
    "distribution": ENGINES | SERVERS | CLIENTS | COMMANDS | WIRING,
    "feeds": ENGINES | SERVERS | CLIENTS | COMMANDS | WIRING,
    "client": ENGINES | SERVERS | (CLIENTS - {"httpx"}) | WIRING,  # httpx brings click
    "web": ENGINES | CLIENTS | COMMANDS,
    "testing": ENGINES | SERVERS | CLIENTS | COMMANDS,
    "testing.pytest_plugin": ENGINES | SERVERS | COMMANDS | WIRING | (CLIENTS - {"pytest"}),
}
"""By module, below the package; a room that is not named here may load what its menu needs."""

A_START_MAY_NOT_LOAD = {
    *CLIENTS,
    *("jinja2", "numpy", "pandas", "perspective", "prometheus_client", "pyarrow"),
    *(
        f"{PACKAGE}.olap.{name}"
        for name in (
            *("arrow", "batch", "cellset", "cellstream", "deletion", "discovery", "drillthrough", "joining", "plan"),
            *("rowplan", "rowset", "sql", "stages", "where", "windows"),
        )
    ),
    *(f"{PACKAGE}.web.{name}" for name in ("openapi", "pages", "pivot.page", "pivot.socket", "row_formats")),
    *(f"{PACKAGE}.web.routes.{name}" for name in ("cluster", "cubes", "database", "docs")),
}
"""What the first question, commit or page needs: the first one waits for it, and no start (FA10)."""

A_START_LOADS_AT_MOST = 245
"""So many modules of ours; each costs a start about a quarter of a millisecond, and its dataclasses as much again."""

EDGE_FILES_MAY_NOT_LOAD = ENGINES | SERVERS | CLIENTS | COMMANDS
"""Every `autoconfigure.py` and `properties.py` is imported in every node, also where its room is off."""

BUDGETS = {
    **{f"{PACKAGE}.{name}".rstrip("."): forbidden for name, forbidden in MAY_NOT_LOAD.items()},
    **{
        module.name: EDGE_FILES_MAY_NOT_LOAD
        for module in modules()
        if module.name.endswith((".autoconfigure", ".properties"))
    },
}
WRITTEN = sorted(BUDGETS.keys() & {module.name for module in modules()})


@pytest.mark.parametrize("name", WRITTEN)
def test_importing_it_stays_within_its_budget(name: str) -> None:
    """In a process of its own, so that nothing else has loaded the library before."""
    assert sorted(loaded_by(name) & BUDGETS[name]) == []


def test_every_library_of_a_budget_is_installed() -> None:
    """A misspelt library would never be loaded, and its budget never broken."""
    optional = {"numpy", "pandas"}
    libraries = set().union(*BUDGETS.values()) - optional
    assert {library for library in libraries if importlib.util.find_spec(library) is None} == set()


def test_a_start_loads_nothing_that_only_a_question_needs() -> None:
    """The sample with every starter, until its server listens."""
    loaded = loaded_by_a_start()
    assert sorted(loaded & A_START_MAY_NOT_LOAD) == []
    assert {f"{PACKAGE}.olap.cube", f"{PACKAGE}.web.server"} <= loaded
    assert len([name for name in loaded if name.startswith(PACKAGE)]) <= A_START_LOADS_AT_MOST


def test_every_module_of_the_budget_of_a_start_is_there() -> None:
    """A module that was renamed would never be loaded."""
    ours = {name for name in A_START_MAY_NOT_LOAD if name.startswith(PACKAGE)}
    assert ours <= {module.name for module in modules()}


START = """
import asyncio, sys
from sample_app.main import app

async def start():
    async with app.context(properties={"server.port": 0}):
        print(*sys.modules)

asyncio.run(start())
"""


def loaded_by_a_start() -> set[str]:
    return run(START)


def loaded_by(name: str) -> set[str]:
    return run(f"import sys, {name}; print(*{{m.partition('.')[0] for m in sys.modules}})")


def run(script: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())
