"""The web starter is there when it can work, steps back for the user's own, and costs nothing while it is off."""

from __future__ import annotations

import subprocess
import sys

import pytest

from app_framework.boot import ApplicationContext, Events, bean
from app_framework.testing import ContextRunner
from app_framework.web import WebApp, WebServer

HEAVY = ("duckdb", "fastapi", "jinja2", "orjson", "pyarrow", "starlette", "uvicorn")


def test_a_node_without_its_libraries_runs_without_web(web: ContextRunner) -> None:
    """Off with a reason, and nothing fails."""
    with web.without_modules("fastapi").run() as context:
        assert not context.all(WebApp)
        assert "on_module(fastapi) did not find the module" in context.conditions["web"].reason


def test_the_auto_configuration_is_light_to_import() -> None:
    """Whoever reads all starters must not pay for those that are off."""
    code = f"import sys, app_framework.web.autoconfigure; print([name for name in {HEAVY} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_fa4_the_users_own_server_replaces_ours(listening: ContextRunner) -> None:
    """The conditions report says so, and where it was defined."""

    @bean
    def my_server(events: Events, context: ApplicationContext) -> WebServer:
        return WebServer(lambda: context[WebApp].api, events, port=0, keep_alive_s=1)

    with listening.sources(my_server).run() as context:
        assert len(context.all(WebServer)) == 1
        reason = context.conditions["web.web_server"].reason
        assert "my_server" in reason
        assert "test_autoconfigure.py:" in reason


def test_a_public_address_is_not_used_without_security(
    listening: ContextRunner, caplog: pytest.LogCaptureFixture
) -> None:
    """The node starts on loopback and says in one line where the address was written."""
    with listening.yaml("server:\n  address: 0.0.0.0\n").run() as context:
        assert context.addresses["http"].startswith("http://127.0.0.1:")
    told = [record.getMessage() for record in caplog.records if "server.address" in record.getMessage()]
    assert len(told) == 1
    assert "(<inline>:2:12)" in told[0]


@pytest.mark.parametrize(
    ("setting", "value"),
    [("port", 70000), ("max-body-size", "many"), ("request-timeout", "soon"), ("shutdown", "maybe"), ("prot", 1)],
)
def test_fa2_wrong_settings_are_refused_with_their_place(web: ContextRunner, setting: str, value: object) -> None:
    """A mistake in the section `server` never half-starts a node."""
    failure = web.yaml(f"server:\n  {setting}: {value}\n").fails()
    assert "<inline>:2:" in failure.description
