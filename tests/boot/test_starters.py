"""Starters are found by entry point; a broken one is loud (FA8)."""

from __future__ import annotations

import importlib.metadata
import sys
from pathlib import Path

import pytest

from app_framework.boot import StarterError, auto_configuration
from app_framework.boot.analyzers import starter_failure
from app_framework.boot.ordering import AutoConfigurationCycleError, order_auto_configurations
from app_framework.boot.starters import Installed, auto_configuration_of, discover_starters
from app_framework.testing import ContextRunner, GoldenFiles


class Site:
    """A folder of installed distributions, as pip would lay it out."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def install(self, name: str, *points: str, version: str = "1.0", requires: str = "") -> None:
        """Install a distribution that announces auto-configurations."""
        folder = self.root / f"{name.replace('-', '_')}-{version}.dist-info"
        folder.mkdir(parents=True)
        requirement = f"Requires-Dist: {requires}\n" if requires else ""
        folder.joinpath("METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nSummary: The {name}\n{requirement}\n"
        )
        lines = "\n".join(points)
        folder.joinpath("entry_points.txt").write_text(f"[app_framework.auto_configuration]\n{lines}\n")

    def module(self, name: str, text: str) -> None:
        """Install a module."""
        self.root.joinpath(f"{name}.py").write_text(text)

    def discover(self) -> Installed:
        """Return what the framework finds there."""
        return discover_starters(importlib.metadata.distributions(path=[str(self.root)]))


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """Return an empty folder of distributions that can be imported from."""
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("acme_starter", "broken_starter", "zeta_starter"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return Site(tmp_path)


ACME = """
from app_framework import auto_configuration

@auto_configuration()
class AcmeAutoConfiguration:
    "The starter of Acme."
"""


def test_a_starter_is_found_by_its_entry_point(site: Site) -> None:
    """Installing it is all there is to do."""
    site.module("acme_starter", ACME)
    site.install("acme-app-framework-starter", "acme = acme_starter:AcmeAutoConfiguration")
    found = site.discover()
    assert [starter.distribution for starter in found.starters] == ["acme-app-framework-starter"]
    assert [auto.id for auto in found.auto_configurations] == ["acme"]


def test_a_class_that_two_distributions_announce_counts_once(site: Site) -> None:
    """A starter for everything may announce what smaller starters announce too."""
    site.module("acme_starter", ACME)
    for name in ("acme-app-framework-starter", "acme-app-framework-starter-all"):
        site.install(name, "acme = acme_starter:AcmeAutoConfiguration")
    (auto,) = site.discover().auto_configurations
    assert auto.distributions == ("acme-app-framework-starter", "acme-app-framework-starter-all")


def test_fa8_every_broken_starter_is_named_with_the_fix(site: Site, golden: GoldenFiles) -> None:
    """A module that fails to import, one for another framework version, two with one id, one that is no starter."""
    site.module("acme_starter", ACME)
    site.module("broken_starter", "import no_such_library")
    site.module("zeta_starter", "class ZetaAutoConfiguration: ...")
    site.install("acme-app-framework-starter", "acme = acme_starter:AcmeAutoConfiguration")
    site.install("broken-app-framework-starter", "broken = broken_starter:BrokenAutoConfiguration", version="2.1")
    site.install("other-app-framework-starter", "acme = other_starter:AcmeAutoConfiguration")
    site.install("zeta-app-framework-starter", "zeta = zeta_starter:ZetaAutoConfiguration")
    site.install("tomorrow-starter", "acme = acme_starter:AcmeAutoConfiguration", requires="app-framework[web]>=7,<8")
    with pytest.raises(StarterError) as raised:
        site.discover()
    analysis = starter_failure(raised.value)
    golden("fa8_starters.txt", analysis.to_text())


@auto_configuration(after=["beta", "not-installed"])
class AlphaAutoConfiguration:
    """Wants to come after beta."""


@auto_configuration()
class BetaAutoConfiguration:
    """Has no wish."""


@auto_configuration(before=["alpha"], order=10)
class GammaAutoConfiguration:
    """Wants to come before alpha, late otherwise."""


@auto_configuration(order=-1)
class OmegaAutoConfiguration:
    """Comes early by its number."""


def ids(*classes: type) -> list[str]:
    """Return the ids in the order of decision."""
    return [auto.id for auto in order_auto_configurations(auto_configuration_of(each) for each in classes)]


def test_auto_configurations_come_by_id_then_order_then_before_and_after() -> None:
    """Ids that are not installed do not count."""
    assert ids(BetaAutoConfiguration, OmegaAutoConfiguration) == ["omega", "beta"]
    assert ids(AlphaAutoConfiguration, BetaAutoConfiguration, GammaAutoConfiguration) == ["beta", "gamma", "alpha"]


def test_wishes_that_contradict_each_other_are_drawn() -> None:
    """The cycle is shown with its ids."""

    @auto_configuration(before=["beta"])
    class DeltaAutoConfiguration:
        """Wants to come before beta."""

    @auto_configuration(before=["delta"])
    class BetaAutoConfiguration:
        """Wants to come before delta."""

    with pytest.raises(AutoConfigurationCycleError, match="beta -> delta -> beta"):
        ids(DeltaAutoConfiguration, BetaAutoConfiguration)


def test_an_auto_configuration_can_be_excluded_by_its_id() -> None:
    """`app.autoconfigure.exclude` leaves it out, and the report says so."""
    runner = ContextRunner(auto=[BetaAutoConfiguration]).yaml("app: {autoconfigure: {exclude: [beta]}}")
    assert runner.prepare().conditions.exclusions == ("beta",)


def test_an_exclusion_of_something_that_is_not_there_is_refused() -> None:
    """With the place and the right spelling."""
    failure = ContextRunner(auto=[BetaAutoConfiguration]).yaml("app: {autoconfigure: {exclude: [betta]}}").fails()
    assert "<inline>:1:" in failure.description
    assert "Did you mean: beta" in failure.description
