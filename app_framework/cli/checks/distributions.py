"""Installed distributions: which are ours, and where an editable one has its source."""

from __future__ import annotations

import json
from importlib.metadata import Distribution
from pathlib import Path
from urllib.parse import unquote, urlsplit

FRAMEWORK = "app-framework"
ENTRY_POINT_GROUP = "app_framework.auto_configuration"


def normalized(distribution: Distribution) -> str:
    """Return a distribution's name as indexes compare it."""
    return (distribution.metadata["Name"] or "").lower().replace("_", "-").replace(".", "-")


def ours(distribution: Distribution) -> bool:
    """Return whether it is the framework, one of its starters, or a third party's starter."""
    name = normalized(distribution)
    if name == FRAMEWORK or name.startswith(f"{FRAMEWORK}-starter-"):
        return True
    return any(point.group == ENTRY_POINT_GROUP for point in distribution.entry_points)


def editable_folder(distribution: Distribution) -> Path | None:
    """Return the source folder of a distribution that was installed with ``pip install -e``."""
    text = distribution.read_text("direct_url.json")
    facts = json.loads(text) if text else {}
    url = urlsplit(str(facts.get("url", "")))
    editable = facts.get("dir_info", {}).get("editable", False)
    return Path(unquote(url.path)) if editable and url.scheme == "file" else None
