"""`af doctor`: one line for each check, and what mends it."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Callable, Iterable
from importlib.metadata import Distribution
from pathlib import Path

import pytest

from app_framework import __version__
from app_framework.cli.checks import node, surroundings
from app_framework.cli.checks.finding import Finding, Level
from app_framework.cli.checks.installation import (
    duplicate_findings,
    framework_finding,
    python_finding,
    stale_findings,
    starter_findings,
)
from app_framework.cli.checks.libraries import library_findings
from app_framework.testing import GoldenFiles
from tests.cli.conftest import Af

ENTRY_POINTS = "[app_framework.auto_configuration]\nacme = acme.autoconfigure:AcmeAutoConfiguration\n"
PYPROJECT = """\
[project]
name = "acme-starter"
version = "1.1"

[project.entry-points."app_framework.auto_configuration"]
acme = "acme.autoconfigure:AcmeAutoConfiguration"
"""


def distribution(place: Path, name: str, version: str = "1.0", requires: Iterable[str] = ()) -> Distribution:
    """An installed distribution with nothing but metadata."""
    info = place / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True, exist_ok=True)
    lines = [
        "Metadata-Version: 2.4",
        f"Name: {name}",
        f"Version: {version}",
        *(f"Requires-Dist: {r}" for r in requires),
    ]
    (info / "METADATA").write_text("\n".join([*lines, ""]))
    return Distribution.at(info)


def only(findings: Iterable[Finding]) -> Finding:
    (found,) = findings
    return found


def test_the_doctor_has_a_line_for_each_check(af: Af, folder: Path, golden: GoldenFiles) -> None:
    (folder / "application.yml").write_text("server: {port: 0}\n")
    done = af("doctor")
    assert done.exit_code == 0, done.stdout
    golden("doctor.txt", done.stdout, normalise=without_this_machine)


def without_this_machine(text: str) -> str:
    """Leave subjects and sentences; versions, folders, sizes and times differ."""
    text = re.sub(r"(?m)^(ok +(python|libraries|disk|clock|time zone|app-framework|app\.data-dir) +).*", r"\1…", text)
    return "\n".join(line for line in text.splitlines() if not line.startswith("warn  disk"))


def test_a_wrong_configuration_is_a_failure_with_its_remedy(af: Af, folder: Path) -> None:
    (folder / "application.yml").write_text("server: {prot: 0}\n")
    done = af("doctor")
    assert done.exit_code == 1
    assert "fail  configuration   application.yml:1:10: unknown key 'prot'" in done.stdout
    assert "→ Write 'port' instead of 'prot'" in done.stdout


def test_a_port_in_use_names_its_owner(af: Af, folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = af("doctor", f"--server.port={taken.getsockname()[1]}")
    assert done.exit_code == 1
    assert "address already in use" in done.stdout
    assert "--server.port=0" in done.stdout


def test_an_old_python_is_refused() -> None:
    assert python_finding((3, 10)).level is Level.FAIL
    assert python_finding((3, 13)).level is Level.OK


def test_the_framework_that_runs_is_the_one_that_is_installed(tmp_path: Path) -> None:
    assert framework_finding([]).level is Level.WARN
    assert framework_finding([distribution(tmp_path, "app-framework", "0.0.9")]).level is Level.FAIL
    assert framework_finding([distribution(tmp_path, "app-framework", __version__)]).level is Level.OK


def test_entry_points_that_changed_after_an_editable_install_are_found(tmp_path: Path) -> None:
    """Metadata is a snapshot: a new auto-configuration is not seen until the starter is installed again."""
    source = tmp_path / "source"
    source.mkdir()
    (source / "pyproject.toml").write_text(PYPROJECT)
    starter = distribution(tmp_path / "site", "acme-starter")
    facts = {"url": source.as_uri(), "dir_info": {"editable": True}}
    (tmp_path / "site" / "acme_starter-1.0.dist-info" / "direct_url.json").write_text(json.dumps(facts))
    found = only(stale_findings([starter]))
    assert found.message.endswith("after it was installed: version 1.0 is now 1.1, auto-configuration acme")
    assert found.fix == f"Install it again: pip install --no-deps -e {source}"


def test_a_distribution_that_is_installed_twice_is_told(tmp_path: Path) -> None:
    """Python takes the first on its path; which one that is, is said."""
    twice = [distribution(tmp_path / place, "acme-starter", version) for place, version in (("a", "1"), ("b", "2"))]
    found = only(duplicate_findings(twice))
    assert found.message == f"installed 2 times: 1 in {tmp_path / 'a'} is used, not 2 in {tmp_path / 'b'}"


def test_fa8_a_starter_that_cannot_be_imported_is_named(tmp_path: Path) -> None:
    starter = distribution(tmp_path, "acme-starter")
    (tmp_path / "acme_starter-1.0.dist-info" / "entry_points.txt").write_text(ENTRY_POINTS)
    found = only(starter_findings([starter]))
    assert found.level is Level.FAIL
    assert found.message.startswith("acme-starter 1.0: its module 'acme.autoconfigure' cannot be imported")


@pytest.mark.parametrize(
    ("requirement", "message"),
    [
        ("no-such-library>=1", "no-such-library is not installed (needed by acme-starter)"),
        ("click>=900", "click {version} is installed, but >=900 is needed (needed by acme-starter)"),
        ('no-such-library; python_version < "3"', ""),
    ],
)
def test_a_library_that_is_missing_or_too_old_is_named(tmp_path: Path, requirement: str, message: str) -> None:
    found = list(library_findings([distribution(tmp_path, "acme-starter", requires=[requirement])]))
    expected = [message.format(version=Distribution.from_name("click").version)] if message else []
    assert [each.message for each in found] == expected


def test_an_extra_of_the_framework_is_followed(tmp_path: Path) -> None:
    """A starter needs `app-framework[nats]`, and that needs a library."""
    starter = distribution(tmp_path, "app-framework-starter-nats", requires=["app-framework[nats]>=0.1"])
    framework = distribution(
        tmp_path, "app-framework", requires=["click", 'no-such-library; extra == "nats"', 'other; extra == "web"']
    )
    found = [each.message for each in library_findings([framework, starter])]
    assert found[0] == "no-such-library is not installed (needed by app-framework-starter-nats)"
    assert found[1].startswith("click ")


def test_a_data_folder_must_be_a_folder_with_room(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert node.writable_finding(tmp_path / "file").level is Level.FAIL
    assert node.writable_finding(tmp_path / "new" / "deep").level is Level.OK
    assert [node.disk_finding(tmp_path, size * node.GIB // 20).level for size in (1, 10, 100)] == [
        Level.FAIL, Level.WARN, Level.OK,
    ]  # fmt: skip


def test_a_clock_before_our_own_files_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert surroundings.clock_finding(0.0, tmp_path / "file").level is Level.FAIL
    assert surroundings.clock_finding(2e10, tmp_path / "file").level is Level.OK


def test_an_unknown_time_zone_is_told() -> None:
    assert surroundings.time_zone_finding("Europe/Pariss").level is Level.WARN
    assert surroundings.time_zone_finding("").level is Level.OK


def test_without_a_starter_the_doctor_says_how_to_get_one(af: Af, installed: Callable[..., Path]) -> None:
    installed()
    assert "pip install app-framework-starter-server" in af("doctor").stdout
