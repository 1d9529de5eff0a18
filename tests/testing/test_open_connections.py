"""A test that leaves a connection open fails itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import open_connections

CONFTEST = """
from tests.open_connections import OpenConnections

def pytest_configure(config):
    config.pluginmanager.register(OpenConnections(config))
"""
TESTS = """
import asyncio

async def call(hang_up):
    async def listen(reader, writer):
        await reader.read()
        writer.close()

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    if hang_up:
        writer.close()
        await reader.read()
    server.close()
    await asyncio.sleep(0)
    return writer

def test_forgetful():
    kept.append(asyncio.run(call(False)))

def test_tidy():
    asyncio.run(call(True))

kept = []
"""


def test_it_is_named_where_it_was_left(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not where it is collected, which may be much later."""
    monkeypatch.setenv("PYTHONPATH", str(Path(open_connections.__file__).parents[1]))
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(TESTS)
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "-W", "ignore")
    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(["*ERROR at teardown of test_forgetful*", "open when its loop was closed: *"])
