"""The pytest plugin of the `test` starter: the fixture `golden` and the option `--rewrite`.

It is imported at the start of every pytest run of whoever installed it, so it imports nothing but
pytest; what a fixture needs, the fixture imports.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, cast

import pytest

if TYPE_CHECKING:
    from app_framework.testing.golden import GoldenFiles


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--rewrite`."""
    parser.getgroup("app-framework").addoption(
        "--rewrite",
        action="store_true",
        default=False,
        help="write golden files instead of comparing with them",
    )


def pytest_assertrepr_compare(op: str, left: object, right: object) -> list[str] | None:
    """Show where two answers differ."""
    # A test that compares answers has made one.
    results = sys.modules.get("app_framework.testing.results")
    return None if results is None else cast("list[str] | None", results.explain_comparison(op, left, right))


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> GoldenFiles:
    """Compare a text with the file `golden/<name>` beside the test: `golden("plan.sql", sql)`.

    `golden("plan.sql", sql, normalise=hide_port)` takes out first what differs from run to run.
    """
    from app_framework.testing.golden import GoldenFiles

    return GoldenFiles(request.path.parent / "golden", rewrite=bool(request.config.getoption("--rewrite")))
