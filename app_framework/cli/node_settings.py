"""What the flags of `af node start` and `af witness` mean as settings, the spellings of other systems included.

>>> settings_of(NodeFlags(name="node1", port=8081, peers=("localhost:8080",)))["cluster.peers"]
'["localhost:8080"]'
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from app_framework.cli.failures import CommandError

Settings = dict[str, str]

_LOG_FILE = "node.log"


@dataclass(frozen=True, slots=True)
class NodeFlags:
    """The flags as they were given.

    Args:
        name: of the node.
        port: of its HTTP server.
        data_dir: what it keeps.
        peers: running nodes, as URLs or ``host:port``.
        listen: ``host:port`` or a URL to listen on, as `qdbd -a` and `--ServerUrl` write it.
        root: what it keeps, as `qdbd --root` and `--DataDir` write it.
        log_file: as `qdbd -l` writes it.
        log_folder: as `--Logs.Path` writes it.
    """

    name: str | None = None
    port: int | None = None
    data_dir: Path | None = None
    peers: tuple[str, ...] = ()
    listen: str | None = None
    root: Path | None = None
    log_file: Path | None = None
    log_folder: Path | None = None


def settings_of(flags: NodeFlags) -> Settings:
    """Return key and value of everything that the flags set.

    Raises:
        CommandError: an address cannot be one, or two flags contradict each other.
    """
    found: Settings = {}
    if flags.listen is not None:
        host, port = listen_address(flags.listen)
        found |= {"server.address": host, "server.port": str(port)}
    if flags.port is not None:
        _agree("--port", str(flags.port), "the address to listen on", found.get("server.port"))
        found["server.port"] = str(flags.port)
    if flags.data_dir is not None and flags.root is not None:
        _agree("--data-dir", str(flags.data_dir), "--root", str(flags.root))
    folder = flags.data_dir or flags.root
    if folder is not None:
        found["app.data-dir"] = str(folder)
    if flags.name is not None:
        found["cluster.node.name"] = flags.name
    elif flags.listen is not None or flags.root is not None:
        # Those who write these flags know no names. As the application's name it yields to one in a file, and to the
        # one that the folder remembers.
        found["app.name"] = _made_up_name(flags)
    if flags.peers:
        found["cluster.peers"] = _listed(flags.peers)
    log_file = flags.log_file or (flags.log_folder / _LOG_FILE if flags.log_folder else None)
    if log_file is not None:
        found["logging.file.name"] = str(log_file)
    return found


def as_arguments(settings: Mapping[str, str], given: Sequence[str]) -> tuple[str, ...]:
    """Return settings as arguments of a launch, before those that were given and without those that these set.

    >>> as_arguments({"server.port": "1", "app.name": "a"}, ["--server.port=2"])
    ('--app.name=a', '--server.port=2')
    """
    own = {each.removeprefix("--").partition("=")[0] for each in given}
    return (*(f"--{key}={value}" for key, value in settings.items() if key not in own), *given)


def listen_address(text: str) -> tuple[str, int]:
    """Return host and port of ``127.0.0.1:2836`` or ``http://127.0.0.2:8080``.

    Raises:
        CommandError: it is neither.
    """
    try:
        parts = urlsplit(text if "://" in text else f"//{text}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or port is None:
        raise CommandError(f"'{text}' is no address to listen on.", "Write host and port, such as 127.0.0.1:8080.")
    return host, port


def peers_of(texts: Sequence[str]) -> tuple[str, ...]:
    """Return addresses of running nodes, one for each, without repetitions; a text may name several with commas.

    Raises:
        CommandError: one of them cannot be an address.
    """
    found = [each.strip().rstrip("/") for text in texts for each in text.split(",") if each.strip()]
    for each in found:
        if not _is_address(each):
            raise CommandError(
                f"'{each}' is no address of a node.", "Write its URL or host and port: http://localhost:8080"
            )
    return tuple(dict.fromkeys(found))


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        return parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is not None or "://" in text)
    except ValueError:
        return False


def _listed(texts: Sequence[str]) -> str:
    return json.dumps(list(texts), ensure_ascii=False)


def _agree(flag: str, value: str, other_flag: str, other: str | None) -> None:
    if other is not None and other != value:
        raise CommandError(f"{flag} says {value}, {other_flag} says {other}.", "Give one of them.")


def _made_up_name(flags: NodeFlags) -> str:
    """Return a name that is the same at the next start: the folder's, else one from the address.

    >>> _made_up_name(NodeFlags(root=Path("Data/1"))), _made_up_name(NodeFlags(listen="127.0.0.2:2836"))
    ('node-1', 'node-127-0-0-2-2836')
    """
    text = flags.root.name if flags.root is not None and flags.root.name else "-".join(map(str, _own_address(flags)))
    plain = re.sub(r"[^A-Za-z0-9_-]+", "-", text).strip("-") or "node"
    return plain if plain[0].isalpha() else f"node-{plain}"


def _own_address(flags: NodeFlags) -> tuple[str, int]:
    return listen_address(flags.listen or "")
