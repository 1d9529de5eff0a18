"""Renamed keys go on working, or say what took their place."""

from __future__ import annotations

from typing import Annotated

from app_framework.boot.config.properties import ConfigProperties, Deprecated, Field
from tests.boot.config.conftest import ConfigFolder


class EntryProperties(ConfigProperties):
    size: int | None = None
    length: Annotated[int | None, Deprecated("size")] = None


class OldProperties(ConfigProperties, prefix="old"):
    port: Annotated[int | None, Deprecated("old.web.port", since="0.2", reason="there are two ports now")] = None
    host: Annotated[str | None, Deprecated("new.host", level="error", since="0.3")] = None
    gone: Annotated[str | None, Deprecated()] = None
    web: dict[str, int] = Field(default={})
    entries: dict[str, EntryProperties] = Field(default={})


class NewProperties(ConfigProperties, prefix="new"):
    host: str = ""


MODELS = (OldProperties, NewProperties)


def test_a_deprecated_key_warns_and_is_carried_over(folder: ConfigFolder) -> None:
    """Both the old and the new key have the value; the place is that of the old one."""
    environment = folder.load(models=MODELS, inline="old: {port: 5}")
    assert environment.problems == ()
    assert environment.get("old.web.port") == environment.get("old.port") == 5
    assert str(environment.origin("old.web.port")) == "<inline>:1:13"
    (warning,) = environment.warnings
    assert str(warning) == ("<inline>:1:7: old.port is deprecated since 0.2: there are two ports now; use old.web.port")
    assert warning.action == "Write old.web.port instead of old.port."


def test_a_replacement_that_is_set_stays(folder: ConfigFolder) -> None:
    """Even by a lower source."""
    folder.write("application.yml", "old: {web: {port: 1}}")
    environment = folder.load(models=MODELS, environ={"APP_OLD_PORT": "5"})
    assert environment.get("old.web.port") == 1
    assert len(environment.warnings) == 1


def test_a_replacement_may_be_beside_the_old_key(folder: ConfigFolder) -> None:
    """In each entry of a map."""
    environment = folder.load(models=MODELS, inline="old: {entries: {a: {length: 5}}}")
    assert environment.bind(OldProperties).entries["a"].size == 5
    assert "use old.entries.a.size" in str(environment.warnings[0])


def test_a_key_that_ended_is_an_error(folder: ConfigFolder) -> None:
    """It says what to write instead."""
    assert folder.problems(models=MODELS, inline="old: {host: x}") == [
        "<inline>:1:7: old.host is no longer supported since 0.3; use new.host"
    ]


def test_a_key_without_successor_only_warns(folder: ConfigFolder) -> None:
    """There is nothing to carry over to."""
    (warning,) = folder.load(models=MODELS, inline="old: {gone: x}").warnings
    assert str(warning) == "<inline>:1:7: old.gone is deprecated"
