"""What a node answers to other nodes over HTTP, before there is a common messenger."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, get_args
from urllib.parse import urlsplit

from app_framework.cluster.errors import NotLeaderError, UnknownDoorError, WrongClusterError
from app_framework.cluster.identity import NodeIdentity
from app_framework.cluster.peers import PeerDoors, check_signature, signed
from app_framework.cluster.view import NODE_NAME, NodeType
from app_framework.errors import FrameworkError, UserError
from app_framework.security.secret import ClusterSecret

if TYPE_CHECKING:
    from app_framework.cluster.agent import ClusterAgent

HELLO_TIMEOUT_S = 5.0
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
            case "hello":
                return self._greeted(body)
        raise UnknownDoorError(door)

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
        check_joining(args)
        return signed(await session.calls.ask_leader("join", args), self._secret, f"join/{nonce}")

    def _greeted(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """A node wants to know which cluster this is."""
        node, nonce = _text(body, "node"), _text(body, "nonce")
        check_signature(body, self._secret, "hello", node)
        identity = self._agent.identity
        known = {"cluster_id": identity.cluster_id, "cluster_uid": identity.cluster_uid}
        return signed(known, self._secret, f"hello/{nonce}")

    async def _invited(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """A member was asked to register this node."""
        leader, nonce = _text(body, "leader"), _text(body, "nonce")
        identity = self._agent.identity
        check_signature(body, self._secret, "invite", identity.name, invited=True)
        answer = signed({"node": identity.name, "uid": identity.uid}, self._secret, f"invite/{nonce}")
        await self._agent.invited_by(leader, _text(body, "cluster_id"), _text(body, "cluster_uid"))
        return answer


async def foreign_cluster(
    seeds: Sequence[str], identity: NodeIdentity, peers: PeerDoors, secret: ClusterSecret | None
) -> WrongClusterError | None:
    """Return the error of a node one of whose peers belongs to another cluster than its folder: one is a mistake."""
    for seed in seeds:
        call = signed({"node": identity.name}, secret, "hello")
        with suppress(FrameworkError, UserError):  # who does not answer is looked for by the cluster itself
            answer = await peers.call(seed, "hello", call, timeout_s=HELLO_TIMEOUT_S)
            if answer.get("cluster_uid") not in ("", None, identity.cluster_uid):
                advice = "Start it with an empty folder (app.data-dir), or without that peer"
                return WrongClusterError(identity.name, str(answer["cluster_id"]), identity.cluster_id, advice)
    return None


def check_joining(args: Mapping[str, Any]) -> None:
    """Refuse what could not be a member: it would stay in the registry for good.

    Raises:
        UserError: something is missing, or is not what it should be.
    """
    if not re.fullmatch(NODE_NAME, str(args["node"])):
        raise UserError(f"{args['node']!r} is no name of a node: letters, digits, '-' and '_', at most 63")
    if not isinstance(args["uid"], str) or not args["uid"]:
        raise UserError("the call has no 'uid'")
    if not isinstance(args["url"], str) or (args["url"] and urlsplit(args["url"]).scheme not in ("http", "https")):
        raise UserError("the call's 'url' is no URL of a node")
    if not isinstance(args["route"], str):
        raise UserError("the call's 'route' is no host:port")
    if args["wants"] not in get_args(NodeType):
        raise UserError(f"the call's 'wants' is {args['wants']!r}, not voter, watcher or witness")
    if args["cluster"] is not None and not isinstance(args["cluster"], str):
        raise UserError("the call's 'cluster' is no name")


def _text(body: Mapping[str, Any], key: str) -> str:
    value = body.get(key)
    if not isinstance(value, str) or not value:
        raise UserError(f"the call has no {key!r}")
    return value
