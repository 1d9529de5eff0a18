"""A membership service in memory that keeps its promises: several nodes see one register, and the leader decides.

cluster = FakeCluster()
n1 = cluster.node("node1", "http://127.0.0.1:8080")       # founds it
n2 = cluster.node("node2", "http://127.0.0.1:8081")       # runs, and is no member yet
await n1.register("http://127.0.0.1:8081")
"""

from __future__ import annotations

import string
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from app_framework.boot import auto_configuration, bean
from app_framework.cluster.errors import (
    NoQuorumError,
    NotLeaderError,
    UnknownNodeError,
    UnreachableNodeError,
    WrongSecretError,
)
from app_framework.cluster.service import ClusterService
from app_framework.cluster.view import ClusterView, Decision, NodeDocument


class FakeCluster:
    """The register that all nodes of a test see."""

    def __init__(self, name: str = "Cluster") -> None:
        self.name = name
        self.running: dict[str, FakeClusterNode] = {}
        self.members: dict[str, NodeDocument] = {}
        self.term = 1
        self.epoch = 0
        self.elections = 0
        self.decided: list[Decision] = []
        self.listeners: list[tuple[FakeClusterNode, Callable[[ClusterView], None]]] = []

    def node(self, node_id: str, url: str) -> FakeClusterNode:
        """Return a running node; the first one founds the cluster."""
        node = self.running[node_id] = FakeClusterNode(self, node_id, url)
        if not self.members:
            self.change(self.document(node, "LEADER"), "cluster_register", f"{node_id} founded the cluster")
        return node

    def document(self, node: FakeClusterNode, role: Any) -> NodeDocument:
        return NodeDocument(node.id, node.url, role, "ACTIVE", self.free_tag(), "voter", self.epoch + 1)

    def free_tag(self) -> str:
        taken = {member.tag for member in self.members.values()}
        return next(tag for tag in string.ascii_uppercase if tag not in taken)

    def change(self, document: NodeDocument, command: str, reason: str) -> NodeDocument:
        """Apply one decision, and tell everybody."""
        self.epoch += 1
        document = self.members[document.id] = replace(document, epoch=self.epoch)
        self.decide(command, document.id, reason)
        return document

    def decide(self, command: str, subject: str, reason: str) -> None:
        time = f"2026-01-01T00:00:{self.epoch % 60:02}Z"
        self.decided.insert(0, Decision(time, self.term, self.leader or "?", command, subject, reason))
        for node, listener in self.listeners:
            listener(node.view())

    @property
    def leader(self) -> str | None:
        """The leading member; nobody without a majority."""
        active = [member for member in self.members.values() if member.status == "ACTIVE"]
        if len(active) * 2 <= len(self.members):
            return None
        return next((member.id for member in active if member.role == "LEADER"), None)

    def kill(self, node_id: str) -> None:
        """A machine dies: its document says so, and where it led another one leads."""
        del self.running[node_id]
        dead = self.members[node_id]
        self.change(replace(dead, status="INACTIVE", role="FOLLOWER"), "cluster_update_node", f"{node_id} is silent")
        active = [member for member in self.members.values() if member.status == "ACTIVE"]
        if dead.role == "LEADER" and len(active) * 2 > len(self.members):
            self.term += 1
            self.elections += 1
            self.change(replace(active[0], role="LEADER"), "cluster_update_node", f"{active[0].id} leads now")


class FakeClusterNode(ClusterService):
    """One node's view of the register."""

    def __init__(self, cluster: FakeCluster, node_id: str, url: str) -> None:
        self.cluster = cluster
        self.id = node_id
        self.url = url
        self.calls: list[tuple[str, Mapping[str, Any]]] = []

    def view(self) -> ClusterView:
        cluster, leader = self.cluster, self.cluster.leader
        own = cluster.members.get(self.id)
        active = sum(member.status == "ACTIVE" for member in cluster.members.values())
        return ClusterView(
            enabled=True,
            cluster_id=cluster.name if own else "",
            node_id=self.id,
            state="PASSIVE" if own is None else "CANDIDATE" if leader is None else own.role,
            leader_id=leader if own else None,
            leader_url=cluster.members[leader].url if own and leader else None,
            term=cluster.term if own else 0,
            epoch=cluster.epoch if own else 0,
            tolerates=max(0, active - len(cluster.members) // 2 - 1) if own else 0,
            nodes=tuple(sorted(cluster.members.values(), key=lambda each: each.tag)) if own else (),
            place="jetstream" if len(cluster.members) > 2 else "sqlite",
            elections=cluster.elections,
        )

    def decisions(self) -> tuple[Decision, ...]:
        return tuple(self.cluster.decided)

    def listen(self, listener: Callable[[ClusterView], None]) -> Callable[[], None]:
        entry = (self, listener)
        self.cluster.listeners.append(entry)
        return lambda: self.cluster.listeners.remove(entry)

    async def register(self, url: str, *, forward: bool = True) -> NodeDocument:
        self._led(forward)
        known = next((member for member in self.cluster.members.values() if member.url == url), None)
        if known is not None:
            return known
        node = next((each for each in self.cluster.running.values() if each.url == url), None)
        if node is None:
            raise UnreachableNodeError(url, "connection refused")
        return self.cluster.change(
            self.cluster.document(node, "FOLLOWER"), "cluster_register", f"{node.id} was registered"
        )

    async def deregister(self, node: str, *, forward: bool = True) -> NodeDocument:
        self._led(forward)
        member = self.cluster.members.pop(self._member(node).id)
        self.cluster.epoch += 1
        self.cluster.decide("cluster_deregister", member.id, f"{member.id} was deregistered")
        return member

    async def stop_node(self, node: str, *, forward: bool = True) -> NodeDocument:
        self._led(forward)
        stopped = replace(self._member(node), status="INACTIVE")
        return self.cluster.change(stopped, "cluster_stop", f"{stopped.id} was told to stop")

    async def peer_call(self, door: str, body: Mapping[str, Any], *, near: bool = True) -> Mapping[str, Any]:
        self.calls.append((door, body))
        if body.get("proof") != "right":
            raise WrongSecretError(str(body.get("node", "?")))
        return {"door": door, "welcome": True}

    def status(self) -> Mapping[str, Any]:
        view = self.view()
        return {"term": view.term, "leaderId": view.leader_id, "state": view.state, "revision": self.cluster.epoch}

    def _member(self, node: str) -> NodeDocument:
        for member in self.cluster.members.values():
            if node in (member.id, member.url):
                return member
        raise UnknownNodeError(node, tuple(self.cluster.members))

    def _led(self, forward: bool) -> None:
        view = self.view()
        if view.leader_id is None:
            raise NoQuorumError
        if view.leader_id != self.id and not forward:
            raise NotLeaderError(view.leader_url)


def serving(node: FakeClusterNode) -> type:
    """Return an auto-configuration that makes a node the application's membership service."""

    @auto_configuration()
    class FakeClusterAutoConfiguration:
        """The membership service of a test."""

        @bean
        def cluster_node(self) -> FakeClusterNode:
            """The node."""
            return node

    return FakeClusterAutoConfiguration
