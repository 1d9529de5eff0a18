"""A `config.json` as JettraDBVM writes it (J6), as settings of a node.

{"Host": "0.0.0.0", "Port": 8080, "DataDir": "data", "distributed": true, "NodeID": "node1", "Bootstrap": true,
 "Peers": []}
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from app_framework.cli.failures import CommandError
from app_framework.cli.node_settings import Settings, peers_of
from app_framework.errors import did_you_mean, near_matches

NAME = "config.json"
BYTES_MAX = 1024 * 1024
_OWN_MARKS = frozenset({"nodeid", "distributed", "bootstrap", "peers"})
"""A config.json without any of these belongs to another program."""


def find_config_json(folders: Iterable[Path]) -> Path | None:
    """Return the first `config.json` of a node in some folders; one of another program is none."""
    for folder in folders:
        path = folder / NAME
        if path.is_file() and path.stat().st_size <= BYTES_MAX and _is_ours(path):
            return path
    return None


def read_config_json(path: Path) -> Settings:
    """Return the settings that the file means; a relative folder starts at the file.

    Raises:
        CommandError: it is no such file, with the place and what to write.
    """
    document = _parsed(path)
    found: Settings = {}
    for key, value in document.items():
        known = _KEYS.get(key.lower())
        if known is None:
            near = did_you_mean(near_matches(key, (name for name, *_ in _KEYS.values())))
            raise CommandError(f"{path}: there is no key '{key}'.", near or f"It knows {_names()}.")
        name, kind, expected, settings = known
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise CommandError(f"{path}: {name} is {json.dumps(value)}.", f"Write {expected}.")
        try:
            found |= settings(value, path.absolute().parent)
        except CommandError as error:
            raise CommandError(f"{path}: {name}: {error.description}", error.action) from None
    return found


def _is_ours(path: Path) -> bool:
    """A file that cannot be read as JSON is looked at again when it is read, where the place can be told."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError):
        return True
    return isinstance(document, dict) and any(str(key).lower() in _OWN_MARKS for key in document)


def _parsed(path: Path) -> Mapping[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
        document = json.loads(text)
    except json.JSONDecodeError as error:
        raise CommandError(f"{path}:{error.lineno}:{error.colno}: {error.msg}.", "Correct the JSON there.") from error
    except UnicodeDecodeError as error:
        raise CommandError(f"{path} is not text in UTF-8.", "Save it as UTF-8.") from error
    if not isinstance(document, dict):
        raise CommandError(f"{path} is no JSON object.", 'Write {"NodeID": "node1", "Port": 8080, …}.')
    return document


def _host(value: str, _: Path) -> Settings:
    return {"server.address": value}


def _port(value: int, _: Path) -> Settings:
    if not 0 <= value <= 65535:
        raise CommandError(f"{value} is no port.", "Write a number from 0 to 65535.")
    return {"server.port": str(value)}


def _data_dir(value: str, folder: Path) -> Settings:
    return {"app.data-dir": str(folder / value)}


def _distributed(value: bool, _: Path) -> Settings:
    return {} if value else {"cluster.enabled": "false"}


def _node_id(value: str, _: Path) -> Settings:
    if not value.strip():
        raise CommandError("it is empty.", 'Write a name such as "node1".')
    return {"cluster.node.name": value}


def _bootstrap(value: bool, _: Path) -> Settings:
    return {"cluster.bootstrap": str(value).lower()}


def _peers(value: list[Any], _: Path) -> Settings:
    peers = peers_of([str(each) for each in value])
    return {"cluster.peers": json.dumps(list(peers))} if peers else {}


_KEYS: Mapping[str, tuple[str, type, str, Callable[[Any, Path], Settings]]] = {
    "host": ("Host", str, "an address in quotes", _host),
    "port": ("Port", int, "a number", _port),
    "datadir": ("DataDir", str, "a folder in quotes", _data_dir),
    "distributed": ("distributed", bool, "true or false", _distributed),
    "nodeid": ("NodeID", str, "a name in quotes", _node_id),
    "bootstrap": ("Bootstrap", bool, "true or false", _bootstrap),
    "peers": ("Peers", list, "a list of URLs", _peers),
}
"""Key in lower case → as it is written, its type, what to write, and what it sets."""


def _names() -> str:
    return ", ".join(name for name, *_ in _KEYS.values())
