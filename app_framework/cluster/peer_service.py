"""What a node answers to other nodes over HTTP, before there is a common messenger."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from app_framework.cluster.errors import NotLeaderError, UnknownNodeError
from app_framework.cluster.peers import check_signature, signed
from app_framework.errors import UserError
from app_framework.security.secret import ClusterSecret

if TYPE_CHECKING:
    from app_framework.cluster.agent import ClusterAgent

JOIN_ARGS = ("node", "uid", "url", "route", "wants", "cluster")


class PeerService:
    """The doors of `POST /api/cluster/peer/{door}`; each checks that the caller holds the cluster's secret.

    Args:
        agent: of this node.
        secret: of the cluster.
    """

    def __init__(self, agent: ClusterAgent, secret: ClusterSecret | None) -> None:
        self._agent = agent
        self._secret = secret

    async def answer(self, door: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Answer one call.

        Raises:
            UserError: it is refused.
        """
        match door:
            case "join":
                return await self._joined(body)
            case "invite":
                return await self._invited(body)
        raise UnknownNodeError(door)

    async def _joined(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """A node wants to be a member: the leader lets it in."""
        node, nonce = _text(body, "node"), _text(body, "nonce")
        check_signature(body, self._secret, "join", node)
        if body.get("uid") == self._agent.identity.uid:
            return signed({"self": True}, self._secret, f"join/{nonce}")
        session = self._agent.session
        if session is None:
            raise NotLeaderError(None)
        args = {key: body.get(key) for key in JOIN_ARGS}
        return signed(await session.calls.ask_leader("join", args), self._secret, f"join/{nonce}")

    async def _invited(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """A member was asked to register this node."""
        leader, nonce = _text(body, "leader"), _text(body, "nonce")
        check_signature(body, self._secret, "invite", leader)
        identity = self._agent.identity
        answer = signed({"node": identity.name, "uid": identity.uid}, self._secret, f"invite/{nonce}")
        await self._agent.invited_by(leader, _text(body, "cluster_id"), _text(body, "cluster_uid"))
        return answer


def _text(body: Mapping[str, Any], key: str) -> str:
    value = body.get(key)
    if not isinstance(value, str) or not value:
        raise UserError(f"the call has no {key!r}")
    return value
