"""What the whole suite shares: our own pytest plugin, hypothesis profiles, no excuses for a missing tool in CI."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator

import pytest
from hypothesis import HealthCheck, settings

from tests.open_connections import OpenConnections

PLUGIN = "app_framework.testing.pytest_plugin"

# The `test` starter's entry point brings our plugin; where that starter is not installed we do.
pytest_plugins = ["pytester"] if PLUGIN in sys.modules else ["pytester", PLUGIN]

# `make test` tries the same examples every time, `make soak` new ones by the thousand; no test is judged by its speed.
settings.register_profile("suite", deadline=None, derandomize=True)
settings.register_profile("soak", deadline=None, max_examples=5000, suppress_health_check=list(HealthCheck))
settings.load_profile("suite")

PROCESSES = {"acceptance", "benchmarks", "docs", "cli", "sample_app"}
"""Rooms whose tests start processes."""

TOOLS_MUST_BE_HERE = os.environ.get("CI", "").lower() in {"1", "true", "yes"}


def pytest_configure(config: pytest.Config) -> None:
    """Garbage is collected late, in whichever test runs by then; this finds connections where they are left."""
    config.pluginmanager.register(OpenConnections(config))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where two run at a time, those that start processes and browsers stay one after the other."""
    for item in items:
        if item.path.parent.name in PROCESSES or item.get_closest_marker("browser"):
            item.add_marker(pytest.mark.xdist_group("processes"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI, turn the skip of a test whose tool is missing into a failure."""
    report = yield
    fail_if_tool_is_missing(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The same for a module that is skipped as a whole."""
    report = yield
    fail_if_tool_is_missing(report)
    return report


def fail_if_tool_is_missing(report: pytest.TestReport | pytest.CollectReport) -> None:
    """A skip names a missing tool by a reason that starts with "needs "; elsewhere it stays a skip."""
    reason = str(report.longrepr[2]) if isinstance(report.longrepr, tuple) else ""
    if TOOLS_MUST_BE_HERE and report.skipped and reason.removeprefix("Skipped: ").startswith("needs "):
        report.outcome = "failed"
        report.longrepr = f"a tool of the suite is missing: {reason}"
