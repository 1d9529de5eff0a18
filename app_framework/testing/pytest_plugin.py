"""The pytest plugin of the `test` starter: the fixtures `golden` and `distribution`, and their options.

It is imported at the start of every pytest run of whoever installed it, so it imports nothing but
pytest; what a fixture needs, the fixture imports.
"""

from __future__ import annotations

import sys
from collections.abc import Generator
from typing import TYPE_CHECKING, cast

import pytest

if TYPE_CHECKING:
    from app_framework.database.spare import SpareEngines
    from app_framework.testing.distribution_helper import DistributionTestHelper
    from app_framework.testing.golden import GoldenFiles


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--rewrite` and `--distribution-seed`."""
    group = parser.getgroup("app-framework")
    group.addoption(
        "--rewrite",
        action="store_true",
        default=False,
        help="write golden files instead of comparing with them",
    )
    group.addoption(
        "--distribution-seed",
        type=int,
        default=0,
        metavar="N",
        help="what is left to chance in tests of distributed cubes; a failed test names its own",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Describe the marker `distribution`."""
    config.addinivalue_line(
        "markers", 'distribution("nats"): the fixture `distribution` starts real processes that talk over NATS'
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add seed and transcript to the report of a failed test that uses the fixture `distribution`."""
    report = yield
    if report.failed and report.when == "call":
        helper = getattr(item, "funcargs", {}).get("distribution")
        # A test may have a fixture of its own of that name.
        module = sys.modules.get("app_framework.testing.distribution_helper")
        if module is not None and isinstance(helper, module.DistributionTestHelper):
            report.sections.append(("distributed cubes", helper.report()))
    return report


def pytest_assertrepr_compare(op: str, left: object, right: object) -> list[str] | None:
    """Show where two answers differ."""
    # A test that compares answers has made one.
    results = sys.modules.get("app_framework.testing.results")
    return None if results is None else cast("list[str] | None", results.explain_comparison(op, left, right))


@pytest.fixture(scope="session")
def _spare_engines() -> Generator[SpareEngines]:
    """The databases of one test after the other are in the same few engines, which take long to begin."""
    from app_framework.database.spare import SpareEngines

    with SpareEngines() as engines:
        yield engines


@pytest.fixture
def distribution(request: pytest.FixtureRequest, _spare_engines: SpareEngines) -> Generator[DistributionTestHelper]:
    """Data nodes and query nodes in one thread and virtual time; `--distribution-seed` gives other chances.

    With the marker ``distribution("nats")`` they are real processes.
    """
    from app_framework.testing.distribution_helper import DistributionTestHelper

    marker = request.node.get_closest_marker("distribution")
    if marker is not None and "nats" in marker.args:
        from app_framework.testing.real_distribution import RealDistribution

        folder = request.getfixturevalue("tmp_path_factory").mktemp("nodes")
        with RealDistribution(folder) as helper:
            yield helper
        return
    seed = request.config.getoption("--distribution-seed")
    with DistributionTestHelper(seed=seed, engines=_spare_engines) as helper:
        yield helper


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> GoldenFiles:
    """Compare a text with the file `golden/<name>` beside the test: `golden("plan.sql", sql)`.

    `golden("plan.sql", sql, normalise=hide_port)` takes out first what differs from run to run.
    """
    from app_framework.testing.golden import GoldenFiles

    return GoldenFiles(request.path.parent / "golden", rewrite=bool(request.config.getoption("--rewrite")))
