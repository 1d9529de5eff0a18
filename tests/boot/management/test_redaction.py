"""Known secrets are blanked out of every text."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app_framework.boot import ConfigProperties, SecretStr
from app_framework.boot.management.redaction import Redactor, known_secrets
from app_framework.testing import ContextRunner


class KeyProperties(ConfigProperties, prefix="key"):
    """One declared secret, one by its name, one inside a text."""

    url: str = ""
    password: SecretStr | None = None
    token_ttl: int = 0


SECRET = 'can"ary\\ ä/1'


@pytest.mark.parametrize("spell", [str, repr, json.dumps, lambda text: quote(text, safe="")])
def test_a_secret_is_masked_however_it_is_quoted(spell: object) -> None:
    """Plain, in a repr, in JSON and in a URL."""
    assert callable(spell)
    masked = Redactor([SECRET]).mask(f"before {spell(SECRET)} after")
    assert "ary" not in masked
    assert masked.startswith("before ")
    assert masked.endswith(" after")


def test_a_short_secret_is_masked_as_a_word_only() -> None:
    """Half of every word would tell nothing to anybody."""
    assert Redactor(["pw"]).mask("the pw of httpwire") == "the ****** of httpwire"


def test_the_longer_of_two_secrets_is_masked_whole() -> None:
    """Else its rest would stay readable."""
    assert Redactor(["canary", "canary-and-more"]).mask("canary-and-more") == "******"


def test_passwords_in_urls_are_masked_without_being_known() -> None:
    """Nobody declared them secret, yet they are."""
    assert Redactor().mask("nats://ana:hunter2@example.org") == "nats://ana:******@example.org"


def test_values_are_masked_in_depth_and_keep_their_types() -> None:
    """Only what holds the secret becomes text."""
    value = {"a": [1, 987654, True, None, "x 987654"], "b": {"c": 1.5}}
    assert Redactor(["987654"]).mask_value(value) == {"a": [1, "******", True, None, "x ******"], "b": {"c": 1.5}}


def test_a_value_becomes_what_json_can_hold() -> None:
    """Details come from anybody: a path, a NaN, a list that contains itself."""
    circular: list[object] = []
    circular.append(circular)
    masked = Redactor().mask_value({"path": Path("/a"), "ratio": float("nan"), "circular": circular, 1: {2}})
    assert json.loads(json.dumps(masked, allow_nan=False))["path"] == "/a"


def test_the_secrets_of_an_environment_are_those_that_are_used_and_those_that_are_covered() -> None:
    """FA9: a weaker source's password is still a password; ``token-ttl: 10`` is none that could be masked."""
    environment = (
        ContextRunner(sources=[KeyProperties])
        .yaml("""{key: {url: "http://${HOST}/?key=${API_KEY}&x=1", password: yaml-canary, token-ttl: 10}}""")
        .environ({"HOST": "example.org", "API_KEY": "part-canary"})
        .arguments("--key.password=${API_KEY}")
        .prepare()
        .environment
    )
    assert known_secrets(environment) == {
        "http://example.org/?key=part-canary&x=1",
        "part-canary",
        "yaml-canary",
    }


def test_an_empty_secret_masks_nothing() -> None:
    """A property that is set to nothing must not blank the whole log."""
    assert Redactor(["", "  "]).mask("hello world") == "hello world"


@given(st.text(min_size=5, max_size=20).filter(str.strip), st.text(max_size=30), st.text(max_size=30))
def test_a_secret_never_survives(secret: str, before: str, after: str) -> None:
    """Whatever it is made of, and whatever is around it."""
    masked = Redactor([secret]).mask(before + secret + after)
    assert secret not in masked.replace("******", "") or secret in before or secret in after
