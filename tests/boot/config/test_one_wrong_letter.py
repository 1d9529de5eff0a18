"""One wrong letter anywhere in the names of a configuration is refused, placed, and put right (FA2)."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from app_framework.boot.config.environment import Environment
from app_framework.boot.config.errors import ConfigProblem
from tests.boot.config.conftest import MODELS

TEXT = """\
app:
  name: shop
  profiles: {active: dev}
server:
  port: 8080
  shutdown: graceful
  tls:
    key-password: x
nats:
  connect-timeout: 2s
  servers: [a]
security:
  users:
    ana:
      password: x
database:
  tables:
    orders:
      source: {parquet: a.parquet}
schemas:
  Sales:
    tpch:
      dimensions: {Returns: [a]}
"""
KEYS = [
    "app", "name", "profiles", "active", "server", "port", "shutdown", "tls", "key-password", "nats", "connect-timeout",
    "servers", "security", "users", "password", "database", "tables", "source", "parquet", "schemas", "dimensions",
]  # fmt: skip
VARIABLES = ["APP_SERVER_PORT", "APP_NATS_CONNECT_TIMEOUT", "APP_SERVER_TLS_KEY_PASSWORD", "APP_LIFECYCLE_DRAIN_DELAY"]
LETTERS = "abcdefghijklmnopqrstuvwxyz"


@st.composite
def slips(draw: st.DrawFn, words: list[str], letters: str = LETTERS) -> tuple[str, str]:
    """A word, and the same with one letter changed, dropped, doubled or swapped with the next."""
    word = draw(st.sampled_from(words))
    at = draw(st.sampled_from([at for at, letter in enumerate(word) if letter.isalpha()]))
    wrong = draw(
        st.sampled_from(
            [
                word[:at] + draw(st.sampled_from(letters)) + word[at + 1 :],
                word[:at] + word[at + 1 :],
                word[:at] + word[at] + word[at:],
                word[:at] + word[at : at + 2][::-1] + word[at + 2 :],
            ]
        )
    )
    return word, wrong


def problems(text: str, environ: dict[str, str]) -> list[ConfigProblem]:
    with tempfile.TemporaryDirectory() as folder:
        environment = Environment.load(directory=Path(folder), inline=text, environ=environ)
        environment.claim(MODELS)
        return [problem for problem in environment.problems if problem.code != "missing-value"]


def test_the_text_itself_is_right() -> None:
    """Else the claims below would prove nothing."""
    assert problems(TEXT, dict.fromkeys(VARIABLES, "1")) == []


@given(slips(KEYS))
def test_a_slip_in_a_key_is_placed_and_put_right(slip: tuple[str, str]) -> None:
    """The place is that of the key, and the right word is among the suggestions."""
    right, wrong = slip
    written = re.search(rf"(?<![\w-]){right}:", TEXT)
    assert written is not None
    if wrong == right:
        return
    (problem,) = problems(f"{TEXT[: written.start()]}{wrong}:{TEXT[written.end() :]}", {})
    assert problem.origin is not None
    assert problem.origin.line == TEXT.count("\n", 0, written.start()) + 1
    assert any(near.rpartition(".")[2] == right for near in problem.near)


@given(slips(VARIABLES, LETTERS.upper()))
def test_a_slip_in_a_variable_is_an_error(slip: tuple[str, str]) -> None:
    """Beyond the prefix, which makes it ours in the first place."""
    right, wrong = slip
    if wrong == right or not wrong.startswith("APP_"):
        return
    (problem,) = problems(TEXT, {wrong: "1"})
    assert right in problem.near
