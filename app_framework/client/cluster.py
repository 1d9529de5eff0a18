"""The membership of a cluster, through any of its nodes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from app_framework.client.client import Client


class Cluster:
    """Who is in the cluster, and the three changes.

    Args:
        client: asks the nodes.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    def status(self) -> dict[str, Any]:
        """Return the cluster as the node that answers sees it: state, leader, term, epoch, nodes, health."""
        return self._client.read_cluster()

    def decisions(self) -> list[dict[str, Any]]:
        """Return what the leaders decided, and why; the newest first."""
        found: list[dict[str, Any]] = self._client.get_json("/api/cluster/decisions")
        return found

    def register(self, url: str) -> dict[str, Any]:
        """Make the running node at a URL a member, and return its document.

        Raises:
            ProblemError: nothing answers there, or it cannot become one.
            UnavailableProblemError: no majority, or no leader now.
        """
        return self._change("register", {"url": url}, replaces=True)  # of a member already, it changes nothing

    def deregister(self, node: str) -> dict[str, Any]:
        """Remove a member, by URL or id, and return its last document.

        Raises:
            ProblemError: there is no such member.
            UnavailableProblemError: no majority, or no leader now.
            AnswerLostError: it may have been removed.
        """
        return self._change("deregister", {"url": node})

    def stop(self, node: str) -> dict[str, Any]:
        """Send a member, by URL or id, the signal to stop, and return its document.

        Raises:
            ProblemError: there is no such member.
            UnavailableProblemError: no majority, or no leader now.
            AnswerLostError: it may have been stopped.
        """
        return self._change("stop", {"node": node})

    def _change(self, what: str, body: Mapping[str, str], *, replaces: bool = False) -> dict[str, Any]:
        answer = self._client.post_json(f"/api/cluster/{what}", body, replaces=replaces)
        document: dict[str, Any] = answer["node"]
        self._client.forget_topology()
        return document

    def __repr__(self) -> str:
        return f"<Cluster through {self._client.url}>"
