"""The copy on disk: whole, checked, and with one before it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app_framework.cluster.errors import ClusterDataError
from app_framework.cluster.snapshot import Snapshot, read_snapshot, write_snapshot
from app_framework.cluster.store import Entry

OLD = (Entry("registry", b"\x00old", 3),)
NEW = (Entry("a", b"", 7), Entry("registry", b"new", 9))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cluster" / "snapshot.json"


def test_a_snapshot_is_read_as_it_was_written(path: Path) -> None:
    """In the order of keys, with revisions, and the newest revision even when its entry is gone."""
    write_snapshot(path, reversed(NEW), 12)
    snapshot = read_snapshot(path)
    assert snapshot == Snapshot(NEW, 12)
    assert snapshot.entry("registry") == NEW[1]
    assert snapshot.entry("b") is None


def test_only_its_owner_can_read_it(path: Path) -> None:
    """The registry may name secrets."""
    write_snapshot(path, NEW, 12)
    assert path.stat().st_mode & 0o777 == 0o600


def test_nothing_but_the_last_two_is_left(path: Path) -> None:
    """No drafts."""
    for revision in range(3):
        write_snapshot(path, NEW, revision)
    assert sorted(each.name for each in path.parent.iterdir()) == ["snapshot.json", "snapshot.json.previous"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda text: b"",
        lambda text: text.replace(b'"revision": 12', b'"revision": 13'),
        lambda text: b"[1, 2]",
        lambda text: b"\xff\xfe",
    ],
)
def test_a_damaged_one_is_never_read(path: Path, damage: object) -> None:
    """The one before it is; without one the error says what is wrong."""
    write_snapshot(path, NEW, 12)
    path.write_bytes(damage(path.read_bytes()))  # type: ignore[operator]
    with pytest.raises(ClusterDataError, match=r"snapshot\.json cannot be used: it is damaged"):
        read_snapshot(path)
    write_snapshot(path, OLD, 5)
    write_snapshot(path, NEW, 12)
    path.write_bytes(damage(path.read_bytes()))  # type: ignore[operator]
    assert read_snapshot(path) == Snapshot(OLD, 5)


def test_a_missing_one_and_one_of_a_later_version_are_told_apart(path: Path) -> None:
    """Each says what to do."""
    with pytest.raises(ClusterDataError, match=r"there is no snapshot\. Recover on another member"):
        read_snapshot(path)
    write_snapshot(path, NEW, 12)
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 2}))
    with pytest.raises(
        ClusterDataError, match=r"it has format 2, this version reads 1\. Use the version that wrote it"
    ):
        read_snapshot(path)


def test_a_folder_that_cannot_be_is_told(path: Path) -> None:
    """Here a file is in its place."""
    path.parent.write_text("not a folder")
    with pytest.raises(ClusterDataError, match=r"snapshot\.json cannot be used: File exists"):
        write_snapshot(path, NEW, 12)
