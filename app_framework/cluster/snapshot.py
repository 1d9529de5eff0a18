"""The copy of the decisions that every node keeps on its disk: from it a cluster whose majority is gone is begun anew.

It is written as a whole or not at all, knows its own checksum, and its predecessor stays until it is in place.

>>> with tempfile.TemporaryDirectory() as folder:
...     write_snapshot(Path(folder) / "snapshot.json", [Entry("members", b"n1", 7)], 9)
...     print(read_snapshot(Path(folder) / "snapshot.json").revision)
9
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from app_framework.cluster.errors import ClusterDataError
from app_framework.cluster.store import Entry

FORMAT = 1
SNAPSHOT_BYTES_MAX = 1 << 30
"""Of a file that is read; a registry has some hundred kilobytes."""
PREVIOUS = ".previous"

_ACTION = "Recover on another member, or from a backup of its folder"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The decisions as they were.

    Args:
        entries: in the order of their keys.
        revision: of the newest change that they contain.
    """

    entries: tuple[Entry, ...]
    revision: int

    def entry(self, key: str) -> Entry | None:
        """Return one entry."""
        return next((entry for entry in self.entries if entry.key == key), None)


def write_snapshot(path: Path, entries: Iterable[Entry], revision: int) -> None:
    """Replace the snapshot; the one before stays beside it.

    Raises:
        ClusterDataError: the folder cannot be written; the snapshot is as it was.
    """
    content = _content(entries, revision)
    document = {"format": FORMAT, "sha256": _checksum(content), "content": content}
    try:
        _write_whole(path, json.dumps(document).encode())
    except OSError as error:
        raise ClusterDataError(
            str(path), error.strerror or str(error), "Make room on the disk, or mend the folder's rights"
        ) from error


def read_snapshot(path: Path) -> Snapshot:
    """Read the snapshot; where it is damaged, the one before.

    Raises:
        ClusterDataError: there is none, or both are damaged.
    """
    failure: ClusterDataError | None = None
    for candidate in (path, _previous(path)):
        try:
            return _read(candidate)
        except ClusterDataError as error:
            failure = failure or error
    assert failure is not None
    raise failure


def _read(path: Path) -> Snapshot:
    try:
        with path.open("rb") as file:
            text = file.read(SNAPSHOT_BYTES_MAX + 1)
    except FileNotFoundError:
        raise ClusterDataError(str(path), "there is no snapshot", _ACTION) from None
    except OSError as error:
        raise ClusterDataError(str(path), error.strerror or str(error), "Mend the file's rights") from error
    if len(text) > SNAPSHOT_BYTES_MAX:
        raise ClusterDataError(str(path), f"it has more than {SNAPSHOT_BYTES_MAX:,} bytes", _ACTION)
    try:
        document = json.loads(text)
        number, content, checksum = document["format"], document["content"], document["sha256"]
    except (ValueError, KeyError, TypeError):
        raise ClusterDataError(str(path), "it is damaged: this is not a whole snapshot", _ACTION) from None
    if number != FORMAT:
        raise ClusterDataError(
            str(path), f"it has format {number!r}, this version reads {FORMAT}", "Use the version that wrote it"
        )
    if _checksum(content) != checksum:
        raise ClusterDataError(str(path), "it is damaged: its checksum does not agree with its content", _ACTION)
    try:
        entries = tuple(Entry(key, base64.b64decode(value), revision) for key, value, revision in content["entries"])
        return Snapshot(entries, content["revision"])
    except (ValueError, KeyError, TypeError, binascii.Error):
        raise ClusterDataError(str(path), "it is damaged: its entries cannot be read", _ACTION) from None


def _content(entries: Iterable[Entry], revision: int) -> dict[str, Any]:
    ordered = sorted(entries, key=lambda entry: entry.key)
    return {
        "revision": revision,
        "entries": [[entry.key, base64.b64encode(entry.value).decode(), entry.revision] for entry in ordered],
    }


def _checksum(content: object) -> str:
    return sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _previous(path: Path) -> Path:
    return path.with_name(path.name + PREVIOUS)


def _write_whole(path: Path, text: bytes) -> None:
    """Write beside, sync, keep the old one, rename: whenever the power goes, one of them is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    draft = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            with suppress(FileNotFoundError):
                _previous(path).unlink()
            _keep(path)
        draft.replace(path)
        _sync_folder(path.parent)
    finally:
        draft.unlink(missing_ok=True)


def _keep(path: Path) -> None:
    """A second name costs nothing; where a file system has no such thing, the old one is simply replaced."""
    with suppress(OSError):
        os.link(path, _previous(path))


def _sync_folder(folder: Path) -> None:
    """A rename is durable when its folder is; only POSIX can sync one."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
