"""`af config`: check, show, explain, schema."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app_framework.testing import GoldenFiles
from tests.cli.conftest import Af

CANARY = "s3cr3t-canary"


@pytest.fixture
def shop(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration from four sources, with two secrets."""
    (folder / "application.yml").write_text(
        "app: {name: shop}\n"
        "server:\n"
        "  port: 8080\n"
        "info:\n"
        f"  owner: ana\n  api-token: {CANARY}\n"
        f"  store: nats://ana:{CANARY}@example.org\n"
        '  "no": ["1.0", 2, {deep: yes}]\n'
    )
    (folder / "application-prod.yml").write_text("server: {port: 80}\n")
    monkeypatch.setenv("APP_SERVER_PORT", "8081")
    return folder


def test_check_names_what_was_read_and_says_ok(af: Af, shop: Path, golden: GoldenFiles) -> None:
    done = af("config", "check", "--profile", "prod")
    assert done.exit_code == 0
    golden("config_check.txt", done.stdout)


def test_check_warns_about_a_variable_that_nobody_reads(af: Af, shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A warning is no failure, and no data."""
    monkeypatch.setenv("APP_ZZZZZZ", "1")
    done = af("config", "check")
    assert done.exit_code == 0
    assert "warning: environment variable APP_ZZZZZZ" in done.stderr


def test_fa2_check_tells_every_mistake_at_once(af: Af, folder: Path, golden: GoldenFiles) -> None:
    (folder / "application.yml").write_text("sever:\n  port: 80\nserver:\n  prot: 1\n  max-body-size: much\n")
    done = af("config", "check")
    assert (done.exit_code, done.stdout) == (1, "")
    golden("config_mistakes.txt", done.stderr)


def test_show_is_the_file_that_would_say_the_same(af: Af, shop: Path, golden: GoldenFiles) -> None:
    """Every value with its place; secrets are masked (FA9)."""
    done = af("config", "show", "--only-set")
    golden("config_show.txt", done.stdout)
    assert CANARY not in done.output


def test_show_of_a_section_has_its_defaults(af: Af, shop: Path) -> None:
    shown = af("config", "show", "server").stdout
    assert "# environment variable APP_SERVER_PORT" in shown
    assert "docs: true" in shown
    assert "info" not in shown


def test_show_as_json_is_flat(af: Af, shop: Path) -> None:
    shown = json.loads(af("config", "show", "info", "-o", "json").stdout)
    assert shown["info.owner"] == {"value": "ana", "origin": "application.yml:5:10"}
    assert CANARY not in json.dumps(shown)


def test_fa5_explain_shows_every_source_the_winner_first(af: Af, shop: Path, golden: GoldenFiles) -> None:
    done = af("config", "explain", "server.port", "--profile", "prod", "--server.port=0")
    golden("config_explain.txt", done.stdout)


def test_fa9_explain_masks_a_secret(af: Af, shop: Path) -> None:
    done = af("config", "explain", "info.api-token", f"--info.api-token={CANARY}")
    assert done.stdout.count("******") == 2
    assert CANARY not in done.output


@pytest.mark.parametrize("command", ["explain", "show"])
def test_a_key_that_nobody_knows_gets_a_suggestion(af: Af, shop: Path, command: str) -> None:
    done = af("config", command, "server.prot")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "No property is called 'server.prot'." in done.stderr
    assert "Did you mean: server.port" in done.stderr


def test_fa1_a_key_of_a_starter_that_is_not_installed_names_it(af: Af, folder: Path) -> None:
    done = af("config", "explain", "nats.servers")
    assert "pip install app-framework-starter-nats" in done.stderr


def test_explain_takes_the_application_too(af: Af, shop: Path) -> None:
    """What has a colon is the application."""
    (shop / "main.py").write_text("from app_framework import Application\napp = Application()\n")
    assert af("config", "explain", "main:app", "app.name").stdout.splitlines()[1].split() == [
        "*", "shop", "application.yml:1:13",
    ]  # fmt: skip


def test_the_schema_covers_the_installed_starters(af: Af, folder: Path) -> None:
    """On standard output, or in a file whose folder is made."""
    schema = json.loads(af("config", "schema").stdout)
    assert {"app", "server", "logging"} <= schema["properties"].keys()
    done = af("config", "schema", "--output", ".app/application.schema.json")
    assert done.stdout == ""
    assert json.loads((folder / ".app" / "application.schema.json").read_text()) == schema
