"""What to say about a key that nobody knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app_framework.cli.failures import CommandError
from app_framework.errors import did_you_mean

if TYPE_CHECKING:
    from app_framework.boot import Environment


def unknown_key(key: str, environment: Environment) -> CommandError:
    """Return the error for a key: with what was probably meant, or the starter that would know it (FA1)."""
    from app_framework.boot.config.known_starters import KNOWN_STARTERS

    section = key.partition(".")[0]
    owner = KNOWN_STARTERS.get(section)
    claimed = {known.partition(".")[0] for known in environment.effective(defaults=True)}
    if owner and section not in claimed:
        text = f"No property is called '{key}': {owner}, which would own it, is not installed."
        return CommandError(text, f"pip install {owner}")
    near = did_you_mean(environment.near_keys(key))
    return CommandError(f"No property is called '{key}'.", near or "af config show lists them all.")
