"""Which source wins, in the stated order from low to high (FA5)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app_framework.boot.config.property_source import ConfigValue, from_python, merged
from app_framework.boot.origin import Origin
from tests.boot.config.conftest import ConfigFolder

LADDER = [
    "defaults of a starter",
    "packaged/application.yml",
    "packaged/application-dev.yml",
    "application.yml",
    "application.yml, second document",
    "imported.yml",
    "application-dev.yml",
    "config/application.yml",
    "config/application-dev.yml",
    "config/a/application.yml",
    "config/b/application.yml",
    "environment",
    "APP_APPLICATION_JSON",
    "command line",
    "test properties",
]


def build(folder: ConfigFolder, rungs: set[str]) -> dict[str, Any]:
    """Write every source whose rung is wanted; each sets ``server.host`` to its own name."""

    def host(rung: str) -> str:
        return f'server: {{host: "{rung}"}}\n' if rung in rungs else ""

    names = [rung for rung in LADDER if rung.endswith(".yml") and rung not in ("application.yml", "imported.yml")]
    for name in names:
        folder.write(name, host(name))
    second = "application.yml, second document"
    folder.write("application.yml", f"{host('application.yml')}---\napp.config.import: imported.yml\n{host(second)}")
    folder.write("imported.yml", host("imported.yml"))
    environ = {"APP_SERVER_HOST": "environment"} if "environment" in rungs else {}
    if "APP_APPLICATION_JSON" in rungs:
        environ["APP_APPLICATION_JSON"] = json.dumps({"server": {"host": "APP_APPLICATION_JSON"}})
    return {
        "defaults": [("s", {"server": {"host": LADDER[0]}})] if LADDER[0] in rungs else [],
        "packaged": folder.path / "packaged",
        "profiles": ["dev"],
        "environ": environ,
        "arguments": ["--server.host=command line"] if "command line" in rungs else [],
        "properties": {"server.host": "test properties"} if "test properties" in rungs else {},
    }


@pytest.mark.parametrize("top", range(len(LADDER)))
def test_the_ladder(folder: ConfigFolder, top: int) -> None:
    """With everything up to a rung present, that rung wins, and `explain` shows the ladder."""
    rungs = LADDER[: top + 1]
    environment = folder.load(**build(folder, set(rungs)))
    assert environment.problems == ()
    assert environment.get("server.host") == rungs[-1]
    shown = [setting.value for setting in environment.explain("server.host")]
    assert shown == [*reversed(rungs), "127.0.0.1"]


def test_a_value_below_is_kept_where_nothing_above_sets_it(folder: ConfigFolder) -> None:
    """Sections merge key by key."""
    folder.write("application.yml", "server: {port: 1, host: a}")
    folder.write("config/application.yml", "server: {port: 2}")
    environment = folder.load()
    assert environment.get("server") == {"port": 2, "host": "a"}


def test_lists_replace_each_other_entirely(folder: ConfigFolder) -> None:
    """No item of a lower list shines through."""
    folder.write("application.yml", "nats: {servers: [a, b, c]}\n---\nnats: {servers: [d]}\n")
    assert folder.load().get("nats.servers") == ["d"]


def test_a_configured_location_replaces_the_standard_ones(folder: ConfigFolder) -> None:
    """The packaged file stays the lowest."""
    folder.write("packaged/application.yml", "server: {port: 1, host: packaged}")
    folder.write("application.yml", "server: {port: 2, shutdown: immediate}")
    folder.write("other/application.yml", "server: {port: 3}")
    environment = folder.load(packaged=folder.path / "packaged", config=Path("other"))
    assert environment.get("server") == {"port": 3, "host": "packaged"}


def test_a_single_file_brings_its_profile_variants(folder: ConfigFolder) -> None:
    """``--config my.yml --profile dev`` also reads ``my-dev.yml``."""
    folder.write("my.yml", "server: {port: 1, host: a}")
    folder.write("my-dev.yml", "server: {port: 2}")
    environment = folder.load(config=Path("my.yml"), profiles=["dev"])
    assert environment.get("server") == {"port": 2, "host": "a"}


def test_an_additional_location_wins_over_the_others(folder: ConfigFolder) -> None:
    """It comes on top of the standard places."""
    folder.write("config/application.yml", "server: {port: 1, host: a}")
    folder.write("more/extra.yml", "server: {port: 2}")
    environment = folder.load(arguments=["--app.config.additional-location=more/extra.yml"])
    assert environment.get("server") == {"port": 2, "host": "a"}


@pytest.mark.parametrize("variable", ["APP_CONFIG_LOCATION", "APP_APP_CONFIG_LOCATION"])
def test_the_location_may_come_from_the_environment(folder: ConfigFolder, variable: str) -> None:
    """It is needed before any file is read."""
    folder.write("application.yml", "server: {port: 1}")
    folder.write("a.yml", "server: {port: 2, host: a}")
    folder.write("b.yml", "server: {port: 3}")
    environment = folder.load(environ={variable: "a.yml,optional:c.yml,b.yml"})
    assert environment.get("server") == {"port": 3, "host": "a"}


def test_a_missing_location_that_was_asked_for_is_a_problem(folder: ConfigFolder) -> None:
    """It names who asked, what is missing, and what is near."""
    folder.write("application.yml", "")
    (problem,) = folder.problems(config=Path("aplication.yml"))
    assert problem.startswith(
        f"--config: '{folder.path / 'aplication.yml'}' cannot be read: there is no aplication.yml"
    )
    assert problem.endswith(". Did you mean: application.yml")


def test_a_missing_file_is_a_problem_although_its_variant_exists(folder: ConfigFolder) -> None:
    """``my-dev.yml`` does not stand in for ``my.yml``."""
    folder.write("my-dev.yml", "")
    assert len(folder.problems(config=Path("my.yml"), profiles=["dev"])) == 1


def test_a_folder_without_configuration_is_a_problem_when_asked_for(folder: ConfigFolder) -> None:
    """An existing but empty folder is as wrong as a missing one."""
    (folder.path / "etc").mkdir()
    (problem,) = folder.problems(arguments=["--app.config.location=etc"])
    assert problem.startswith("command line: ")
    assert "no application.yml in etc" in problem


def test_a_location_in_a_file_is_told_to_have_no_effect(folder: ConfigFolder) -> None:
    """By then the files are being read."""
    folder.write("application.yml", "app: {config: {location: other.yml}}")
    (problem,) = folder.problems()
    assert problem.startswith("application.yml:1:16: app.config.location has no effect in a file")


def test_the_same_file_is_read_once(folder: ConfigFolder) -> None:
    """A packaged folder that is also the working folder counts once."""
    folder.write("application.yml", "server: {port: 1}")
    environment = folder.load(packaged=folder.path)
    assert [source.name for source in environment.sources] == ["environment", "application.yml"]


def test_files_that_are_not_text_are_problems(folder: ConfigFolder) -> None:
    """No traceback for a binary file."""
    (folder.path / "application.yml").write_bytes(b"\xff\xfe\x00")
    assert folder.problems() == ["application.yml: the file is not UTF-8 text"]


def test_a_byte_order_mark_is_no_problem(folder: ConfigFolder) -> None:
    """Some editors write one."""
    (folder.path / "application.yml").write_bytes(b"\xef\xbb\xbfserver: {port: 1}\n")
    assert folder.load().get("server.port") == 1


trees = st.recursive(
    st.integers() | st.lists(st.integers(), max_size=2),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=12,
)
maps = st.dictionaries(st.sampled_from("abc"), trees, max_size=3)


def tree(values: Mapping[str, object]) -> ConfigValue:
    return from_python(values, Origin("test"))


@given(maps, maps, maps)
def test_merging_is_associative_where_kinds_agree(a: dict[str, Any], b: dict[str, Any], c: dict[str, Any]) -> None:
    """The order of sources decides, not how they are grouped: what a scalar hid stays hidden only from below."""
    left = merged(merged(tree(a), tree(b)), tree(c)).plain()
    right = merged(tree(a), merged(tree(b), tree(c))).plain()
    if not _kinds_differ(a, b, c):
        assert left == right


@given(maps)
def test_merging_with_itself_or_nothing_changes_nothing(a: dict[str, Any]) -> None:
    """Idempotent, with the empty map as neutral element."""
    assert merged(tree(a), tree(a)).plain() == merged(tree({}), tree(a)).plain() == merged(tree(a), tree({})).plain()


@given(maps, maps)
def test_the_higher_source_always_wins(low: dict[str, Any], high: dict[str, Any]) -> None:
    """Each leaf of the higher one is in the result."""
    result = merged(tree(low), tree(high))
    for path, leaf in tree(high).leaves():
        found = result.find(path)
        assert found is not None
        assert found.plain() == leaf.plain() or leaf.plain() == {}


def _kinds_differ(*values: Any) -> bool:
    """Return whether a key is a map in one tree and something else in another."""
    if not all(isinstance(value, dict) for value in values):
        return any(isinstance(value, dict) for value in values)
    keys = {key for value in values for key in value}
    return any(_kinds_differ(*(value[key] for value in values if key in value)) for key in keys)
