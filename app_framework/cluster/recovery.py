"""The operator's last resort: a cluster whose majority is gone for good begins again on one node.

The node's own copy of the decisions becomes the truth of a cluster of one, in a new term, with the other members
struck. It is a new cluster under the old name: nodes of the old one that come back are refused until their folders are
emptied, because what they know may differ. Nothing here runs by itself, and never while the node does.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from pathlib import Path

from app_framework.cluster.errors import ClusterDataError
from app_framework.cluster.identity import NodeFolder, NodeIdentity, cluster_folder
from app_framework.cluster.local_store import LocalConsensusStore
from app_framework.cluster.registry import KEY, Lease, Member, Registry
from app_framework.cluster.snapshot import read_snapshot

REVISION_LEAP = 1_000_000
"""Revisions that the lost majority may have given out after the copy was made are never given out again."""


@dataclass(frozen=True, slots=True)
class Recovery:
    """What was rebuilt.

    Args:
        node: the node that is the cluster now.
        cluster_id: the cluster's name.
        term: the last one that the copy knows; the next leader has a later one.
        entries: how many entries it holds.
        revision: of the newest write in the copy.
        struck: the members that are not in it any more.
    """

    node: str
    cluster_id: str
    term: int
    entries: int
    revision: int
    struck: tuple[str, ...]


def recover(data_dir: Path, cluster_id: str) -> Recovery:
    """Make the node of a data folder a cluster of one again.

    Args:
        data_dir: ``app.data-dir`` of a node that does not run.
        cluster_id: the cluster's name, as a proof that the operator means it.

    Raises:
        ClusterDataError: the folder is in use, holds no cluster or another one, or its copy is damaged.
    """
    path = cluster_folder(data_dir)
    if not (path / "node.json").exists():
        raise ClusterDataError(str(path), "no node has been there", "Name the node's data folder with --data-dir")
    folder = NodeFolder(path)
    try:
        return _recover(folder, folder.identity(None, ""), cluster_id)
    finally:
        folder.close()


def _recover(folder: NodeFolder, identity: NodeIdentity, cluster_id: str) -> Recovery:
    if identity.cluster_id != cluster_id:
        raise ClusterDataError(
            str(folder.path), f"it holds cluster {identity.cluster_id!r}, not {cluster_id!r}", "Give that cluster's id"
        )
    entries, revision = _newest_copy(folder, identity)
    document = next((value for key, value in entries if key == KEY), None)
    if document is None:
        raise ClusterDataError(str(folder.path), "its copy holds no registry", "Recover on another member")
    before = Registry.from_bytes(document)
    me = before.member(identity.name)
    if me is None:
        raise ClusterDataError(
            str(folder.path), f"node {identity.name!r} was no member when the copy was made", "Recover on a member"
        )
    after = _alone(before, me)
    _replace_store(folder, [(key, value) for key, value in entries if key != KEY], after, revision)
    folder.remember(
        NodeIdentity(
            identity.name,
            identity.uid,
            cluster_id=cluster_id,
            cluster_uid=after.cluster_uid,
            key=secrets.token_hex(32),
            founder=identity.name,
            founder_uid=identity.uid,
            ports=identity.ports,
            attempts=identity.attempts,
        )
    )
    struck = tuple(each.id for each in before.members if each.id != identity.name)
    return Recovery(identity.name, cluster_id, before.term, len(entries), revision, struck)


def _newest_copy(folder: NodeFolder, identity: NodeIdentity) -> tuple[list[tuple[str, bytes]], int]:
    """The founder's own store where the truth never left it, else the snapshot."""
    if identity.holds_truth and folder.store_path.exists():
        store = LocalConsensusStore(folder.store_path)
        try:
            rows = [(row.key, row.value) for row in store.rows() if row.value is not None]
            return rows, store.last_revision
        finally:
            store.close_now()
    snapshot = read_snapshot(folder.snapshot_path)
    return [(entry.key, entry.value) for entry in snapshot.entries], snapshot.revision


def _alone(before: Registry, me: Member) -> Registry:
    member = replace(me, votes=True, status="ACTIVE", stopped=False, epoch=before.epoch + 1)
    return replace(
        before,
        cluster_uid=secrets.token_hex(16),
        lease=Lease(),
        epoch=before.epoch + 1,
        members=(member,),
        servers=(),
        founder=me.id,
    )


def _replace_store(folder: NodeFolder, entries: list[tuple[str, bytes]], registry: Registry, revision: int) -> None:
    draft = folder.store_path.with_suffix(".recovered")
    for stale in folder.path.glob(f"{draft.name}*"):
        stale.unlink()
    store = LocalConsensusStore(draft, first_revision=revision + REVISION_LEAP)
    store.import_rows([*entries, (KEY, registry.as_bytes())])
    store.close_now()
    for old in folder.path.glob(f"{folder.store_path.name}*"):
        old.unlink()
    draft.replace(folder.store_path)
