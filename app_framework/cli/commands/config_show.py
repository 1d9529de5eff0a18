"""`af config show`: the values that hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from app_framework.cli.keys import unknown_key
from app_framework.cli.output import as_json
from app_framework.cli.selection import TAKES_SETTINGS, Selection, selecting
from app_framework.cli.setting_tree import setting_tree, to_yaml

if TYPE_CHECKING:
    from app_framework.boot.config.explanation import Setting


@click.command("show", **TAKES_SETTINGS)
@selecting("[PREFIX]")
@click.option("--only-set", is_flag=True, help="Leave out what nobody set: the defaults.")
@click.option("-o", "--output", type=click.Choice(["yaml", "json"]), default="yaml", help="How to write the values.")
def command(selection: Selection, word: str | None, only_set: bool, output: str) -> None:
    """Show the values that hold, each with its place.

    PREFIX is a section or a key, such as server or server.port. Secrets are masked.
    """
    environment = selection.environment()
    found = environment.effective(defaults=not only_set)
    shown = {key: setting for key, setting in found.items() if word is None or _is_part(key, word)}
    if word and not shown and not any(_is_part(key, word) for key in environment.effective(defaults=True)):
        raise unknown_key(word, environment)
    click.echo(to_yaml(setting_tree(shown)) if output == "yaml" else as_json(_plain(shown)))


def _is_part(key: str, prefix: str) -> bool:
    return key == prefix or key.startswith((f"{prefix}.", f"{prefix}["))


def _plain(settings: dict[str, Setting]) -> dict[str, object]:
    return {key: {"value": each.value, "origin": str(each.origin)} for key, each in settings.items()}
