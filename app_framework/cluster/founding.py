"""The founding of a cluster, and whether one is still as it was founded."""

from __future__ import annotations

from dataclasses import replace

from app_framework.cluster.command_log import COMMANDS
from app_framework.cluster.identity import NodeIdentity
from app_framework.cluster.local_store import LocalConsensusStore
from app_framework.cluster.node_self import NodeSelf
from app_framework.cluster.registry import KEY, Member, Registry

CUBES = "distribution"
"""Where it stands who answers for which rows: cubes that are alone say so again in the cluster that they enter."""


def founded(me: NodeSelf, cluster_id: str, cluster_uid: str, key: str) -> tuple[NodeIdentity, Registry]:
    """Return who a node is that founds a cluster of one, and the registry of that cluster."""
    alone = me.identity.alone()
    registry = Registry.founded(cluster_id, cluster_uid, Member(alone.name, alone.uid, me.url, "", me.wants))
    identity = replace(
        alone, cluster_id=cluster_id, cluster_uid=cluster_uid, key=key, founder=alone.name, founder_uid=alone.uid
    )
    return identity, registry


async def is_fresh(store: LocalConsensusStore) -> bool:
    """Whether a founder is alone and nothing has happened: then its store may be dropped to join another cluster."""
    entries = await store.entries()
    registry = next((Registry.from_bytes(each.value) for each in entries if each.key == KEY), None)
    return registry is not None and registry.is_fresh and all(_is_own(each.key) for each in entries)


def _is_own(key: str) -> bool:
    """Whether nothing of a user is lost with an entry: it is the membership service's own, or is written again."""
    return key == KEY or key.startswith((f"{COMMANDS}.", f"{CUBES}."))
